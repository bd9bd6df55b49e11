/** An HTTP/1.1 client for tests: exact bytes out, exact bytes in, connections kept. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";

export type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer };
export type Ask = {
  method?: string;
  path?: string;
  headers?: { [name: string]: string | string[] };
  body?: string | Uint8Array;
  /** sent without a length, in chunks */
  chunked?: boolean;
};

export type Client = { ask(request: Ask): Promise<Answer>; close(): void };

export function newClient(port: number, connections = 1): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    ask: ({ method = "POST", path = "/", headers = { "content-type": "application/json" }, body, chunked }) =>
      new Promise((resolve, reject) => {
        const length = framing(body, chunked === true);
        const options = { host: "127.0.0.1", port, agent, method, path, headers: { ...length, ...headers } };
        const request = httpRequest(options, (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
          });
        });
        request.on("error", reject);
        request.end(body);
      }),
    close: () => agent.destroy(),
  };
}

// Node adds a content-length of its own to a body that is there at once, unless it is told otherwise.
function framing(body: string | Uint8Array | undefined, chunked: boolean): { [name: string]: string } {
  if (chunked) return { "transfer-encoding": "chunked" };
  return body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
}
