/** Redactor rules as an operator sees them: each has its counter from the start, and those that never matched are named. */
import type { Plan } from "../core/plan.ts";
import { redactionLabels } from "../core/processes/redactor.ts";
import type { RuntimeCounters } from "./counters.ts";
import type { Metrics } from "./metrics.ts";

const COUNTER = "redacted";
const NAMED_MAX = 20;

/** Gives each rule its counter, at 0 where it has none: one that is not there would say nothing. */
export function countRedactions(plan: Plan, counters: RuntimeCounters): void {
  for (const label of labelsOf(plan)) counters.add(COUNTER, label, 0);
}

/** A line about the rules that matched nothing although there was traffic; none where there is nothing to say. */
export function unmatchedRedactions(plan: Plan, { counters, messages }: Metrics): string[] {
  if (!messages.any()) return [];
  const rows = counters.snapshot();
  const matched = new Set(rows.filter((row) => row.name === COUNTER && row.value > 0).map((row) => row.label));
  const unmatched = labelsOf(plan).filter((label) => !matched.has(label));
  if (unmatched.length === 0) return [];
  const named = unmatched.slice(0, NAMED_MAX).join(", ") + (unmatched.length > NAMED_MAX ? ", …" : "");
  return [`redactor rules that matched nothing since the start: ${named}; are their paths right?`];
}

function labelsOf(plan: Plan): string[] {
  const used = new Set(plan.pipelines.flatMap((pipeline) => pipeline.steps));
  return plan.steps.flatMap((step, i) => (step.process === "redactor" && used.has(i) ? redactionLabels(step) : []));
}
