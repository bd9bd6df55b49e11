/** continuation: ends its pipeline when a condition does not hold (agglo-behaviour 3.8). */

import type { Compiler } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import type { RunContext } from "../context.ts";
import { type ConfigOf, conditionField, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import type { DocumentPath } from "../diagnostic.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { holds, type LinkedStep } from "./step.ts";

const fields = {
  name: NAME_FIELD,
  condition: conditionField("When it is false this pipeline ends; other pipelines go on."),
} as const;

export const continuation: ProcessDefinition = {
  key: "continuation",
  summary: "Goes on with the pipeline only while a condition holds. Stopping is no failure.",
  waits: "never",
  fields,
  examples: [
    {
      title: "only orders go on",
      config: { name: "orders", condition: { exists: { ops: [{ key: "order.id", op: "Exists" }] } } },
      input: { order: { id: 7 } },
      output: { order: { id: 7 } },
    },
    {
      title: "anything else ends the pipeline",
      config: { name: "orders", condition: { exists: { ops: [{ key: "order.id", op: "Exists" }] } } },
      input: { ping: true },
      output: { ping: true },
      outcome: "stop",
    },
  ],
};

export function compileContinuation(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("continuation", config.name);
  step.condition = addCondition(compiler, config.condition, at.concat("condition"));
  return step;
}

export function runContinuation(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.yes) return Outcome.next;
  // The original takes a condition that cannot be evaluated for "no". Where rules guard traffic that would be a way
  // around everything behind this step, so there it is a fault.
  return truth === Truth.error && context.strict ? Outcome.fault : Outcome.stop;
}
