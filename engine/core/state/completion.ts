/**
 * What a completion goes through. Whoever keeps it does this atomically, so exactly one event completes a value (B17):
 *
 *   nothing -> first join key seen -> waiting (deadline = now + timeout)     triggered
 *   waiting -> another one seen                                              triggered
 *   waiting -> the last one seen -> nothing                                  complete
 *   waiting -> any one seen after the deadline -> nothing                    timedout   (B16: the value starts over)
 */
import { type Join, newAnswer, type StateAnswer } from "./update.ts";

/** A value that waits for its other join keys. Never changed in place. */
export type Pending = {
  /** join keys seen, by name: a reload may change their number and order */
  seen: string[];
  /** -1: none */
  deadlineMs: number;
};

export type Advanced = { /** undefined: nothing is left of it */ pending: Pending | undefined; answer: StateAnswer };

export function advance(before: Pending | undefined, join: Join, nowMs: number): Advanced {
  const answer = newAnswer();
  if (before !== undefined && isLate(before, nowMs)) {
    answer.status = "timedout";
    answer.deadlineMs = before.deadlineMs;
    return { pending: undefined, answer };
  }
  const pending = before ?? { seen: [], deadlineMs: join.timeoutMs > 0 ? nowMs + join.timeoutMs : -1 };
  answer.deadlineMs = pending.deadlineMs;
  const seen = pending.seen.indexOf(join.joinKey) === -1 ? pending.seen.concat(join.joinKey) : pending.seen;
  if (containsAll(seen, join.joinKeys)) {
    answer.status = "complete";
    return { pending: undefined, answer };
  }
  answer.status = "triggered";
  return { pending: { seen, deadlineMs: pending.deadlineMs }, answer };
}

export function isLate(pending: Pending, nowMs: number): boolean {
  return pending.deadlineMs !== -1 && nowMs > pending.deadlineMs;
}

function containsAll(names: readonly string[], wanted: readonly string[]): boolean {
  for (let i = 0; i < wanted.length; i++) if (names.indexOf(wanted[i] as string) === -1) return false;
  return true;
}
