/** A daemon in this process, for the tests of this folder. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { loadText } from "../engine/runtime/configuration.ts";
import { type ServeOptions, type Serving, serve } from "./serve.ts";

export type Daemon = Serving & {
  /** of the event endpoint */
  url: string;
  post(body: string | Uint8Array | ReadableStream, init?: RequestInit & { query?: string }): Promise<Response>;
  bugs: unknown[];
};

/** Started on a port of loopback, drained when the test has ended. `config`: asked again for every reload. */
export async function startDaemon(
  config: object | (() => object),
  options: Partial<ServeOptions> = {},
): Promise<Daemon> {
  const bugs: unknown[] = [];
  const partitionUuid = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
  const serving = await serve({
    file: "test.json",
    load() {
      const text = JSON.stringify({ partitionUuid, ...(typeof config === "function" ? config() : config) });
      const { plan, systems, diagnostics } = loadText(text, "test.json");
      return plan === undefined ? { complaints: JSON.stringify(diagnostics) } : { plan, systems, text };
    },
    log: () => {},
    version: "test",
    drainMs: 2000,
    address: "127.0.0.1:0",
    tls: undefined,
    requestMs: 10_000,
    onBug: (error) => bugs.push(error),
    path: "/binge",
    token: () => undefined,
    bodyBytesMax: 100_000,
    inProgressMax: 100,
    queue: undefined,
    ...options,
  });
  onTestFinished(() => serving.drain());
  const url = `http://${serving.address}/binge`;
  const post: Daemon["post"] = (body, { query = "", ...init } = {}) =>
    fetch(url + query, { method: "POST", body, ...init });
  return { ...serving, url, post, bugs };
}

export const annotate = (name: string, fieldKey: string, value: string) => ({
  annotator: { name, annotations: [{ fieldKey, value }] },
});

/** The value of a metric without labels. */
export function metric({ metrics }: Daemon, name: string): number | undefined {
  return metrics().find((family) => family.name === name)?.samples[0]?.value;
}

/** A target of tees whose answer the test decides. */
export type Target = { url: string; got: string[]; status: number; holds: boolean; release(): void };

export async function startTarget(): Promise<Target> {
  const waiting: (() => void)[] = [];
  const server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      target.got.push(body);
      const answer = () => void response.writeHead(target.status).end();
      if (target.holds) waiting.push(answer);
      else answer();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const release = () => waiting.splice(0).forEach((answer) => void answer());
  const target: Target = { url, got: [], status: 200, holds: false, release };
  return target;
}

export function teeTo(url: string): object {
  return {
    pipelines: [{ name: "mirror", processes: [{ name: "tee" }] }],
    processDefinitions: [{ tee: { name: "tee", outputConnectorRef: "target" } }],
    externalSystems: [{ externalType: "ExternalHttp", name: "target", connectionString: url }],
  };
}
