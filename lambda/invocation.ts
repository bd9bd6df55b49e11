/** What a shape needs to treat one invocation, and what it leaves to be counted. */
import { type Failure, failureText, type Runner } from "../engine/runtime/run-text.ts";
import type { Log } from "../engine/runtime/standing.ts";

export type Invocation = {
  runner: Runner;
  /** the same when Lambda tries an asynchronous invocation again */
  requestId: string;
  /** clock time by which the answer must be there */
  deadlineMs: number;
  log: Log;
  numbers: { events: number; failed: number };
};

/** Of more failures in one invocation is only logged how many there are. */
const FAILURES_LOGGED = 100;

/** Counts one thing that failed and says why: the platform is told which, never why. */
export function logFailure(invocation: Invocation, what: string, reasons: readonly string[]): void {
  invocation.numbers.failed++;
  if (invocation.numbers.failed > FAILURES_LOGGED) return;
  for (const reason of reasons) invocation.log("error", `${what}: ${reason}`);
  if (invocation.numbers.failed === FAILURES_LOGGED) invocation.log("error", "further failures are only counted");
}

export function reasonsOf(failures: readonly Failure[]): string[] {
  return failures.map(failureText);
}
