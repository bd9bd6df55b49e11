/**
 * Changes of state as plain data: they can cross a thread, and each touches a single item, so that a store outside can
 * make one conditional write of it. No locks, no log of events, nothing that one bad event leaves behind (B13, B14,
 * B32-B34): what an event may not do is found out before there is an update.
 *
 * An update has an id. A store does it once and gives the same answer to the same id again, for as long as it remembers.
 */
import type { JsonObject } from "../event/json.ts";

/** One operation on one number of an item. A number that is not there yet becomes `operand`. */
export type NumberUpdate = { name: string; operator: "add" | "max" | "min"; operand: number };

/** Folds a value into an aggregation, or only reads the aggregations of a pipeline (no numbers). */
export type Fold = {
  kind: "fold";
  /** "" for one that only reads */
  id: string;
  /** names the aggregations of one pipeline (key.ts) */
  key: string;
  /** the way to the item in what is shown: `<key>:<AggType>`, groups, and for a histogram "buckets" */
  path: string[];
  /** changed together or not at all */
  numbers: NumberUpdate[];
  /** asks for everything under `key` after the change */
  reads: boolean;
};

/** Marks one join key of one value as seen. */
export type Join = {
  kind: "join";
  id: string;
  /** names the value (key.ts) */
  key: string;
  /** all that must be seen */
  joinKeys: string[];
  /** the one that is seen now */
  joinKey: string;
  /** from the first sighting; 0 or less: no deadline */
  timeoutMs: number;
};

export type StateUpdate = Fold | Join;

/** Where a value stands, as events say it (agglo-behaviour 3.3). */
export type CompletionStatus = "triggered" | "complete" | "timedout";

export type StateAnswer = {
  /** "" when done; in words otherwise, nothing of the event in it */
  error: string;
  /** why not: the store's cap is reached, or anything else */
  reason: "overload" | "error";
  /** whether the same update may succeed later */
  retryable: boolean;
  /** a fold that reads: `<key>:<AggType>` -> groups -> numbers. Shared, never changed. */
  values: JsonObject | undefined;
  /** a join */
  status: CompletionStatus | undefined;
  /** a join: milliseconds since the Unix epoch; -1: none */
  deadlineMs: number;
};

export function newAnswer(): StateAnswer {
  return { error: "", reason: "error", retryable: false, values: undefined, status: undefined, deadlineMs: -1 };
}

export function failedAnswer(error: string, reason: StateAnswer["reason"], retryable: boolean): StateAnswer {
  const answer = newAnswer();
  answer.error = error;
  answer.reason = reason;
  answer.retryable = retryable;
  return answer;
}

/** What becomes of a number. */
export function updateNumber(before: number | undefined, update: NumberUpdate): number {
  if (before === undefined) return update.operand;
  if (update.operator === "add") return before + update.operand;
  // Not Math.max(0, …): the largest of negative numbers is negative (B10).
  return update.operator === "max" ? Math.max(before, update.operand) : Math.min(before, update.operand);
}
