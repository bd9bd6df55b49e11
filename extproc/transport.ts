import type { ProcessingRequest, ProcessingResponse } from "./messages/messages.ts";

// What carries ext_proc calls: the one seam between gRPC and the exchange. A transport knows bytes, HTTP/2 and gRPC
// status; whoever accepts calls knows messages. There is more than one transport, so nothing of any shows here.
//
//   Envoy opens a call --> accept(call, metadata) --> handler
//   message            --> handler.recv(message)      handler answers with call.send(answer), now or later
//   half-close         --> handler.recvEnd()          handler finishes with call.end()
//   end, fail, reset, connection lost --> handler.closed()    once, always, last

/** The service every transport serves; its name is also what a health check may ask for. */
export const EXTERNAL_PROCESSOR = "envoy.service.ext_proc.v3.ExternalProcessor";

/** The gRPC status codes we send ourselves. */
export const GrpcStatus = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** Our side of one call. After the first of end, fail and the handler's `closed` all three are ignored. */
export type Call = {
  /** One answer, one write. It is encoded before this returns, so the answer and its body may be reused at once. */
  send(answer: ProcessingResponse): void;
  /** Finishes with status OK, after everything sent before. Under FULL_DUPLEX_STREAMED what was not echoed is lost (facts 5.14). */
  end(): void;
  /** Finishes with an error: Envoy replies 500 or fails open (facts 11.3). `message` ends up in its log. */
  fail(code: number, message: string): void;
  /** A bug of ours that no transport could see, in a promise: reported like one, and the call fails with INTERNAL. */
  failBug(error: unknown): void;
};

/**
 * Their side of one call. None of these may throw; if one does, the transport reports the bug, fails this call with
 * INTERNAL, and no other call notices.
 */
export type CallHandler = {
  /**
   * No memory is left for the next message, which is not read, and neither is anything behind it: reply or finish now. Without
   * it the call fails with RESOURCE_EXHAUSTED.
   */
  recvUnread?(): void;
  /** In the order of sending, never after `recvEnd` or `closed`, nor once we have finished the call. */
  recv(message: ProcessingRequest): void;
  /** The peer sends no more (Envoy with graceful close, facts 0.5): answer what is open, then `end`. */
  recvEnd(): void;
  /**
   * Exactly once, and the last thing that happens: ended, failed, reset by the peer (how Envoy ends every call by
   * default, facts 0.1: not an error) or connection lost. Nothing can be sent any more.
   */
  closed(): void;
};

/** Called for each new call, before its first message. `metadata` gives a request header, by lower-case name. */
export type Accept = (call: Call, metadata: (name: string) => string | undefined) => CallHandler;

/** Whose memory messages in the making take: the process's budget. Taking never waits. */
export type Memory = { tryTake(bytes: number): boolean; give(bytes: number): void };

/** An open door. */
export type Listening = {
  /** As given to `listen`, with the real port in place of 0. */
  address: string;
  /** What gRPC health checks hear; true at first. */
  setServing(serving: boolean): void;
  /**
   * Leaves without losing a call: NOT_SERVING, no new connections, GOAWAY, open calls run to their end; what is still
   * open after `timeoutMs` is cut. Resolves when no connection is left. Wait for Envoy's health check to notice
   * NOT_SERVING before draining, or it may still pick this endpoint (facts 17.3).
   */
  drain(timeoutMs: number): Promise<void>;
  /** Cuts every call at once; resolves when no connection is left. */
  close(): Promise<void>;
};

export type Transport = {
  /**
   * Opens "HOST:PORT" (port 0: any free one), "[IPv6]:PORT" or "unix:/path". A stale socket file, which nobody
   * listens on, is replaced. Rejects with a sentence that names the address and what to do. `memory`: of messages in the
   * making; grpc-js does not ask for it.
   */
  listen(address: string, accept: Accept, memory?: Memory): Promise<Listening>;
};
