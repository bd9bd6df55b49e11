/**
 * What a daemon is measured against: a node:http server that reads a body, parses it and answers, and does nothing else.
 *
 *   node bench/rig/bare-server.ts     prints "listening 127.0.0.1:PORT"; ends on SIGTERM
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const event = JSON.parse(Buffer.concat(chunks).toString("utf8")) as object;
    const status = event === null ? 400 : 200;
    response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": "7" });
    response.end("Success");
  });
});

process.once("SIGTERM", () => process.exit(0));
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  process.stdout.write(`listening 127.0.0.1:${port}\n`);
});
