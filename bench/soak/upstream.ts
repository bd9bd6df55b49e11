/**
 * The upstream of the soak, a process of its own: gives POSTs their body back, as it comes on /streams/; a GET of /reply/N is
 * an order of N bytes, one of /streams/ is events with pauses.
 *
 *   node bench/soak/upstream.ts     prints "listening 127.0.0.1:PORT"; ends on SIGTERM
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { orderText, SIZES } from "../rig/bodies.ts";
import { EVENT_PAUSE_MS, eventTexts } from "./streams.ts";
import { EVENTS } from "./traffic.ts";

const REPLIES = new Map(SIZES.map((size) => [`/reply/${size}`, orderText(size)]));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = request.url ?? "";
  const reply = REPLIES.get(url);
  if (reply !== undefined) return respond(response, "application/json", Buffer.from(reply));
  if (!url.startsWith("/streams/")) return respond(response, "text/plain", await bodyOf(request));
  if (request.method === "GET") return sendEvents(response);
  response.writeHead(200, { "content-type": request.headers["content-type"] });
  response.flushHeaders();
  request.pipe(response);
}

function respond(response: ServerResponse, type: string, body: Buffer): void {
  response.writeHead(200, { "content-type": type, "content-length": body.length });
  response.end(body);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function sendEvents(response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": EVENTS });
  for (const text of eventTexts()) {
    if (response.destroyed) return; // its client has gone
    response.write(text);
    await delay(EVENT_PAUSE_MS);
  }
  response.end();
}

const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
  request.on("error", () => {}); // its client has gone: bodyOf hears of it
  answer(request, response).catch(() => response.destroy());
});
process.once("SIGTERM", () => process.exit(0));
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  process.stdout.write(`listening 127.0.0.1:${port}\n`);
});
