/** A step ready to run on this thread, and what the processes' run functions share. */
import type { LinkedCondition } from "../condition/evaluate.ts";
import { evaluate, Truth } from "../condition/evaluate.ts";
import type { RunContext } from "../context.ts";
import { fault } from "../context.ts";
import type { Outcome } from "../outcome.ts";
import type { Plan, Step } from "../plan.ts";
import type { Pattern } from "../ports.ts";

/** All linked steps have this one shape and are walked by index. */
export type LinkedStep = {
  run: (linked: LinkedStep, context: RunContext) => Outcome;
  step: Step;
  plan: Plan;
  /** by the plan's indexes */
  conditions: readonly LinkedCondition[];
  patterns: readonly Pattern[];
  steps: readonly LinkedStep[];
  /** what the process keeps on this thread, made by its `link`; undefined for one that keeps nothing */
  state: unknown;
};

/** Whether condition `index` (-1: always true) holds; Truth.error has put the fault into the context. */
export function holds(linked: LinkedStep, index: number, context: RunContext): Truth {
  if (index === -1) return Truth.yes;
  const condition = linked.conditions[index] as LinkedCondition;
  const truth = evaluate(condition, context.event);
  if (truth === Truth.error) fault(context, "error", condition.error);
  return truth;
}
