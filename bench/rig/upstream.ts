/**
 * The upstream of the benchmark, a process of its own: says of each request whether its body is the one that was sent,
 * the one it should have become, or neither. Written on the socket, because whatever it costs is time that the two cores
 * do not have for what is measured: node:http would take three times as much.
 *
 *   node bench/rig/upstream.ts [DELAY_MS]     prints "listening 127.0.0.1:PORT"; ends on SIGTERM
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { BODY, CHANGED_BODY } from "./work.ts";

const delayMs = Number(process.argv[2] ?? 0);

const ANSWERS = { changed: answer("changed"), original: answer("original"), wrong: answer("wrong") };

function answer(text: string): Buffer {
  return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
}

const original = Buffer.from(BODY);
const changed = Buffer.from(CHANGED_BODY);

function judge(body: Buffer): Buffer {
  if (body.equals(changed)) return ANSWERS.changed;
  return body.equals(original) ? ANSWERS.original : ANSWERS.wrong;
}

const server = createServer({ noDelay: true }, (socket) => {
  let pending: Buffer | undefined;
  socket.on("error", () => socket.destroy()); // Envoy went away
  socket.on("data", (chunk: Buffer) => {
    const bytes = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
    pending = serve(socket, bytes) ? undefined : bytes;
  });
});

/** False while the request is not whole. Envoy never sends a second one before the answer to the first. */
function serve(socket: Socket, bytes: Buffer): boolean {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return false;
  const head = bytes.toString("latin1", 0, headEnd);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const rest = bytes.subarray(headEnd + 4);
  const body = length === undefined ? unchunked(rest) : sized(rest, Number(length));
  if (body === undefined) return false;
  const reply = judge(body);
  if (delayMs === 0) socket.write(reply);
  else setTimeout(() => socket.write(reply), delayMs);
  return true;
}

function sized(bytes: Buffer, length: number): Buffer | undefined {
  return bytes.length < length ? undefined : bytes.subarray(0, length);
}

// A server that removes content-length makes Envoy send chunks (facts 2.1).
function unchunked(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let pos = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", pos);
    const size = Number.parseInt(bytes.toString("latin1", pos, lineEnd), 16);
    const start = lineEnd + 2;
    if (lineEnd < 0 || bytes.length < start + size + 2) return undefined;
    if (size === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(start, start + size));
    pos = start + size + 2;
  }
}

process.once("SIGTERM", () => process.exit(0));
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  process.stdout.write(`listening 127.0.0.1:${port}\n`);
});
