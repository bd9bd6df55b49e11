import http2, {
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from "node:http2";
import type { Server, Socket } from "node:net";
import type { ServerDuplexStream, ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { boundAddress, listen } from "../engine/runtime/listen.ts";
import { readProcessingRequest, writeProcessingResponse } from "./messages/codec.ts";
import { readHealthRequest, ServingStatus, writeHealthResponse } from "./messages/health.ts";
import { type Accept, type Call, EXTERNAL_PROCESSOR, GrpcStatus, type Listening, type Transport } from "./transport.ts";

// The transport over @grpc/grpc-js: the fallback for the purpose-built one, and its oracle in tests. grpc-js gets
// sockets that we accept (its connection injector) and bytes that we encode; HTTP/2 and gRPC framing are its part.

export type GrpcJsOptions = {
  /** Largest message taken, in bytes; a larger one ends its call with RESOURCE_EXHAUSTED. */
  messageBytesMax?: number | (() => number);
  /** Hears exceptions of handlers and other bugs of ours. Must not throw. Default: standard error. */
  onBug?: (error: unknown) => void;
};

/** What a route takes is for its limits to say, and to answer: this only has to be enough. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Envoy ends every call with RST_STREAM (facts 0.1); Node takes more than 1,000 of them, or 33 a second, for a
 * rapid-reset attack (CVE-2023-44487) and closes the connection with all calls on it (facts 0.3). The peer is our own
 * proxy, so: no limit.
 */
const RESETS_UNLIMITED = { streamResetBurst: 1e9, streamResetRate: 1e9 };

// What Envoy may send before it must wait for us. HTTP/2's default of 64 KiB per connection would queue the bodies of
// all exchanges of an Envoy worker behind each other; the connection's bound is also what a slow server may pile up.
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;

export function grpcJsTransport(options: GrpcJsOptions = {}): Transport {
  const onBug = options.onBug ?? ((error) => console.error(error));
  return {
    async listen(address, accept) {
      const grpc = await import("@grpc/grpc-js"); // here, so that who uses another transport does not load it
      const bytesMax = options.messageBytesMax ?? MESSAGE_BYTES_MAX;
      const server = new grpc.Server({
        "grpc.max_receive_message_length": typeof bytesMax === "number" ? bytesMax : bytesMax(),
        "grpc.max_send_message_length": -1,
        "grpc.enable_channelz": 0, // nobody asks for it and it costs on every message
      });
      const health = healthService();
      server.addService(PROCESS, { Process: (stream: CallStream) => serveCall(stream, side.opening, accept, onBug) });
      server.addService(HEALTH, { Check: health.check, Watch: health.watch });
      const credentials = grpc.ServerCredentials.createInsecure();
      const { injector, http2Server } = captureHttp2Server(() => server.createConnectionInjector(credentials));
      const side = watchHttp2(http2Server);
      const door = await listen(address, (socket: Socket) => injector.injectConnection(socket), onBug);
      door.once("close", () => server.forceShutdown()); // no connection is left: frees grpc-js's own bookkeeping
      return {
        address: boundAddress(address, door),
        setServing: health.setServing,
        ...leaving(door, side.sessions, health),
      };
    },
  };
}

/** The two ways out. */
function leaving(door: Server, sessions: Set<ServerHttp2Session>, health: Health): Pick<Listening, "drain" | "close"> {
  const gone = new Promise<void>((resolve) => door.once("close", () => resolve()));
  const cut = () => {
    for (const session of sessions) session.destroy(undefined, http2.constants.NGHTTP2_CANCEL);
  };
  return {
    async drain(timeoutMs) {
      health.leave();
      door.close();
      // GOAWAY. A call that crosses it is refused: nghttp2 takes none after any GOAWAY, so the gentler one of two steps
      // (RFC 9113 section 6.8) would only be a lie. Hence: NOT_SERVING first, and time for Envoy to see it.
      for (const session of sessions) session.close();
      const timer = setTimeout(cut, timeoutMs);
      await gone;
      clearTimeout(timer);
    },
    async close() {
      door.close();
      cut();
      await gone;
    },
  };
}

/**
 * Runs `create`, in which grpc-js makes its HTTP/2 server, with our limits added to node:http2's options: grpc-js
 * passes none of them on. The replacement is undone before this returns and nothing in between is asynchronous, so
 * no other user of node:http2 ever sees it.
 */
function captureHttp2Server<T>(create: () => T): { injector: T; http2Server: Http2Server } {
  // The types say that a module's functions are constants; the module object that require() gives out is not.
  const mutable = http2 as unknown as { createServer: (options: ServerOptions) => Http2Server };
  const original = mutable.createServer;
  let captured: Http2Server | undefined;
  mutable.createServer = (options) => {
    const settings = { ...options.settings, initialWindowSize: STREAM_WINDOW_BYTES };
    captured = original({ ...options, ...RESETS_UNLIMITED, settings });
    return captured;
  };
  try {
    const injector = create();
    if (captured === undefined) throw new Error("this version of @grpc/grpc-js makes its HTTP/2 server elsewhere");
    return { injector, http2Server: captured };
  } finally {
    mutable.createServer = original;
  }
}

/** What we see of the connections below grpc-js. */
type Http2Side = {
  sessions: Set<ServerHttp2Session>;
  /** The newest stream. While grpc-js opens a call it is that call's, which grpc-js itself tells nobody. */
  opening: ServerHttp2Stream | undefined;
};

function watchHttp2(http2Server: Http2Server): Http2Side {
  const side: Http2Side = { sessions: new Set(), opening: undefined };
  http2Server.on("session", (session) => {
    side.sessions.add(session);
    session.once("close", () => side.sessions.delete(session));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  });
  http2Server.prependListener("stream", (stream: ServerHttp2Stream) => {
    side.opening = stream;
  });
  return side;
}

type CallStream = ServerDuplexStream<Buffer, Buffer>;

function serveCall(
  stream: CallStream,
  http2Stream: ServerHttp2Stream | undefined,
  accept: Accept,
  onBug: (error: unknown) => void,
): void {
  let finished = false;
  const call: Call = {
    send(answer) {
      if (!finished) guard(() => stream.write(writeProcessingResponse(answer)));
    },
    end() {
      if (finished) return;
      finished = true;
      stream.end();
    },
    fail(code, message) {
      if (finished) return;
      finished = true;
      stream.emit("error", { code, details: message }); // grpc-js's way: flushes what was sent, then the status
    },
    failBug(error) {
      onBug(error);
      call.fail(GrpcStatus.INTERNAL, "agglo: internal error, see its log");
    },
  };
  const guard = (step: () => void) => {
    try {
      step();
    } catch (error) {
      call.failBug(error);
    }
  };
  guard(() => {
    const handler = accept(call, (name) => stream.metadata.get(name)[0]?.toString("latin1"));
    stream.on("data", (bytes: Buffer) => {
      if (finished) return;
      const message = readProcessingRequest(bytes);
      if (message === undefined) call.fail(GrpcStatus.INTERNAL, "agglo: these bytes are no ProcessingRequest");
      else guard(() => handler.recv(message));
    });
    stream.once("end", () => {
      // Node also ends the reading side of a stream that was cut: that is no half-close.
      if (!finished && http2Stream?.closed !== true) guard(() => handler.recvEnd());
    });
    // grpc-js destroys the stream whatever ended the call, so this is the one event that always comes, once.
    stream.once("close", () => {
      finished = true;
      guard(() => handler.closed());
    });
  });
}

const bytesAsTheyAre = {
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
};

const PROCESS = {
  Process: { path: `/${EXTERNAL_PROCESSOR}/Process`, requestStream: true, responseStream: true, ...bytesAsTheyAre },
};

const HEALTH = {
  Check: { path: "/grpc.health.v1.Health/Check", requestStream: false, responseStream: false, ...bytesAsTheyAre },
  Watch: { path: "/grpc.health.v1.Health/Watch", requestStream: false, responseStream: true, ...bytesAsTheyAre },
};

type WatchStream = ServerWritableStream<Buffer, Buffer>;

type Health = ReturnType<typeof healthService>;

/** grpc.health.v1: Envoy's health checks call Check; Watch hears each change at once. */
function healthService() {
  let serving = true;
  let leaving = false;
  const watches = new Map<WatchStream, boolean>(); // true: of a service we know
  const status = () => writeHealthResponse(serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
  const known = (request: Buffer) => ["", EXTERNAL_PROCESSOR].includes(readHealthRequest(request));
  const setServing = (now: boolean) => {
    if (now === serving) return;
    serving = now;
    for (const [stream, isKnown] of watches) if (isKnown) stream.write(status());
  };
  return {
    setServing,
    check(call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void {
      if (known(call.request)) reply(null, status());
      else reply({ code: GrpcStatus.NOT_FOUND, details: "agglo: no such service" });
    },
    watch(stream: WatchStream): void {
      const isKnown = known(stream.request);
      watches.set(stream, isKnown);
      stream.once("close", () => watches.delete(stream));
      // Of a service nobody knows the protocol keeps the watch open too: it might be added.
      stream.write(isKnown ? status() : writeHealthResponse(ServingStatus.SERVICE_UNKNOWN));
      if (leaving) stream.end();
    },
    /** Ends the watches: they would hold a draining connection open for ever. */
    leave(): void {
      leaving = true;
      setServing(false);
      for (const stream of watches.keys()) stream.end();
    },
  };
}
