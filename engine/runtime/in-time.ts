/** What is waited for hangs nobody: a section's message, a server that ends. */
import { faulted, type LinkedSection, type Verdict } from "../core/routes/section.ts";

/** How long after a deadline, which acts between steps, one that does not come back is given up. */
export const LATE_MS = 50;

/** How long a message may wait for a thread and be read there, beside its section's deadline (pool-lane.ts). */
export const POOL_WAIT_MS = 450;

/** The verdict, or the fault `timeout` when a step does not come back. */
export function inTime(section: LinkedSection, verdict: Promise<Verdict>): Promise<Verdict> {
  const limitMs = section.plan.limits.deadlineMs;
  if (limitMs === 0) return verdict;
  const lateMs = limitMs + LATE_MS;
  return within(lateMs, verdict, () => faulted(section, "timeout", `no answer within ${lateMs} ms`));
}

/** What a promise comes to; what `late` gives where that takes longer than so many ms. */
export function within<Result>(ms: number, promise: Promise<Result>, late: () => Result): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(late()), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
