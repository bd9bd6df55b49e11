/** A flood of small events through an Envoy, each answer checked. */
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
