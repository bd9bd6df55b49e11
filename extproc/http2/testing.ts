import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Connection } from "./connection.ts";
import { Flag, FrameType, PREFACE, Setting } from "./constants.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { DEFAULT_LIMITS, type Http2Limits } from "./limits.ts";
import type { Stream, StreamHandler } from "./stream.ts";

// For tests: a server whose streams write down what they hear, and a peer that speaks in frames, also wrong ones.

/** Frame types by number, for scripts to read. */
const TYPE_NAMES = Object.keys(FrameType) as (keyof typeof FrameType)[];

export type Frame = { type: keyof typeof FrameType; flags: number; streamId: number; payload: Buffer };

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, i * 4);
  return bytes;
}

export function settings(...pairs: [number, number][]): Buffer {
  return Buffer.concat(
    pairs.map(([setting, value]) => {
      const bytes = Buffer.alloc(6);
      bytes.writeUInt16BE(setting);
      bytes.writeUInt32BE(value, 2);
      return bytes;
    }),
  );
}

export const POST = [":method", "POST", ":scheme", "http", ":path", "/test", ":authority", "test"];

/** Frames as one writes them down. */
export const say = {
  settings: (...pairs: [number, number][]) => frame(FrameType.SETTINGS, 0, 0, settings(...pairs)),
  headers: (id: number, fields: string[] = POST, flags: number = Flag.END_HEADERS) =>
    frame(FrameType.HEADERS, flags, id, encodeHeaders(fields)),
  data: (id: number, payload: string | Uint8Array, flags = 0) => frame(FrameType.DATA, flags, id, Buffer.from(payload)),
  reset: (id: number, code: number) => frame(FrameType.RST_STREAM, 0, id, uint32(code)),
  ping: (text: string, flags = 0) => frame(FrameType.PING, flags, 0, Buffer.from(text)),
  goaway: (last: number, code: number) => frame(FrameType.GOAWAY, 0, 0, uint32(last, code)),
  windowUpdate: (id: number, increment: number) => frame(FrameType.WINDOW_UPDATE, 0, id, uint32(increment)),
  window: (bytes: number) => say.settings([Setting.INITIAL_WINDOW_SIZE, bytes]),
};

export const END = Flag.END_STREAM;
export const END_BOTH = Flag.END_STREAM | Flag.END_HEADERS;

export const OK_HEADERS = encodeHeaders([":status", "200"]);
const TRAILERS = encodeHeaders(["x-end", "yes"]);

/** One stream of the server under test. */
export class TestStream implements StreamHandler {
  readonly events: string[] = [];
  readonly connection: Connection;
  readonly stream: Stream;
  readonly id: number;
  body = Buffer.alloc(0);
  closedTimes = 0;

  constructor(connection: Connection, stream: Stream) {
    this.connection = connection;
    this.stream = stream;
    this.id = stream.id;
  }

  recvData(buf: Buffer, pos: number, end: number): void {
    if (this.closedTimes > 0) throw new Error("data after closed");
    this.body = Buffer.concat([this.body, buf.subarray(pos, end)]);
    this.stream.worked = true;
  }

  recvEnd(): void {
    this.events.push("end");
  }

  closed(code: number): void {
    this.closedTimes++;
    this.events.push(`closed ${code}`);
  }

  respond(text: string, endStream = false): void {
    this.connection.sendHeaders(this.stream, OK_HEADERS, false);
    this.send(text, endStream);
  }

  send(text: string, endStream = false): void {
    this.connection.sendData(this.stream, Buffer.from(text), Buffer.alloc(0), endStream);
  }

  end(): void {
    this.connection.sendHeaders(this.stream, TRAILERS, true);
  }
}

export class TestServer {
  readonly streams: TestStream[] = [];
  readonly connections: Connection[] = [];
  connectionsClosed = 0;
  /** Runs when a stream opens. */
  onStream: (stream: TestStream) => void = () => {};
  private readonly server: Server;

  private constructor(limits: Partial<Http2Limits>) {
    const handler = {
      accept: (connection: Connection, stream: Stream, headers: { fields: readonly string[] }) => {
        const opened = new TestStream(connection, stream);
        opened.events.push(`headers ${headers.fields.length / 2}`);
        this.streams.push(opened);
        this.onStream(opened);
        return opened;
      },
      closed: () => this.connectionsClosed++,
    };
    this.server = createServer({ noDelay: true }, (socket) => {
      this.connections.push(new Connection(socket, handler, { ...DEFAULT_LIMITS, ...limits }));
    });
  }

  static async start(limits: Partial<Http2Limits> = {}): Promise<TestServer> {
    const server = new TestServer(limits);
    await new Promise<void>((resolve) => server.server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    for (const connection of this.connections) connection.destroy();
    this.server.close();
  }
}

/** The other side, by hand. */
export class Peer {
  /** Received and not yet expected. */
  readonly frames: Frame[] = [];
  closed = false;
  readonly socket: Socket;
  private bytes = Buffer.alloc(0);
  private wake: () => void = () => {};
  private readonly decoder = new HpackDecoder(4096, 1 << 20);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => this.read(bytes));
    socket.on("error", () => {});
    const gone = () => {
      this.closed = true;
      this.wake();
    };
    socket.on("end", gone);
    socket.on("close", gone);
  }

  static async dial(port: number): Promise<Peer> {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    socket.setNoDelay(true);
    return new Peer(socket);
  }

  /** Dials, says hello and swallows the server's hello: SETTINGS, WINDOW_UPDATE, ack. */
  static async meet(port: number, ...pairs: [number, number][]): Promise<Peer> {
    const peer = await Peer.dial(port);
    peer.say(PREFACE, say.settings(...pairs));
    await peer.next("SETTINGS");
    await peer.next("WINDOW_UPDATE");
    await peer.next("SETTINGS");
    return peer;
  }

  say(...bytes: Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** The next frame, which is to be of this type. */
  async next(type?: Frame["type"]): Promise<Frame> {
    while (this.frames.length === 0) {
      if (this.closed) throw new Error(`closed while waiting for ${type ?? "a frame"}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const next = this.frames.shift() as Frame;
    if (type !== undefined && next.type !== type) throw new Error(`${type} expected, not ${describe(next)}`);
    return next;
  }

  /** What the server says before it answers a PING: all of what the frames before it caused. */
  async untilPong(): Promise<string[]> {
    this.say(say.ping("untilnow"));
    const heard: string[] = [];
    for (;;) {
      const next = await this.next();
      if (next.type === "PING" && next.payload.toString() === "untilnow") return heard;
      heard.push(describe(next));
    }
  }

  /** Everything to the end of the connection. */
  async untilClosed(): Promise<string[]> {
    while (!this.closed) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.frames.splice(0).map(describe);
  }

  decode(block: Buffer): readonly string[] {
    return this.decoder.decode(block, 0, block.length)?.fields ?? ["malformed", ""];
  }

  end(): void {
    this.socket.destroy();
  }

  private read(bytes: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    while (this.bytes.length >= 9) {
      const length = this.bytes.readUIntBE(0, 3);
      if (this.bytes.length < 9 + length) break;
      const type = TYPE_NAMES[this.bytes[3] as number] as Frame["type"];
      const payload = this.bytes.subarray(9, 9 + length);
      this.frames.push({ type, flags: this.bytes[4] as number, streamId: this.bytes.readUInt32BE(5), payload });
      this.bytes = this.bytes.subarray(9 + length);
    }
    this.wake();
  }
}

/** A frame in a few words, as the tests compare them. */
function describe(frame: Frame): string {
  const { type, flags, streamId, payload } = frame;
  const end = (flags & Flag.END_STREAM) !== 0 ? " END" : "";
  switch (type) {
    case "DATA":
      return `DATA ${streamId} ${payload.length > 20 ? payload.length : payload.toString()}${end}`;
    case "HEADERS":
      return `HEADERS ${streamId}${end}`;
    case "RST_STREAM":
      return `RST ${streamId} ${payload.readUInt32BE()}`;
    case "GOAWAY":
      return `GOAWAY ${payload.readUInt32BE()} ${payload.readUInt32BE(4)}`;
    case "WINDOW_UPDATE":
      return `WINDOW_UPDATE ${streamId} ${payload.readUInt32BE()}`;
    case "SETTINGS":
      return flags === Flag.ACK ? "SETTINGS ACK" : "SETTINGS";
    default:
      return type;
  }
}
