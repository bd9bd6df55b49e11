import type { TlsOptions } from "../../engine/runtime/listen.ts";
import { DEFAULT_LIMITS, type Http2Limits } from "../http2/limits.ts";
import { type Accept, type Call, type CallHandler, EXTERNAL_PROCESSOR, type Transport } from "../transport.ts";
import type { GrpcCall, MessageHandler } from "./call.ts";
import type { GrpcLimits } from "./grpc-connection.ts";
import { HealthService } from "./health.ts";
import { GrpcServer } from "./server.ts";
import { Status } from "./status.ts";

// The transport made for p99: gRPC over our own HTTP/2. What the messages mean is the codec's.

type ProcessingRequest = Parameters<CallHandler["recv"]>[0];
type ProcessingResponse = Parameters<Call["send"]>[0];

/** Bytes to messages and back; extproc/messages/codec.ts has one. */
export type MessageCodec = {
  /** undefined: the bytes are no message. May keep views of them: that memory is never written again. */
  readRequest(bytes: Buffer): ProcessingRequest | undefined;
  /** The exact length of the answer. Throws on one that cannot be expressed. */
  sizeOf(answer: ProcessingResponse): number;
  /** Writes the answer, of that size, at `offset`. */
  writeAt(answer: ProcessingResponse, buffer: Buffer, offset: number, size: number): number;
};

export type NativeOptions = {
  codec: MessageCodec;
  /** Largest message taken, in bytes; a larger one ends its call with RESOURCE_EXHAUSTED. */
  messageBytesMax?: number | (() => number);
  /** Hears exceptions of handlers and other bugs of ours. Must not throw. Default: standard error. */
  onBug?: (error: unknown) => void;
  /** Asked for each new connection, so certificates can change; requestClientCert is taken from the first answer. */
  tls?: () => TlsOptions;
  limits?: Partial<Http2Limits & GrpcLimits>;
};

/** Of all messages of a connection that have come in part: with bodies of 1 MB, of every stream that Envoy can have open. */
const ASSEMBLY_BYTES_MAX = 256 * 1024 * 1024;

/** What a route takes is for its limits to say, and to answer: this only has to be enough. */
const MESSAGE_BYTES_MAX = ASSEMBLY_BYTES_MAX;

export function nativeTransport(options: NativeOptions): Transport {
  const onBug = options.onBug ?? ((error) => console.error(error));
  const bytesMax = options.messageBytesMax ?? MESSAGE_BYTES_MAX;
  const messageBytes = typeof bytesMax === "number" ? () => bytesMax : bytesMax;
  return {
    async listen(address, accept, memory) {
      const assemblyBytes = Math.max(ASSEMBLY_BYTES_MAX, messageBytes());
      const limits = {
        ...DEFAULT_LIMITS,
        assemblyBytes,
        memory,
        ...options.limits,
        get messageBytes() {
          return messageBytes(); // a reload may change it
        },
      };
      const health = new HealthService([EXTERNAL_PROCESSOR]);
      const methods = new Map([
        ...health.methods(),
        [
          `/${EXTERNAL_PROCESSOR}/Process`,
          (call: GrpcCall, headers: { value(name: string): string | undefined }) => {
            const process = new ProcessCall(call, options.codec, onBug);
            process.open(accept, (name) => headers.value(name));
            return process;
          },
        ],
      ]);
      const server = await GrpcServer.listen(address, methods, {
        tls: options.tls,
        http2: limits,
        grpc: limits,
        onBug,
      });
      return {
        address: server.address,
        setServing: (serving) => health.setServing(serving),
        drain(timeoutMs) {
          health.leave();
          return server.drain(timeoutMs);
        },
        close: () => server.close(),
      };
    },
  };
}

/** One call of ExternalProcessor.Process, both sides: messages for the handler, and the handler's exceptions caught. */
class ProcessCall implements Call, MessageHandler {
  private readonly grpc: GrpcCall;
  private readonly codec: MessageCodec;
  private readonly onBug: (error: unknown) => void;
  private handler: CallHandler = NOBODY;

  constructor(grpc: GrpcCall, codec: MessageCodec, onBug: (error: unknown) => void) {
    this.grpc = grpc;
    this.codec = codec;
    this.onBug = onBug;
  }

  open(accept: Accept, metadata: (name: string) => string | undefined): void {
    try {
      this.handler = accept(this, metadata);
    } catch (error) {
      this.failBug(error);
    }
  }

  send(answer: ProcessingResponse): void {
    if (this.grpc.isFinished) return;
    try {
      const size = this.codec.sizeOf(answer);
      const at = this.grpc.beginMessage(size);
      if (at >= 0) this.codec.writeAt(answer, this.grpc.buffer, at, size);
      else this.sendApart(answer, size);
    } catch (error) {
      this.failBug(error);
    }
  }

  /** A large answer, or one that must wait for window. */
  private sendApart(answer: ProcessingResponse, size: number): void {
    const bytes = scratchOf(size);
    this.codec.writeAt(answer, bytes, 0, size);
    this.grpc.send(bytes); // copies
  }

  end(): void {
    this.grpc.end();
  }

  fail(code: number, message: string): void {
    this.grpc.fail(code, message);
  }

  failBug(error: unknown): void {
    this.onBug(error);
    this.fail(Status.INTERNAL, "agglo: internal error, see its log");
  }

  recv(bytes: Buffer): void {
    try {
      const message = this.codec.readRequest(bytes);
      if (message !== undefined) this.handler.recv(message);
      else this.fail(Status.INTERNAL, "agglo: these bytes are no ProcessingRequest"); // the peer's fault, not ours
    } catch (error) {
      this.failBug(error);
    }
  }

  recvUnread(): boolean {
    if (this.handler.recvUnread === undefined) return false;
    try {
      this.handler.recvUnread();
    } catch (error) {
      this.failBug(error);
    }
    return true;
  }

  recvEnd(): void {
    try {
      this.handler.recvEnd();
    } catch (error) {
      this.failBug(error);
    }
  }

  closed(): void {
    try {
      this.handler.closed();
    } catch (error) {
      this.onBug(error);
    }
  }
}

/** Where large answers are put together. New memory for each has V8 collect all garbage again and again (http2/output.ts). */
let scratch = Buffer.alloc(0);
const SCRATCH_BYTES_MAX = 4 * 1024 * 1024;

function scratchOf(size: number): Buffer {
  if (size > SCRATCH_BYTES_MAX) return Buffer.allocUnsafeSlow(size);
  if (scratch.length < size) scratch = Buffer.allocUnsafeSlow(Math.min(SCRATCH_BYTES_MAX, 2 * size));
  return scratch.subarray(0, size);
}

/** Of a call that `accept` threw on. */
const NOBODY: CallHandler = { recv() {}, recvEnd() {}, closed() {} };
