/**
 * How often a peer may do something useless: `burst` times at once and `perSecond` for ever. The clock is read only when
 * the burst is used up, so the common case is a subtraction.
 */
export class Allowance {
  private readonly burst: number;
  private readonly perSecond: number;
  private left: number;
  private sinceMs: number;

  constructor(burst: number, perSecond: number) {
    this.burst = burst;
    this.perSecond = perSecond;
    this.left = burst;
    this.sinceMs = performance.now();
  }

  /** False: it was once too often. */
  take(): boolean {
    if (this.left < 1) this.refill();
    return --this.left >= 0;
  }

  /** Useful work makes up for useless frames. */
  earn(count: number): void {
    this.left = Math.min(this.burst, this.left + count);
  }

  private refill(): void {
    const nowMs = performance.now();
    this.left = Math.min(this.burst, this.left + ((nowMs - this.sinceMs) / 1000) * this.perSecond);
    this.sinceMs = nowMs;
  }
}
