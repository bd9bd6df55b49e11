/** Plan in, running pipelines out. `link` once per thread; `runPipelines` once per event. */
import { type LinkedCondition, linkCondition } from "./condition/evaluate.ts";
import { fault, type RunContext } from "./context.ts";
import { setOwn } from "./event/json.ts";
import { Outcome } from "./outcome.ts";
import type { Plan, Step } from "./plan.ts";
import type { Pattern, Ports } from "./ports.ts";
import { findProcess } from "./processes/registry.ts";
import type { LinkedStep } from "./processes/step.ts";

export type LinkedPipeline = { name: string; partition: string; steps: LinkedStep[] };

export type LinkedPlan = { plan: Plan; pipelines: LinkedPipeline[] };

/** Binds a plan to this thread's ports. The plan was checked when it was compiled: what fails here is our own bug. */
export function link(plan: Plan, ports: Ports): LinkedPlan {
  const patterns: Pattern[] = [];
  for (let i = 0; i < plan.patterns.length; i++) patterns.push(linkPattern(plan.patterns[i] as string, ports));
  const conditions: LinkedCondition[] = [];
  for (let i = 0; i < plan.conditions.length; i++) {
    conditions.push(linkCondition(plan.conditions[i] as LinkedCondition["condition"], patterns, ports.regexps));
  }
  const steps: LinkedStep[] = [];
  for (let i = 0; i < plan.steps.length; i++) {
    const step = plan.steps[i] as Step;
    const process = findProcess(step.process);
    const run = process === undefined ? runNothing : process.run;
    steps.push({ run, step, plan, conditions, patterns, steps });
  }
  const pipelines: LinkedPipeline[] = [];
  for (let i = 0; i < plan.pipelines.length; i++) {
    const pipeline = plan.pipelines[i] as Plan["pipelines"][number];
    const linked: LinkedPipeline = { name: pipeline.name, partition: plan.partition, steps: [] };
    for (let j = 0; j < pipeline.steps.length; j++) linked.steps.push(steps[pipeline.steps[j] as number] as LinkedStep);
    pipelines.push(linked);
  }
  return { plan, pipelines };
}

function linkPattern(text: string, ports: Ports): Pattern {
  const pattern = ports.regexps.compile(text);
  if ("error" in pattern) return { test: () => false, replaceAll: (subject) => subject };
  return pattern;
}

function runNothing(linked: LinkedStep, context: RunContext): Outcome {
  return fault(context, "error", `there is no process "${linked.step.process}"`);
}

/**
 * Runs one pipeline from step `from` on the context's event. Answers next when it went to its end, or what ended it;
 * `wait` only from steps that may wait (continuePipeline then goes on).
 */
function runSteps(pipeline: LinkedPipeline, from: number, context: RunContext, deadlineMs: number): Outcome {
  for (let i = from; i < pipeline.steps.length; i++) {
    const linked = pipeline.steps[i] as LinkedStep;
    context.process = linked.step.name;
    const outcome = linked.run(linked, context);
    if (outcome === Outcome.wait) context.waitingAt = i;
    if (outcome !== Outcome.next) return outcome;
    // A running step cannot be interrupted: the deadline acts between steps (engine.md).
    if (deadlineMs !== 0 && context.ports.clock.nowMs() > deadlineMs)
      return fault(context, "timeout", "the deadline has passed");
  }
  return Outcome.next;
}

/**
 * Runs pipelines one after the other; each gets the event the former left. A stop ends its own pipeline only; anything
 * else but next ends all. A promise only when a step had to wait.
 */
export function runPipelines(
  pipelines: readonly LinkedPipeline[],
  context: RunContext,
  deadlineMs: number,
): Outcome | Promise<Outcome> {
  return runFrom(pipelines, 0, 0, context, deadlineMs);
}

function runFrom(
  pipelines: readonly LinkedPipeline[],
  first: number,
  firstStep: number,
  context: RunContext,
  deadlineMs: number,
): Outcome | Promise<Outcome> {
  let from = firstStep;
  for (let i = first; i < pipelines.length; i++) {
    const pipeline = pipelines[i] as LinkedPipeline;
    context.pipeline = pipeline.name;
    // The original's hidden first process (agglo-behaviour 4).
    setOwn(context.event.side, "internal:name", pipeline.name);
    if (pipeline.partition !== "") setOwn(context.event.side, "internal:partitionID", pipeline.partition);
    const outcome = runSteps(pipeline, from, context, deadlineMs);
    from = 0;
    if (outcome === Outcome.wait) return resume(pipelines, i, context, deadlineMs);
    if (outcome !== Outcome.next && outcome !== Outcome.stop) return outcome;
  }
  return Outcome.next;
}

function resume(
  pipelines: readonly LinkedPipeline[],
  index: number,
  context: RunContext,
  deadlineMs: number,
): Promise<Outcome> {
  const pending = context.pending as Promise<Outcome>; // a step that waits leaves it
  const step = context.waitingAt + 1;
  context.pending = undefined;
  return pending.then((outcome) => {
    if (outcome === Outcome.stop) return runFrom(pipelines, index + 1, 0, context, deadlineMs);
    return outcome === Outcome.next ? runFrom(pipelines, index, step, context, deadlineMs) : outcome;
  });
}
