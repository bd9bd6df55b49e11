/** A flood of small events through an Envoy, each answer checked. */
import { loadText } from "../../../engine/runtime/configuration.ts";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { startEnvoy } from "../../../tools/run-envoy.ts";
import { startUpstream } from "../../../tools/start/upstream.ts";
import { newClient } from "./client.ts";

/**
 * The configuration whose requests come back marked, for floods of small events. With time enough that a busy machine is no
 * fault: Envoy's patience is half a second more than `deadlineMs`.
 */
export const MARKING = {
  pipelines: [{ name: "mark", processes: [{ name: "annotate" }] }],
  processDefinitions: [{ annotator: { name: "annotate", annotations: [{ fieldKey: "seen", value: "yes" }] } }],
  http: { version: 1, routes: [{ name: "all", request: { pipelines: ["mark"], limits: { deadlineMs: 10_000 } } }] },
};

export type MarkingEnvoy = {
  port: number;
  /** how many connections to the server it has opened so far */
  connections(): Promise<number>;
  stop(): Promise<void>;
};

/** An Envoy, and an upstream that answers with what it got, in front of a server of MARKING at `listen`. */
export async function startMarkingEnvoy(listen: string, gracefulClose: boolean): Promise<MarkingEnvoy> {
  const upstream = await startUpstream();
  const { plan } = loadText(JSON.stringify(MARKING), "marking.json");
  const options = { listen, upstream: upstream.address, port: 0, adminPort: 0, gracefulClose };
  const envoy = await startEnvoy(envoyBootstrap(plan?.routes ?? [], options));
  return {
    port: envoy.port,
    async connections() {
      const stats = await fetch(`http://${envoy.admin}/stats?filter=agglo_ext_proc.upstream_cx_total`);
      return Number(/upstream_cx_total: (\d+)/.exec(await stats.text())?.[1]);
    },
    async stop() {
      await envoy.stop();
      await upstream.stop();
    },
  };
}

/** Floods an Envoy that runs MARKING with `requests`, as fast as `connections` allow: the answers that are not right. */
export async function failuresOfMarking(port: number, requests: number, connections: number): Promise<string[]> {
  const client = newClient(port, connections);
  const failures: string[] = [];
  let next = 0;
  const worker = async () => {
    while (next < requests) {
      const id = next++;
      const { status, body } = await client.ask({ body: `{"id":${id}}` });
      const answer = body.toString();
      if (status !== 200 || !answer.includes(`"body":{"id":${id},"seen":"yes"}`)) failures.push(`${status} ${answer}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  client.close();
  return failures;
}
