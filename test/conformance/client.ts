/** An ext_proc client that does what a real Envoy cannot be made to do, frame by frame, and judges what comes back. */
import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { readProcessingResponse, writeProcessingRequest } from "../../extproc/messages/codec.ts";
import { BodyMode, Kind, type PhaseKind, type ProcessingRequest } from "../../extproc/messages/messages.ts";
import { EXTERNAL_PROCESSOR } from "../../extproc/transport.ts";
import { EnvoySide, type Setup } from "./envoy-side.ts";
import { within } from "./scenario.ts";

const ENVELOPE_BYTES = 5;
/** Envoy's windows (facts 20.1). */
const WINDOW_BYTES = 16 * 1024 * 1024;

export type Server = {
  session: ClientHttp2Session;
  open(setup: Setup): Exchange;
  close(): void;
};

export async function connect(address: string): Promise<Server> {
  const session = http2.connect(`http://${address}`, { settings: { initialWindowSize: WINDOW_BYTES } });
  session.on("error", () => {}); // every call hears of it by itself
  await once(session, "remoteSettings");
  session.setLocalWindowSize(WINDOW_BYTES);
  return { session, open: (setup) => new Exchange(session, setup), close: () => session.destroy() };
}

/** What a body looks like on the wire. */
export type Content = {
  headers: string[];
  /** none: the message has no body at all, and its headers say so unless trailers follow */
  chunks?: readonly Uint8Array[];
  /** how it ends: with the last chunk (default), by an empty chunk, by trailers, or by trailers that Envoy does not show */
  end?: "last" | "empty" | "trailers" | "unseen trailers";
};

export class Exchange {
  readonly envoy: EnvoySide;
  readonly stream: ClientHttp2Stream;
  private received: Buffer = Buffer.alloc(0);
  private status = -1;
  private wakeUp: () => void = () => {};

  constructor(session: ClientHttp2Session, setup: Setup) {
    this.envoy = new EnvoySide(setup);
    this.stream = session.request({
      ":method": "POST",
      ":path": `/${EXTERNAL_PROCESSOR}/Process`,
      te: "trailers",
      "content-type": "application/grpc",
    });
    this.stream.on("response", (headers) => this.readStatus(headers["grpc-status"]));
    this.stream.on("trailers", (headers) => this.readStatus(headers["grpc-status"]));
    this.stream.on("data", (data: Buffer) => this.readAnswers(data));
    this.stream.on("error", () => {}); // "close" says the same
    this.stream.on("close", () => {
      this.envoy.takeEnd(this.status);
      this.wakeUp();
    });
  }

  private readStatus(status: unknown): void {
    if (status !== undefined) this.status = Number(status);
  }

  private readAnswers(data: Buffer): void {
    this.received = this.received.length === 0 ? data : Buffer.concat([this.received, data]);
    while (this.received.length >= ENVELOPE_BYTES) {
      const end = ENVELOPE_BYTES + this.received.readUInt32BE(1);
      if (this.received.length < end) break;
      const bytes = this.received.subarray(ENVELOPE_BYTES, end);
      this.received = this.received.subarray(end);
      try {
        this.envoy.take(readProcessingResponse(bytes));
      } catch (error) {
        this.envoy.failures.push((error as Error).message);
      }
    }
    this.wakeUp();
  }

  // --- sending ----------------------------------------------------------------------------------------------------------

  message(kind: Kind, parts: Partial<ProcessingRequest> = {}): Buffer {
    const bytes = writeProcessingRequest(this.envoy.message(kind, parts));
    const envelope = Buffer.alloc(ENVELOPE_BYTES);
    envelope.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([envelope, bytes]);
  }

  /** Writes bytes in one go, or in DATA frames of so many bytes each. */
  write(bytes: Uint8Array, frameBytes: number = bytes.length): void {
    if (this.stream.destroyed || this.stream.writableEnded) return;
    for (let pos = 0; pos < bytes.length; pos += frameBytes) this.stream.write(bytes.subarray(pos, pos + frameBytes));
  }

  send(kind: Kind, parts: Partial<ProcessingRequest> = {}): void {
    this.write(this.message(kind, parts));
  }

  /** How Envoy ends a call by default (facts 0.1). */
  reset(): void {
    this.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    this.stream.destroy(); // Node may wait for ever for a write that the reset has overtaken
  }

  // --- waiting ----------------------------------------------------------------------------------------------------------

  async until(holds: () => boolean, what: string): Promise<void> {
    const woken = async () => {
      while (!holds()) {
        await new Promise<void>((resolve) => {
          this.wakeUp = resolve;
        });
      }
    };
    await within(woken(), what);
  }

  settled(): Promise<void> {
    return this.until(() => this.envoy.isSettled, "an answer");
  }

  ended(): Promise<void> {
    return this.until(() => this.envoy.status !== undefined, "the end of the call");
  }

  /** Ends the call as Envoy with graceful close does (facts 0.5), and says what was wrong with it. */
  async finish(): Promise<void> {
    await this.settled();
    const late = this.envoy.answers;
    this.stream.end();
    await this.ended();
    this.envoy.finish();
    if (this.envoy.answers > late) this.envoy.failures.push("answers behind the last one asked for");
    if (this.envoy.failures.length > 0) throw new Error([...new Set(this.envoy.failures)].join("; "));
  }

  // --- as Envoy does ----------------------------------------------------------------------------------------------------

  /** Sends a message as Envoy does under the mode in force, and waits where Envoy waits. */
  async passMessage(name: "request" | "response", content: Content): Promise<void> {
    const kinds = KINDS[name];
    const direction = this.envoy[name];
    const { chunks = [], end = "last" } = content;
    const hasTrailers = end === "trailers" || end === "unseen trailers";
    this.send(kinds.headers, { headers: content.headers, endOfStream: chunks.length === 0 && !hasTrailers });
    const waits = !direction.isDuplex && this.envoy.setup.sendBodyWithoutWaiting !== true && !this.envoy.setup.observes;
    if (waits) await this.settled();
    if (this.envoy.isOver || direction.replaced) return;
    if (direction.mode === BodyMode.NONE) for (const chunk of chunks) direction.pass(chunk);
    else if (chunks.length > 0) await this.passBody(name, chunks, end);
    if (end === "trailers" && !this.envoy.isOver) this.send(kinds.trailers, { headers: ["x-checksum", "1"] });
    if (end === "unseen trailers" && direction.isDuplex) throw new Error("full duplex shows trailers (facts 5.1)");
    await this.settled();
  }

  private async passBody(name: "request" | "response", chunks: readonly Uint8Array[], end: Content["end"]) {
    const kind = KINDS[name].body;
    const direction = this.envoy[name];
    const atLast = end === "last" || end === undefined;
    if (direction.mode === BodyMode.BUFFERED || direction.mode === BodyMode.BUFFERED_PARTIAL) {
      // What full buffers hold is the first chunk; the rest is not shown (facts 6.2).
      const isPart = direction.mode === BodyMode.BUFFERED_PARTIAL && chunks.length > 1;
      const body = isPart ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
      this.send(kind, { body, endOfStream: !isPart && (atLast || end === "empty") });
      await this.settled();
      if (isPart && !this.envoy.isOver) for (const chunk of chunks.slice(1)) direction.pass(chunk);
      return;
    }
    for (const [index, body] of chunks.entries()) {
      if (this.envoy.isOver) return;
      this.send(kind, { body, endOfStream: atLast && index === chunks.length - 1 });
    }
    if (end === "empty") this.send(kind, { endOfStream: true });
    if (!direction.isDuplex && !this.envoy.setup.observes) await this.settled();
  }
}

type Kinds = { headers: PhaseKind; body: PhaseKind; trailers: PhaseKind };
const KINDS: { readonly [direction in "request" | "response"]: Kinds } = {
  request: { headers: Kind.requestHeaders, body: Kind.requestBody, trailers: Kind.requestTrailers },
  response: { headers: Kind.responseHeaders, body: Kind.responseBody, trailers: Kind.responseTrailers },
};
