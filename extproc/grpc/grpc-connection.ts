import type { Connection, Http2Handler } from "../http2/connection.ts";
import type { HeaderList } from "../http2/header-list.ts";
import type { Stream, StreamHandler } from "../http2/stream.ts";
import type { Memory } from "../transport.ts";
import { GREETING, GREETING_HEADERS } from "./blocks.ts";
import { GrpcCall, type ServeMethod } from "./call.ts";
import { AssemblyBudget } from "./envelope.ts";
import { type GrpcRequest, readRequest } from "./request.ts";

/** By path: "/package.Service/Method". */
export type Methods = ReadonlyMap<string, ServeMethod>;

export type GrpcLimits = {
  /** Largest message taken, in bytes. */
  messageBytes: number;
  /** Messages in the making, per connection: a peer could begin a large one on every stream and finish none. */
  assemblyBytes: number;
  /** where they come from */
  memory?: Memory | undefined;
};

/** gRPC on one HTTP/2 connection: finds the method of each stream. */
export class GrpcConnection implements Http2Handler {
  private readonly methods: Methods;
  private readonly limits: GrpcLimits;
  private readonly gone: (connection: Connection) => void;
  private readonly budget: AssemblyBudget;
  private request: GrpcRequest<ServeMethod> | undefined = undefined;

  constructor(methods: Methods, limits: GrpcLimits, gone: (connection: Connection) => void) {
    this.methods = methods;
    this.limits = limits;
    this.gone = gone;
    this.budget = new AssemblyBudget(limits.assemblyBytes, limits.memory);
  }

  accept(connection: Connection, stream: Stream, headers: HeaderList): StreamHandler {
    if (this.request?.headers !== headers) this.request = readRequest(headers, this.methods);
    const { method, refusal, timeoutMs, greeting } = this.request;
    if (greeting) {
      connection.sendHeaders(stream, GREETING_HEADERS, false);
      connection.sendData(stream, GREETING, NO_BYTES, true);
      return IGNORE;
    }
    if (refusal !== undefined || method === undefined) {
      connection.sendHeaders(stream, refusal ?? NO_BYTES, true); // readRequest refuses what has no method
      return IGNORE;
    }
    const call = new GrpcCall(connection, stream, this.limits.messageBytes, this.budget);
    call.begin(method, headers, timeoutMs);
    return call;
  }

  closed(connection: Connection): void {
    this.gone(connection);
  }
}

const NO_BYTES = Buffer.alloc(0);

/** The rest of a request that has its answer. */
const IGNORE: StreamHandler = { recvData() {}, recvEnd() {}, closed() {} };
