/**
 * The upstream of the benchmark, a process of its own: says of each request whether its body is the one that was sent,
 * one it should have become, or neither; a GET gets an order of the size its path names. Written on the socket, because
 * whatever it costs is time that the two cores do not have for what is measured: node:http would take three times as much.
 *
 *   node bench/rig/upstream.ts [DELAY_MS]     prints "listening 127.0.0.1:PORT"; ends on SIGTERM
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { orderText, SIZES } from "./bodies.ts";
import { judgements, replyPath } from "./work.ts";

const delayMs = Number(process.argv[2] ?? 0);

function answer(contentType: string, text: string): Buffer {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${contentType}\r\ncontent-length: ${text.length}\r\n\r\n`;
  return Buffer.from(head + text);
}

const WRONG = answer("text/plain", "wrong");
const REPLIES = new Map(SIZES.map((size) => [replyPath(size), answer("application/json", orderText(size))]));

/** By length: a body is compared with the few that are as long. */
const KNOWN = new Map<number, { bytes: Buffer; reply: Buffer }[]>();
for (const { body, says } of judgements()) {
  const bytes = Buffer.from(body);
  const sameLength = KNOWN.get(bytes.length) ?? [];
  sameLength.push({ bytes, reply: answer("text/plain", says) });
  KNOWN.set(bytes.length, sameLength);
}

function judge(body: Buffer): Buffer {
  return KNOWN.get(body.length)?.find(({ bytes }) => bytes.equals(body))?.reply ?? WRONG;
}

/** What has come of a request so far. */
type Pending = {
  chunks: Buffer[];
  bytes: number;
  /** of the whole request, as soon as its head says so; Infinity: in chunks, until the last has come */
  bytesWanted: number | undefined;
};

const server = createServer({ noDelay: true }, (socket) => {
  let pending: Pending = { chunks: [], bytes: 0, bytesWanted: undefined };
  socket.on("error", () => socket.destroy()); // the proxy went away
  socket.on("data", (chunk: Buffer) => {
    pending.chunks.push(chunk);
    pending.bytes += chunk.length;
    // The proxy never sends a second request before the answer to the first.
    if (serve(socket, pending)) pending = { chunks: [], bytes: 0, bytesWanted: undefined };
  });
});

/** False while the request is not whole. */
function serve(socket: Socket, pending: Pending): boolean {
  if (pending.bytesWanted === undefined) pending.bytesWanted = bytesWanted(joined(pending));
  if (pending.bytesWanted === undefined || !isWhole(pending)) return false;
  const bytes = joined(pending);
  const headEnd = bytes.indexOf("\r\n\r\n");
  const rest = bytes.subarray(headEnd + 4);
  const path = bytes.toString("latin1", bytes.indexOf(" ") + 1, bytes.indexOf(" HTTP"));
  const reply = REPLIES.get(path) ?? judge(pending.bytesWanted === Number.POSITIVE_INFINITY ? unchunked(rest) : rest);
  if (delayMs === 0) socket.write(reply);
  else setTimeout(() => socket.write(reply), delayMs);
  return true;
}

function joined(pending: Pending): Buffer {
  if (pending.chunks.length > 1) pending.chunks = [Buffer.concat(pending.chunks)];
  return pending.chunks[0] as Buffer;
}

/** undefined: the head is not whole. */
function bytesWanted(bytes: Buffer): number | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const head = bytes.toString("latin1", 0, headEnd).toLowerCase(); // nginx writes Content-Length
  const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
  if (length !== undefined) return headEnd + 4 + Number(length);
  return head.includes("\r\ntransfer-encoding: chunked") ? Number.POSITIVE_INFINITY : headEnd + 4;
}

function isWhole({ chunks, bytes, bytesWanted }: Pending): boolean {
  if (bytesWanted !== Number.POSITIVE_INFINITY) return bytes >= (bytesWanted ?? 0);
  const ends = chunks.slice(-LAST_CHUNK.length).map((chunk) => chunk.subarray(-LAST_CHUNK.length));
  return Buffer.concat(ends).subarray(-LAST_CHUNK.length).equals(LAST_CHUNK);
}

const LAST_CHUNK = Buffer.from("0\r\n\r\n"); // no body of ours has a line break that a chunk could begin with

// A server that removes content-length makes Envoy send chunks (facts 2.1).
function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let pos = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", pos);
    const size = Number.parseInt(bytes.toString("latin1", pos, lineEnd), 16);
    if (size === 0 || lineEnd < 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    pos = lineEnd + 2 + size + 2;
  }
}

process.once("SIGTERM", () => process.exit(0));
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  process.stdout.write(`listening 127.0.0.1:${port}\n`);
});
