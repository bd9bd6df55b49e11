/** The upstream of `npm start` and of tests: answers with what reached it, as JSON, and remembers it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Reached = { method: string; path: string; headers: IncomingMessage["headers"]; body: string };

export type Upstream = {
  /** HOST:PORT */
  address: string;
  /** every request, in order */
  reached: Reached[];
  /** their bodies as bytes */
  raw: Buffer[];
  stop(): Promise<void>;
};

export async function startUpstream(): Promise<Upstream> {
  const reached: Reached[] = [];
  const raw: Buffer[] = [];
  const server = createServer((request, response) => answer(request, response, reached, raw));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  return { address: `127.0.0.1:${port}`, reached, raw, stop: () => stop(server) };
}

function answer(request: IncomingMessage, response: ServerResponse, reached: Reached[], raw: Buffer[]): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const bytes = Buffer.concat(chunks);
    const body = bytes.toString("utf8");
    const seen: Reached = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body };
    reached.push(seen);
    raw.push(bytes);
    response.writeHead(200, { "content-type": "application/json" });
    const { method, path, headers } = seen;
    response.end(`${JSON.stringify({ method, path, headers }).slice(0, -1)},"body":${jsonText(body)}}`);
  });
}

// JSON as it came, however deep or precise; anything else as a string.
function jsonText(body: string): string {
  try {
    JSON.parse(body);
    return body;
  } catch {
    return JSON.stringify(body);
  }
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
