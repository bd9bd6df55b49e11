/** A daemon in this process, for the tests of this folder. */
import { onTestFinished } from "vitest";
import { loadText } from "../engine/runtime/configuration.ts";
import { type ServeOptions, type Serving, serve } from "./serve.ts";

export type Daemon = Serving & {
  /** of the event endpoint */
  url: string;
  post(body: string | Uint8Array | ReadableStream, init?: RequestInit & { query?: string }): Promise<Response>;
  bugs: unknown[];
};

/** Started on a port of loopback, drained when the test has ended. */
export async function startDaemon(config: object, options: Partial<ServeOptions> = {}): Promise<Daemon> {
  const bugs: unknown[] = [];
  const text = JSON.stringify({ partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301", ...config });
  const serving = await serve({
    file: "test.json",
    load() {
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
