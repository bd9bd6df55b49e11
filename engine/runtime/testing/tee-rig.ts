/** A tee's queue on a clock that moves when a test says so, and targets that answer when they are told to. */
import type { SystemError, TeeSending, TeeTarget } from "../../core/ports.ts";
import type { Outgoing, Sent } from "../../systems/send.ts";
import { newCounters } from "../counters.ts";
import { type MemoryBudget, newMemoryBudget } from "../memory-budget.ts";
import type { Timers } from "../ports.ts";
import { EVENT_OVERHEAD_BYTES } from "../tee-batch.ts";
import type { TeeQueueOptions } from "../tee-lane.ts";
import { newTeeQueue, type TeeQueue } from "../tee-queue.ts";

export const ONE_BY_ONE: TeeSending = { tee: "t", keyPrefix: "", batch: null, spool: "" };

/** What an event of so many bytes takes. */
export function chargeOf(bytes: number): number {
  return bytes + EVENT_OVERHEAD_BYTES;
}

export function targetOf(name: string): TeeTarget {
  return { type: "ExternalHttp", name, outputType: "web", connectionString: `http://${name}/` };
}

export const SENT: Sent = { reply: "" };
export const DOWN: SystemError = { code: "http503", message: "error status 503 at http://u:pw@host/", retryable: true };
export const WRONG: SystemError = { code: "http400", message: "error status 400\nforged line", retryable: false };

/** Time that passes when a test says so. */
export class FakeTimers implements Timers {
  nowMs = 1_000_000;
  private soonCallbacks: (() => void)[] = [];
  private waiting: { atMs: number; callback: () => void }[] = [];

  soon(callback: () => void): void {
    this.soonCallbacks.push(callback);
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.waiting.push(timer);
    return () => {
      this.waiting = this.waiting.filter((other) => other !== timer);
    };
  }

  /** Runs what is due now, and what promises and callbacks bring about. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      const callbacks = this.soonCallbacks.splice(0);
      for (const callback of callbacks) callback();
      for (let i = 0; i < 5; i++) await Promise.resolve();
      if (callbacks.length > 0) quiet = -1;
    }
  }

  async advance(delayMs: number): Promise<void> {
    await this.settle();
    const untilMs = this.nowMs + delayMs;
    for (;;) {
      const next = this.waiting.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.waiting = this.waiting.filter((other) => other !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
      await this.settle();
    }
    this.nowMs = untilMs;
    await this.settle();
  }

  timerCount(): number {
    return this.waiting.length;
  }
}

export type Call = { target: string; id: string; outgoing: Outgoing; answer: (answer: Sent | SystemError) => void };
export type Rig = {
  queue: TeeQueue;
  memory: MemoryBudget;
  /** offers a copy that goes by itself */
  offer(target: string, id: string, payload: string): void;
  timers: FakeTimers;
  /** deliveries under way, in the order of their starts */
  calls: Call[];
  /** `target id` of every attempt */
  attempts: string[];
  lines: { atMs: number; line: string }[];
  count(name: string, label: string): number;
};

/** Of which the tees may have a quarter. */
const MEMORY_BYTES = 40_000;

export function newRig(changes: Partial<TeeQueueOptions> = {}, memoryBytes: number = MEMORY_BYTES): Rig {
  const timers = new FakeTimers();
  const counters = newCounters();
  const memory = newMemoryBudget(memoryBytes, counters);
  const calls: Call[] = [];
  const attempts: string[] = [];
  const lines: Rig["lines"] = [];
  const queue = newTeeQueue({
    deliver: (target, outgoing) =>
      new Promise((resolve) => {
        attempts.push(`${target.name} ${outgoing.id}`);
        const call: Call = {
          target: target.name,
          id: outgoing.id,
          outgoing,
          answer(answer) {
            calls.splice(calls.indexOf(call), 1);
            resolve(answer);
          },
        };
        calls.push(call);
      }),
    memory,
    eventsMax: 100,
    targetBytes: memory.bytesMax("tees") / 2,
    targetEvents: 50,
    concurrency: 2,
    retriesMax: 3,
    backoff: { firstMs: 100, maxMs: 1000 },
    circuit: { failuresMax: 100, waitMs: 1000, waitMaxMs: 4000 },
    random: () => 0,
    nowMs: () => timers.nowMs,
    timers,
    log: (line) => lines.push({ atMs: timers.nowMs, line }),
    counters,
    ...changes,
  });
  const count = (name: string, label: string): number =>
    counters.snapshot().find((row) => row.name === name && row.label === label)?.value ?? 0;
  const offer = (target: string, id: string, payload: string) => queue.offer(targetOf(target), ONE_BY_ONE, id, payload);
  return { queue, memory, offer, timers, calls, attempts, lines, count };
}
