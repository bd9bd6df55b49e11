import type { ErrorCode } from "./constants.ts";

// One stream as the server sees it (RFC 9113 section 5.1). No push, so nothing is ever reserved:
//
//                 recv HEADERS
//        idle ────────────────────▶ open ───────────────────▶ halfClosedLocal
//         │                          │     send END_STREAM           │
//         │ recv HEADERS+END_STREAM  │ recv END_STREAM               │ recv END_STREAM
//         ▼                          ▼                               ▼
//         └───────────────▶ halfClosedRemote ────────────────────▶ closed
//                                          send END_STREAM           ▲
//         RST_STREAM, sent or received, from any state but idle ─────┘

export const StreamState = { open: 0, halfClosedRemote: 1, halfClosedLocal: 2, closed: 3 } as const;
export type StreamState = (typeof StreamState)[keyof typeof StreamState];

/** The state after END_STREAM came in. The caller has seen to it that the remote side was open. */
export function recvEnd(state: StreamState): StreamState {
  return state === StreamState.open ? StreamState.halfClosedRemote : StreamState.closed;
}

/** The state after END_STREAM went out. The caller has seen to it that the local side was open. */
export function sendEnd(state: StreamState): StreamState {
  return state === StreamState.open ? StreamState.halfClosedLocal : StreamState.closed;
}

/** May the peer still send on it? */
export function isRemoteOpen(state: StreamState): boolean {
  return state === StreamState.open || state === StreamState.halfClosedLocal;
}

/** May we still send on it? */
export function isLocalOpen(state: StreamState): boolean {
  return state === StreamState.open || state === StreamState.halfClosedRemote;
}

/** What the layer above makes of one stream. None of these may throw. */
export type StreamHandler = {
  /**
   * A piece of the request's body: [pos, end) of `buf`, never empty. The memory is never written again, so a view may be
   * kept; it keeps a whole read buffer alive.
   */
  recvData(buf: Buffer, pos: number, end: number): void;
  /** The peer sends no more: END_STREAM. */
  recvEnd(): void;
  /**
   * Once, and the last thing that happens: both sides ended, reset (by whom ever, `code` says why), or connection lost. The
   * stream is somebody else's from here on: forget it.
   */
  closed(code: ErrorCode): void;
};

/** A slot of the pool: all streams of a connection take turns in a few of these. */
export class Stream {
  id = 0;
  state: StreamState = StreamState.closed;
  handler: StreamHandler = NOBODY;
  /** Set by the layer above when the stream made it do what it is there for: resets of such streams are free. */
  worked = false;
  /** What the peer lets us send; below zero after it lowered SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 section 6.9.2). */
  sendWindow = 0;
  /** What we let the peer send. */
  recvWindow = 0;
  /** What content-length promised and has not come yet; -1: no promise. */
  promised = -1;
  /** Waits for window; empty for all but the largest answers. */
  queue: Buffer[] = [];
  queuedBytes = 0;
  /** A header block with END_STREAM that goes out after the queue. */
  trailers: Buffer | undefined = undefined;
  /** END_STREAM goes out with the end of the queue. */
  endAfterQueue = false;
  /** Once our side has ended, the peer is told with NO_ERROR to stop sending too (RFC 9113 section 8.1). */
  resetAfterEnd = false;
  /** Sits in the list of streams that wait for window. */
  isBlocked = false;
  /** For `closed`, which is told at the end of the turn. */
  closeCode: ErrorCode = 0;

  open(id: number, sendWindow: number, recvWindow: number): void {
    this.id = id;
    this.state = 0;
    this.worked = false;
    this.sendWindow = sendWindow;
    this.recvWindow = recvWindow;
    this.promised = -1;
    this.endAfterQueue = false;
    this.resetAfterEnd = false;
    this.closeCode = 0;
  }

  /** Nothing of it is sent any more. */
  dropQueue(): void {
    this.trailers = undefined;
    this.queuedBytes = 0;
    if (this.queue.length > 0) this.queue = [];
  }

  /** Lets go of whom it belonged to. */
  clear(): void {
    this.handler = NOBODY;
    this.state = StreamState.closed;
  }
}

const NOBODY: StreamHandler = { recvData() {}, recvEnd() {}, closed() {} };
