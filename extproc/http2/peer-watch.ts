import type { Http2Limits } from "./limits.ts";

/** What the owner of the clock is to do about the peer. */
export type PeerVerdict = "fine" | "quiet" | "lost" | "noPreface" | "drained";

/** How long the answer to the PING of a drain may take; then the drain goes on without. */
const DRAIN_PING_TIMEOUT_MS = 2000;

/** Is the peer still there? All times come from `tick`, so a read costs no look at the clock, only a flag. */
export class PeerWatch {
  /** Something was read since the last tick. */
  heard = false;
  private readonly limits: Http2Limits;
  private sinceMs = -1;
  private heardMs = 0;
  /** What the PING that waits for its answer carries; 0: none waits. */
  private pingMark = 0;
  private pingMs = 0;
  private drainMark = 0;
  private drainMs = 0;
  /** Bytes the socket had taken when a write was last seen to move. */
  private takenBytes = 0;
  private takenMs = 0;

  constructor(limits: Http2Limits) {
    this.limits = limits;
  }

  /** `handedBytes`: given to the socket so far; `unwrittenBytes` of them it still holds. */
  tick(nowMs: number, settled: boolean, unwrittenBytes: number, handedBytes: number): PeerVerdict {
    if (this.sinceMs < 0) {
      this.sinceMs = nowMs;
      this.heardMs = nowMs;
    }
    if (this.heard) this.heardMs = nowMs;
    this.heard = false;
    const { limits } = this;
    if (unwrittenBytes === 0 || handedBytes - unwrittenBytes > this.takenBytes) {
      this.takenBytes = handedBytes - unwrittenBytes;
      this.takenMs = nowMs;
    }
    if (nowMs - this.takenMs > limits.keepaliveTimeoutMs) return "lost"; // it does not read
    if (!settled) return nowMs - this.sinceMs > limits.prefaceTimeoutMs ? "noPreface" : "fine";
    if (this.pingMark !== 0 && nowMs - this.pingMs > limits.keepaliveTimeoutMs) return "lost";
    if (this.drainMark !== 0) {
      if (this.drainMs === 0) this.drainMs = nowMs;
      if (nowMs - this.drainMs > DRAIN_PING_TIMEOUT_MS) return "drained";
    }
    if (this.pingMark === 0 && nowMs - this.heardMs > limits.keepaliveMs) return "quiet";
    return "fine";
  }

  /** What a PING carries that asks a quiet peer whether it is there. Random: an answer made up in advance is none. */
  beginPing(nowMs: number): number {
    this.pingMark = newMark();
    this.pingMs = nowMs;
    return this.pingMark;
  }

  beginDrain(): number {
    this.drainMark = newMark();
    return this.drainMark;
  }

  endDrain(): void {
    this.drainMark = 0;
  }

  /** An answered PING; true if it was the drain's. */
  recvAck(mark: number): boolean {
    if (mark === this.pingMark) this.pingMark = 0;
    return mark !== 0 && mark === this.drainMark;
  }
}

function newMark(): number {
  return 1 + Math.floor(Math.random() * 0xffff_fffe);
}
