/** An HTTP proxy in front of a server that a test lets fail: before a request reaches the server, or after. */
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * `lose`: the server does what it was asked, and nobody hears of it. `refuse`: it is not asked, and the connection ends.
 * An answer: it is not asked, and this comes instead.
 */
export type Fault = "pass" | "lose" | "refuse" | { status: number; body: string };

export type FaultyProxy = {
  /** http://127.0.0.1:PORT */
  endpoint: string;
  /** asked about each request; may be replaced */
  decide: (request: { target: string; body: string }) => Fault;
  faults: number;
  close(): Promise<void>;
};

export async function startFaultyProxy(behind: string): Promise<FaultyProxy> {
  const server = createServer((request, response) => void handle(proxy, behind, request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: FaultyProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    decide: () => "pass",
    faults: 0,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}

async function handle(
  proxy: FaultyProxy,
  behind: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const fault = proxy.decide({ target: String(request.headers["x-amz-target"] ?? ""), body: body.toString("utf8") });
  if (fault !== "pass") proxy.faults++;
  if (fault === "refuse") return void request.socket.destroy();
  if (typeof fault === "object") return void response.writeHead(fault.status).end(fault.body);
  const forwarded = httpRequest(`${behind}${request.url}`, { method: request.method, headers: request.headers });
  forwarded.on("error", () => request.socket.destroy()); // as if the server itself had ended the connection
  forwarded.on("response", (answer) => {
    if (fault === "lose") {
      answer.resume();
      answer.on("end", () => request.socket.destroy());
      return;
    }
    response.writeHead(answer.statusCode ?? 0, answer.headers);
    answer.pipe(response);
  });
  forwarded.end(body);
}
