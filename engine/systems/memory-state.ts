/**
 * A store of state in the memory of this thread. It answers at once, so a pipeline that counts or joins does not wait; and
 * since one update is one call, nothing can come between its reading and its writing.
 */
import type { Fold, Join, StateAnswer, StateUpdate } from "../core/state/update.ts";
import { newAnswer } from "../core/state/update.ts";
import { type CompletionLimits, newCompletions } from "./memory-completions.ts";
import { newTallies, type Tallies, type TallyLimits } from "./memory-tallies.ts";

export type MemoryState = {
  update(update: StateUpdate): StateAnswer;
  /** what it holds */
  size(): { numbers: number; pending: number; ids: number };
};

export type StateLimits = TallyLimits & CompletionLimits & { idsMax: number; idsMs: number };

export const STATE_LIMITS: StateLimits = {
  // Groups and buckets, all aggregators of a store together; an average has two numbers.
  numbersMax: 100_000,
  pendingMax: 100_000,
  // Each for aggregations and for completions.
  bytesMax: 64 * 1024 * 1024,
  keptMs: 24 * 60 * 60 * 1000,
  // An update that comes again within this time, and with fewer than so many others in between, is not done again. More
  // of them cost more than the updates: a fold takes 0.1 µs, with 20,000 ids about 1, with 50,000 about 2.
  idsMax: 20_000,
  idsMs: 10 * 60 * 1000,
};

export function newMemoryState(limits: StateLimits, nowMs: () => number): MemoryState {
  const tallies = newTallies(limits);
  const completions = newCompletions(limits, nowMs);
  const recent: Recent = { young: new Map(), old: new Map(), sinceMs: nowMs() };
  return {
    update(update) {
      if (update.kind === "join") return once(recent, limits, nowMs(), update, () => completions.join(update));
      return fold(update, tallies, (change) => once(recent, limits, nowMs(), update, change));
    },
    size() {
      const ids = recent.young.size + recent.old.size;
      return { numbers: tallies.size().numbers, pending: completions.size().pending, ids };
    },
  };
}

function fold(fold: Fold, tallies: Tallies, once: (change: () => StateAnswer) => StateAnswer): StateAnswer {
  const answer = fold.numbers.length === 0 ? newAnswer() : once(() => tallies.fold(fold));
  if (answer.error !== "" || !fold.reads) return answer;
  return { ...answer, values: tallies.values(fold.key) };
}

/**
 * Answers by id in two generations: when the young one is full or over its time it becomes the old one. So an id is known
 * for idsMs at least, and no more than 2 * idsMax are.
 */
type Recent = { young: Map<string, StateAnswer>; old: Map<string, StateAnswer>; sinceMs: number };

function once(
  recent: Recent,
  limits: StateLimits,
  nowMs: number,
  update: Fold | Join,
  change: () => StateAnswer,
): StateAnswer {
  if (recent.young.size >= limits.idsMax || nowMs - recent.sinceMs > limits.idsMs) {
    recent.old = recent.young;
    recent.young = new Map();
    recent.sinceMs = nowMs;
  }
  const known = recent.young.get(update.id) ?? recent.old.get(update.id);
  if (known !== undefined) return known;
  const answer = change();
  // What failed has changed nothing and may be tried again.
  if (answer.error === "") recent.young.set(update.id, answer);
  return answer;
}
