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

/** Answers a request whose body has come. */
export type Respond = (seen: Reached, response: ServerResponse) => void;

export async function startUpstream(respond: Respond = echo): Promise<Upstream> {
  const reached: Reached[] = [];
  const raw: Buffer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const bytes = Buffer.concat(chunks);
      const { method = "", url: path = "", headers } = request;
      const seen = { method, path, headers, body: bytes.toString("utf8") };
      reached.push(seen);
      raw.push(bytes);
      respond(seen, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  return { address: `127.0.0.1:${port}`, reached, raw, stop: () => stop(server) };
}

/** Answers with what reached it, as JSON. */
export function echo({ method, path, headers, body }: Reached, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(`${JSON.stringify({ method, path, headers }).slice(0, -1)},"body":${jsonText(body)}}`);
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
