/**
 * Runs what the queue holds:
 *
 *   take ─▶ all pipelines ─▶ ack
 *                 └─▶ failed ─▶ again after a pause, `retries` times ─▶ the dead-letter file, with the reason
 *
 * Several workers take in order and end as they end. A single one keeps the order: while it pauses, nothing overtakes.
 * An event that a filter refuses is refused every time, so it is not tried again.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { DurableLog, Entry } from "../engine/runtime/durable-log/log.ts";
import { type Runtimes, withRuntime } from "../engine/runtime/generations.ts";
import type { KeptRun } from "../engine/runtime/posts.ts";
import { type Counts, countEvents } from "./counts.ts";

export type WorkersOptions = {
  log: DurableLog;
  runtimes: Runtimes;
  counts: Counts;
  workers: number;
  /** tries after the first */
  retries: number;
  /** before the first retry; doubled for each further one */
  pauseMs: number;
  onBug(error: unknown): void;
  /** told why an event went to the dead-letter file */
  onDead(reason: string): void;
};

export type Workers = {
  retried(): number;
  /** Takes nothing more; resolves when what is in flight has ended. */
  end(): Promise<void>;
};

type State = WorkersOptions & { ending: AbortController; retriedCount: number };

export function startWorkers(options: WorkersOptions): Workers {
  const state: State = { ...options, ending: new AbortController(), retriedCount: 0 };
  const working = Array.from({ length: options.workers }, () => work(state));
  return {
    retried: () => state.retriedCount,
    async end() {
      options.log.endTaking();
      state.ending.abort();
      await Promise.all(working);
    },
  };
}

async function work(state: State): Promise<void> {
  const { log } = state;
  for (let entry = await log.take(); entry !== undefined; entry = await log.take()) await treat(state, entry);
}

async function treat(state: State, entry: Entry): Promise<void> {
  const { log, retries, ending, workers } = state;
  for (let attempts = entry.attempts + 1; ; attempts++) {
    const failure = await run(state, entry);
    if (failure === undefined) return log.ack(entry);
    const isLast = failure.isFinal || attempts > retries;
    if (isLast && (await bury(state, entry, failure.reason))) return;
    state.retriedCount++;
    const pauseMs = pauseOf(state, attempts);
    if (workers > 1) return log.release(entry, Date.now() + pauseMs, attempts);
    await pause(pauseMs, ending.signal);
    if (ending.signal.aborted) return log.release(entry, Date.now(), attempts);
  }
}

/** Never rejects. */
async function run({ runtimes, counts, onBug }: State, { id, payload }: Entry): Promise<KeptRun["failure"]> {
  try {
    const { tally, failure } = await withRuntime(runtimes, ({ posts }) => posts.event({ id, content: payload }));
    countEvents(counts, tally);
    return failure;
  } catch (error) {
    onBug(error);
    return { reason: "a bug of ours; the log has it", isFinal: false };
  }
}

/** False where the dead-letter file cannot be written now. */
async function bury({ log, onDead }: State, entry: Entry, reason: string): Promise<boolean> {
  const failure = await log.deadLetter(entry, reason);
  if (failure === undefined) onDead(reason);
  return failure === undefined;
}

const PAUSE_MS_MAX = 60_000;

/** Up to a half longer, so that what failed together does not come back together. */
function pauseOf({ pauseMs }: State, attempts: number): number {
  return Math.min(PAUSE_MS_MAX, pauseMs * 2 ** (attempts - 1)) * (1 + Math.random() / 2);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal }).catch(() => undefined); // aborted: it is over
}
