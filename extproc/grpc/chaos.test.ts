import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { afterEach, expect, it, vi } from "vitest";
import { DEFAULT_LIMITS } from "../http2/limits.ts";
import type { GrpcCall, MessageHandler } from "./call.ts";
import { GrpcServer } from "./server.ts";

// 1,000 calls in flight on one connection, whose client has tiny windows, writes in crumbs, and ends its calls in every
// way there is: each message is answered or its call is over, none is mixed up, and nothing stays behind.

const CALLS = 1000;
const MESSAGES_MAX = 6;
const TIMEOUT_MS = 120_000;

let server: GrpcServer;
const opened: { closed: number }[] = [];

afterEach(() => server.close());

/** Answers each message with itself: at once, or in a later turn of the event loop, but in order. */
function serve(call: GrpcCall): MessageHandler {
  const seen = { closed: 0 };
  opened.push(seen);
  const late = opened.length % 2 === 0;
  const waiting: Buffer[] = [];
  let ended = false;
  const later = () => {
    const message = waiting.shift();
    if (message !== undefined) call.send(message);
    if (ended && waiting.length === 0) call.end();
  };
  return {
    recv(message) {
      if (seen.closed > 0) throw new Error("a message after the end");
      if (!late) call.send(message);
      else {
        waiting.push(message);
        setImmediate(later);
      }
    },
    recvEnd() {
      ended = true;
      if (waiting.length === 0) call.end();
    },
    closed: () => seen.closed++,
  };
}

/** A TCP socket that writes a few bytes at a time: of the first 20,000 one by one. */
function crumbs(port: number): Duplex {
  const socket: Socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  let written = 0;
  const duplex = new Duplex({
    read: () => socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      for (let pos = 0; pos < chunk.length; ) {
        const size = written < 20_000 ? 1 : 1 + ((written * 7919) % 300);
        socket.write(chunk.subarray(pos, pos + size));
        pos += size;
        written += size;
      }
      if (socket.writableNeedDrain) socket.once("drain", () => done());
      else done();
    },
    final: (done) => socket.end(() => done()),
    destroy(_error, done) {
      socket.destroy();
      done(null);
    },
  });
  socket.on("data", (bytes: Buffer) => {
    if (!duplex.push(bytes)) socket.pause();
  });
  socket.on("close", () => duplex.destroy());
  socket.on("error", () => {});
  return duplex;
}

type Ending = "halfClose" | "reset" | "resetLater";

class ChaosCall {
  readonly sent: string[] = [];
  received = Buffer.alloc(0);
  status: string | undefined = undefined;
  readonly over: Promise<unknown>;
  readonly ending: Ending;

  constructor(session: ClientHttp2Session, id: number) {
    const stream = session.request({ ":method": "POST", ":path": "/chaos/Echo", "content-type": "application/grpc" });
    this.ending = (["halfClose", "halfClose", "reset", "resetLater"] as const)[id % 4] as Ending;
    this.over = new Promise((resolve) => stream.once("close", resolve));
    stream.on("error", () => {});
    stream.on("data", (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes]);
    });
    stream.on("trailers", (trailers) => {
      this.status = String(trailers["grpc-status"]);
    });
    this.talk(stream, id);
  }

  private talk(stream: ClientHttp2Stream, id: number): void {
    const count = 1 + (id % MESSAGES_MAX);
    for (let i = 0; i < count; i++) {
      const text = `call ${id} message ${i} ${"x".repeat((id * 37 + i * 101) % 400)}`;
      this.sent.push(text);
      const message = Buffer.alloc(5 + text.length);
      message.writeUInt32BE(text.length, 1);
      message.write(text, 5);
      stream.write(message);
    }
    if (this.ending === "halfClose") stream.end();
    else if (this.ending === "reset") stream.close(http2.constants.NGHTTP2_CANCEL);
    else stream.once("data", () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
  }

  answers(): string[] {
    const messages: string[] = [];
    for (let pos = 0; pos + 5 <= this.received.length; ) {
      const end = pos + 5 + this.received.readUInt32BE(pos + 1);
      if (end > this.received.length) break;
      messages.push(this.received.toString("latin1", pos + 5, end));
      pos = end;
    }
    return messages;
  }
}

it(`${CALLS} calls in every state on one connection`, { timeout: TIMEOUT_MS }, async () => {
  const bugs: unknown[] = [];
  const limits = { messageBytes: 100_000, assemblyBytes: 1_000_000 };
  const options = { tls: undefined, http2: DEFAULT_LIMITS, grpc: limits, onBug: (error: unknown) => bugs.push(error) };
  server = await GrpcServer.listen("127.0.0.1:0", new Map([["/chaos/Echo", serve]]), options);
  const port = Number(server.address.split(":")[1]);
  const session = http2.connect("http://localhost", {
    createConnection: () => crumbs(port),
    settings: { initialWindowSize: 100 },
  });
  session.on("error", () => {});
  await once(session, "remoteSettings");

  const calls = Array.from({ length: CALLS }, (_, id) => new ChaosCall(session, id));
  await vi.waitFor(() => expect(server.streamsActive).toBeGreaterThan(100), 20_000); // they are in flight together
  await Promise.all(calls.map((call) => call.over));

  for (const call of calls) {
    const answers = call.answers();
    expect(answers).toEqual(call.sent.slice(0, answers.length)); // its own, in order
    if (call.ending === "halfClose") expect([answers.length, call.status]).toEqual([call.sent.length, "0"]);
  }
  await vi.waitFor(() => expect(server.streamsActive).toBe(0));
  expect(opened.filter((seen) => seen.closed !== 1)).toEqual([]);
  expect([session.destroyed, bugs]).toEqual([false, []]);

  const drained = server.drain(10_000);
  await once(session, "close");
  await drained;
});
