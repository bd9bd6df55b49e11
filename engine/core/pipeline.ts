/**
 * Runs linked pipelines: `runPipelines` once per event. Nothing here knows which processes there are (link.ts does), so a
 * bundle for nginx carries no others than its file uses.
 */
import { type LinkedCondition, linkCondition } from "./condition/evaluate.ts";
import type { Condition } from "./condition/program.ts";
import type { Conduct } from "./conduct.ts";
import { fault, type RunContext } from "./context.ts";
import { setOwn } from "./event/json.ts";
import { Outcome } from "./outcome.ts";
import type { PipelineOptions, PipelinePlan, Plan, Step } from "./plan.ts";
import type { Pattern, Ports } from "./ports.ts";
import type { LinkedStep } from "./processes/step.ts";

export type LinkedPipeline = {
  /** in plan.pipelines */
  index: number;
  name: string;
  partition: string;
  steps: LinkedStep[];
  /** by position; undefined: the step is just run */
  conducts: (Conduct | undefined)[];
  options: PipelineOptions | undefined;
  /** runs it as its options say; undefined: there are none */
  around: ((pipeline: LinkedPipeline, context: RunContext) => Outcome | Promise<Outcome>) | undefined;
};

/** What `link` needs to know of a process. */
export type Runnable = {
  run: (linked: LinkedStep, context: RunContext) => Outcome;
  link?: (step: Step, ports: Ports) => unknown;
};

/** Every step of the plan, bound to a thread's ports. */
export function linkSteps(
  plan: Plan,
  patterns: readonly Pattern[],
  findProcess: (key: string) => Runnable | undefined,
  ports: Ports,
): LinkedStep[] {
  const conditions: LinkedCondition[] = [];
  for (let i = 0; i < plan.conditions.length; i++) {
    conditions.push(linkCondition(plan.conditions[i] as Condition, patterns, ports.regexps));
  }
  const steps: LinkedStep[] = [];
  for (let i = 0; i < plan.steps.length; i++) {
    const step = plan.steps[i] as Step;
    const process = findProcess(step.process);
    const run = process === undefined ? runNothing : process.run;
    const state = process?.link?.(step, ports);
    steps.push({ run, step, plan, conditions, patterns, steps, state });
  }
  return steps;
}

function runNothing(linked: LinkedStep, context: RunContext): Outcome {
  return fault(context, "error", `there is no process "${linked.step.process}"`);
}

/** The pipeline at `index` of the plan, without what its options ask for (link.ts). */
export function linkPipeline(plan: Plan, index: number, steps: readonly LinkedStep[]): LinkedPipeline {
  const pipeline = plan.pipelines[index] as PipelinePlan;
  const linked: LinkedPipeline = {
    index,
    name: pipeline.name,
    partition: plan.partition,
    steps: [],
    conducts: [],
    options: pipeline.options,
    around: undefined,
  };
  for (let i = 0; i < pipeline.steps.length; i++) {
    linked.steps.push(steps[pipeline.steps[i] as number] as LinkedStep);
    linked.conducts.push(undefined);
  }
  return linked;
}

// Runs the steps from `first` on. Answers next when it went to the end, or what ended it; `wait` only from steps that may
// wait (goOn then takes over).
function runSteps(pipeline: LinkedPipeline, first: number, context: RunContext): Outcome {
  const steps = pipeline.steps;
  const count = steps.length; // once: nginx's engine takes as long for it as for a call
  for (let i = first; i < count; i++) {
    const linked = steps[i] as LinkedStep;
    const conduct = pipeline.conducts[i];
    context.process = linked.step.name;
    context.stepAt = i;
    const outcome = conduct === undefined ? linked.run(linked, context) : conduct.run(linked, conduct, context);
    if (outcome === Outcome.wait) context.waitingAt = i;
    if (outcome !== Outcome.next) return outcome;
    // What is done is done: only a step still to come can be too late.
    if (i + 1 < count && isLate(context)) return fault(context, "timeout", DEADLINE_PASSED);
  }
  return Outcome.next;
}

const DEADLINE_PASSED = "the deadline has passed";

// A running step cannot be interrupted: the deadline acts between steps (engine.md).
function isLate(context: RunContext): boolean {
  return context.deadlineMs !== 0 && context.ports.clock.nowMs() > context.deadlineMs;
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
  return runFrom(pipelines, 0, context, deadlineMs);
}

function runFrom(
  pipelines: readonly LinkedPipeline[],
  first: number,
  context: RunContext,
  deadlineMs: number,
): Outcome | Promise<Outcome> {
  const count = pipelines.length;
  for (let i = first; i < count; i++) {
    const outcome = runPipeline(pipelines[i] as LinkedPipeline, context, deadlineMs);
    if (typeof outcome !== "number") {
      return outcome.then((settled) => (isEnd(settled) ? settled : runFrom(pipelines, i + 1, context, deadlineMs)));
    }
    if (isEnd(outcome)) return outcome;
  }
  return Outcome.next;
}

function isEnd(outcome: Outcome): boolean {
  return outcome !== Outcome.next && outcome !== Outcome.stop;
}

/** Runs one pipeline on the context's event: next, or what ended it. A promise only when a step had to wait. */
export function runPipeline(
  pipeline: LinkedPipeline,
  context: RunContext,
  deadlineMs: number,
): Outcome | Promise<Outcome> {
  context.pipeline = pipeline.name;
  context.pipelineAt = pipeline.index;
  context.deadlineMs = deadlineMs;
  // The original's hidden first process (agglo-behaviour 4).
  setOwn(context.event.side, "internal:name", pipeline.name);
  if (pipeline.partition !== "") setOwn(context.event.side, "internal:partitionID", pipeline.partition);
  return pipeline.around === undefined ? goFrom(pipeline, 0, context) : pipeline.around(pipeline, context);
}

/** Runs the steps from `first` on. A promise only when one had to wait. */
export function goFrom(pipeline: LinkedPipeline, first: number, context: RunContext): Outcome | Promise<Outcome> {
  const outcome = runSteps(pipeline, first, context);
  return outcome === Outcome.wait ? goOn(pipeline, context) : outcome;
}

function goOn(pipeline: LinkedPipeline, context: RunContext): Promise<Outcome> {
  const pending = context.pending as Promise<Outcome>; // a step that waits leaves it
  const next = context.waitingAt + 1;
  context.pending = undefined;
  return pending.then((outcome) => {
    if (outcome !== Outcome.next) return outcome;
    return isLate(context) ? fault(context, "timeout", DEADLINE_PASSED) : goFrom(pipeline, next, context);
  });
}
