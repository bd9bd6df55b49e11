/** Sends events at their time and counts what became of each. */
import { setTimeout as delay } from "node:timers/promises";
import type { SystemError } from "../../engine/core/ports.ts";
import { isSystemError } from "../../engine/systems/failure.ts";

export type Counts = {
  /** sent = accepted + refused + failed */
  sent: number;
  /** written, or answered with a status of 200 to 299 */
  accepted: number;
  /** answered otherwise, by status */
  refused: { [status: string]: number };
  /** not answered, by why: `ECONNREFUSED`, `timeout` */
  failed: { [code: string]: number };
  /** with a rate: had to wait for an answer to an earlier one, so it went out after its time */
  late: number;
};

/** Where events go. */
export type Target = {
  /** A status, an error, or that nobody takes any more. */
  send(text: string): Promise<{ status: number } | SystemError | "closed">;
  close(): Promise<void>;
};

export type Delivery = {
  count: number;
  /** how many may be under way at once */
  concurrency: number;
  /** events a second, whether earlier ones are answered or not; undefined: the next one when there is room */
  ratePerSecond: number | undefined;
  signal: AbortSignal;
  onSettled(): void;
};

/** Resolves when everything that was sent is settled. */
export async function deliver(next: () => string, target: Target, delivery: Delivery): Promise<Counts> {
  const counts: Counts = { sent: 0, accepted: 0, refused: {}, failed: {}, late: 0 };
  const underWay = new Set<Promise<void>>();
  const startedMs = performance.now();
  let closed = false;
  const settle = async (text: string) => {
    const result = await target.send(text);
    closed ||= result === "closed";
    if (result !== "closed") count(counts, result);
    delivery.onSettled();
  };
  for (let i = 0; i < delivery.count && !closed && !delivery.signal.aborted; i++) {
    if (delivery.ratePerSecond !== undefined) {
      await until(startedMs + (i * 1000) / delivery.ratePerSecond, delivery.signal);
      if (delivery.signal.aborted) break;
      if (underWay.size >= delivery.concurrency) counts.late++;
    }
    while (underWay.size >= delivery.concurrency) await Promise.race(underWay);
    const one: Promise<void> = settle(next()).then(() => void underWay.delete(one));
    underWay.add(one);
  }
  await Promise.all(underWay);
  return counts;
}

function count(counts: Counts, result: { status: number } | SystemError): void {
  counts.sent++;
  if (isSystemError(result)) add(counts.failed, result.code);
  else if (result.status >= 200 && result.status < 300) counts.accepted++;
  else add(counts.refused, String(result.status));
}

function add(counts: { [name: string]: number }, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** Returns early when the signal aborts. What is due already goes out at once: timers count whole milliseconds. */
async function until(dueMs: number, signal: AbortSignal): Promise<void> {
  const leftMs = dueMs - performance.now();
  if (leftMs > 0) await delay(leftMs, undefined, { signal }).catch(() => undefined);
}
