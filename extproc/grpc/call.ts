import type { Connection } from "../http2/connection.ts";
import type { HeaderList } from "../http2/header-list.ts";
import type { Stream, StreamHandler } from "../http2/stream.ts";
import { okTrailers, RESPONSE_HEADERS, statusTrailers } from "./blocks.ts";
import { type AssemblyBudget, EnvelopeReader, Fault, PREFIX_BYTES } from "./envelope.ts";
import { Status } from "./status.ts";

/** Their side of a call, in bytes. None of these may throw. */
export type MessageHandler = {
  /** One message, in order. The memory is never written again: it may be kept, with the read buffer it is in. */
  recv(message: Buffer): void;
  /** There is no memory for a message, and none will come any more. False, or not there: the call is to fail. */
  recvUnread?(): boolean;
  /** The peer sends no more. */
  recvEnd(): void;
  /** Once, last, however the call ended. */
  closed(): void;
};

/** Takes a call of one method. Must not throw. */
export type ServeMethod = (call: GrpcCall, headers: HeaderList) => MessageHandler;

/** Our side of one call: messages to DATA frames and back, and the status at its end. */
export class GrpcCall implements StreamHandler {
  private readonly connection: Connection;
  private readonly stream: Stream;
  private readonly reader: EnvelopeReader;
  private handler: MessageHandler = NOBODY;
  private finished = false;
  /** nothing more is read */
  private deaf = false;
  private headersSent = false;
  private deadline: NodeJS.Timeout | undefined = undefined;

  constructor(connection: Connection, stream: Stream, messageBytesMax: number, budget: AssemblyBudget) {
    this.connection = connection;
    this.stream = stream;
    this.reader = new EnvelopeReader(messageBytesMax, budget);
  }

  /** Hands the call to who serves it. `timeoutMs` is the peer's (grpc-timeout); -1: none. */
  begin(serve: ServeMethod, headers: HeaderList, timeoutMs: number): void {
    // More than setTimeout can count is 24 days: no deadline.
    if (timeoutMs >= 0 && timeoutMs <= 0x7fff_ffff) this.deadline = setTimeout(expire, timeoutMs, this);
    this.handler = serve(this, headers);
  }

  /** Nothing more is sent, whoever ended it. */
  get isFinished(): boolean {
    return this.finished;
  }

  send(message: Uint8Array): void {
    if (this.finished) return;
    this.sendResponseHeaders();
    putPrefix(PREFIX, 0, message.length);
    this.connection.sendData(this.stream, PREFIX, message, false);
  }

  /**
   * Room for a message of `length` bytes in what goes out next: where in `buffer` it is to be written, before anything else
   * is sent. -1: not now (too long for one frame, no window, or the call is over), `send` takes it.
   */
  beginMessage(length: number): number {
    if (this.finished) return -1;
    this.sendResponseHeaders();
    const at = this.connection.reserveData(this.stream, PREFIX_BYTES + length);
    if (at < 0) return -1;
    putPrefix(this.connection.buffer, at, length);
    return at + PREFIX_BYTES;
  }

  get buffer(): Buffer {
    return this.connection.buffer;
  }

  /** Status OK, after everything sent. */
  end(): void {
    this.finish(okTrailers(this.headersSent));
  }

  fail(code: number, message: string): void {
    if (!this.finished) this.finish(statusTrailers(this.headersSent, code, message));
  }

  private sendResponseHeaders(): void {
    if (this.headersSent) return;
    this.headersSent = true;
    this.connection.sendHeaders(this.stream, RESPONSE_HEADERS, false);
  }

  private finish(trailers: Buffer): void {
    if (this.finished) return;
    this.finished = true;
    this.stream.resetAfterEnd = true; // a peer that still sends is told not to, as by other gRPC servers
    this.connection.sendHeaders(this.stream, trailers, true);
  }

  recvData(buf: Buffer, pos: number, end: number): void {
    if (this.deaf) return;
    this.reader.begin(pos);
    while (!this.finished) {
      const message = this.reader.next(buf, end);
      if (message === undefined) {
        if (this.reader.fault !== Fault.none) this.failRead();
        return;
      }
      this.stream.worked = true;
      this.handler.recv(message);
    }
  }

  recvEnd(): void {
    if (this.finished || this.deaf) return;
    if (this.reader.isIdle) this.handler.recvEnd();
    else this.fail(Status.INTERNAL, "agglo: the request ends in the middle of a message");
  }

  closed(): void {
    this.finished = true;
    clearTimeout(this.deadline);
    this.reader.clear();
    this.handler.closed();
  }

  private failRead(): void {
    if (this.reader.fault === Fault.compressed) {
      // compression.md: the flag without a grpc-encoding that we read is INTERNAL.
      this.fail(Status.INTERNAL, "agglo: a compressed message without grpc-encoding");
    } else if (this.reader.fault === Fault.tooLarge) {
      this.fail(Status.RESOURCE_EXHAUSTED, "agglo: the message is larger than this server takes");
    } else {
      this.deaf = true;
      this.reader.clear();
      if (this.handler.recvUnread?.() !== true)
        this.fail(Status.RESOURCE_EXHAUSTED, "agglo: no memory is left for this message");
    }
  }
}

function expire(call: GrpcCall): void {
  call.fail(Status.DEADLINE_EXCEEDED, "agglo: the deadline of grpc-timeout is over");
}

function putPrefix(buf: Uint8Array, at: number, length: number): void {
  buf[at] = 0; // not compressed
  buf[at + 1] = length >>> 24;
  buf[at + 2] = length >>> 16;
  buf[at + 3] = length >>> 8;
  buf[at + 4] = length;
}

/** Filled and used up within one `send`. */
const PREFIX = new Uint8Array(PREFIX_BYTES);

const NOBODY: MessageHandler = { recv() {}, recvEnd() {}, closed() {} };
