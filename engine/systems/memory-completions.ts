/** Completions in memory: values that wait for their other join keys, each until its time is over. */
import { advance, isLate, type Pending } from "../core/state/completion.ts";
import { failedAnswer, type Join, type StateAnswer } from "../core/state/update.ts";

export type CompletionLimits = {
  /** Clients choose values: past so many waiting ones, or so many bytes, a store takes no new ones. */
  pendingMax: number;
  bytesMax: number;
  /**
   * How long a value is remembered after its deadline, so that who comes late is told so, or, without a deadline, after
   * it was last seen. Then it starts over.
   */
  keptMs: number;
};

export type Completions = {
  join(join: Join): StateAnswer;
  size(): { pending: number; bytes: number };
};

type Entry = { pending: Pending; seenMs: number };

type Waiting = {
  entries: Map<string, Entry>;
  bytes: number;
  /** goes round and round over the entries, a few with each join */
  hand: Iterator<[string, Entry]>;
  sweptMs: number;
};

/** Entries looked at with each join: with two, none stays long after its time while there is traffic. */
const LOOKS_PER_JOIN = 2;
/** A full store is searched as a whole for values past their deadline, at most so often. Milliseconds. */
const SWEEP_INTERVAL_MS = 1000;
/** What V8 needs for an entry beside its key, about. */
const ENTRY_BYTES = 300;

export function newCompletions(limits: CompletionLimits, nowMs: () => number): Completions {
  const entries = new Map<string, Entry>();
  const waiting: Waiting = { entries, bytes: 0, hand: entries.entries(), sweptMs: Number.NEGATIVE_INFINITY };
  return {
    join: (join) => joinInto(waiting, limits, join, nowMs()),
    size: () => ({ pending: entries.size, bytes: waiting.bytes }),
  };
}

function joinInto(waiting: Waiting, limits: CompletionLimits, join: Join, nowMs: number): StateAnswer {
  for (let i = 0; i < LOOKS_PER_JOIN; i++) forgetNext(waiting, limits, nowMs);
  const before = waiting.entries.get(join.key);
  const isOver = before !== undefined && isForgotten(before, limits, nowMs);
  const { pending, answer } = advance(isOver ? undefined : before?.pending, join, nowMs);
  if (pending === undefined) {
    remove(waiting, join.key);
    return answer;
  }
  if (before === undefined && !makeRoom(waiting, limits, join.key, nowMs)) {
    return failedAnswer(`holds ${waiting.entries.size} values that wait and takes no new ones`, "overload", false);
  }
  if (before === undefined) waiting.bytes += bytesOf(join.key);
  waiting.entries.set(join.key, { pending, seenMs: nowMs });
  return answer;
}

function isForgotten(entry: Entry, limits: CompletionLimits, nowMs: number): boolean {
  const from = entry.pending.deadlineMs === -1 ? entry.seenMs : entry.pending.deadlineMs;
  return nowMs - from > limits.keptMs;
}

function forgetNext(waiting: Waiting, limits: CompletionLimits, nowMs: number): void {
  const next = waiting.hand.next();
  if (next.done === true) {
    waiting.hand = waiting.entries.entries();
    return;
  }
  const [key, entry] = next.value;
  if (isForgotten(entry, limits, nowMs)) remove(waiting, key);
}

/** Whether one more fits, if need be in the place of those past their deadline. */
function makeRoom(waiting: Waiting, limits: CompletionLimits, key: string, nowMs: number): boolean {
  if (hasRoom(waiting, limits, key)) return true;
  if (nowMs - waiting.sweptMs < SWEEP_INTERVAL_MS) return false;
  waiting.sweptMs = nowMs;
  for (const [other, entry] of waiting.entries) {
    if (isLate(entry.pending, nowMs) || isForgotten(entry, limits, nowMs)) remove(waiting, other);
  }
  return hasRoom(waiting, limits, key);
}

function hasRoom(waiting: Waiting, limits: CompletionLimits, key: string): boolean {
  return waiting.entries.size < limits.pendingMax && waiting.bytes + bytesOf(key) <= limits.bytesMax;
}

function remove(waiting: Waiting, key: string): void {
  if (waiting.entries.delete(key)) waiting.bytes -= bytesOf(key);
}

function bytesOf(key: string): number {
  return ENTRY_BYTES + key.length * 2;
}
