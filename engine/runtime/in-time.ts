/** What a section waits for cannot hang its message. */
import { faulted, type LinkedSection, type Verdict } from "../core/routes/section.ts";

/** How long after a deadline, which acts between steps, one that does not come back is given up. */
export const LATE_MS = 50;

/** How long a message may wait for a thread and be read there, beside its section's deadline (pool-lane.ts). */
export const POOL_WAIT_MS = 450;

/** The verdict, or the fault `timeout` when a step does not come back. */
export function inTime(section: LinkedSection, verdict: Promise<Verdict>): Promise<Verdict> {
  const limitMs = section.plan.limits.deadlineMs;
  if (limitMs === 0) return verdict;
  return new Promise((resolve, reject) => {
    const late = () => resolve(faulted(section, "timeout", `no answer within ${limitMs + LATE_MS} ms`));
    const timer = setTimeout(late, limitMs + LATE_MS);
    verdict.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
