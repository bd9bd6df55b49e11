/** Plan in, running pipelines out. `link` once per thread; `runPipelines` once per event. */
import { checkpointIdOf, forget, resume } from "./checkpoint.ts";
import { type LinkedCondition, linkCondition } from "./condition/evaluate.ts";
import { type Conduct, linkConduct, runConducted, startWatch, stopWatch } from "./conduct.ts";
import { fault, type RunContext } from "./context.ts";
import { setOwn } from "./event/json.ts";
import { Outcome } from "./outcome.ts";
import type { PipelineOptions, Plan, Step } from "./plan.ts";
import type { Pattern, Ports, TeeTarget } from "./ports.ts";
import { findProcess } from "./processes/registry.ts";
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
};

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
    const state = process?.link?.(step, ports);
    steps.push({ run, step, plan, conditions, patterns, steps, state });
  }
  const pipelines: LinkedPipeline[] = [];
  for (let i = 0; i < plan.pipelines.length; i++) {
    const pipeline = plan.pipelines[i] as Plan["pipelines"][number];
    const linked: LinkedPipeline = {
      index: i,
      name: pipeline.name,
      partition: plan.partition,
      steps: [],
      conducts: [],
      options: pipeline.options,
    };
    for (let j = 0; j < pipeline.steps.length; j++) {
      const step = steps[pipeline.steps[j] as number] as LinkedStep;
      linked.steps.push(step);
      linked.conducts.push(linkConduct(pipeline.name, step, j, pipeline.options));
    }
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

// Runs the steps from `first` on. Answers next when it went to the end, or what ended it; `wait` only from steps that may
// wait (goOn then takes over).
function runSteps(pipeline: LinkedPipeline, first: number, context: RunContext): Outcome {
  for (let i = first; i < pipeline.steps.length; i++) {
    const linked = pipeline.steps[i] as LinkedStep;
    const conduct = pipeline.conducts[i];
    context.process = linked.step.name;
    context.stepAt = i;
    const outcome = conduct === undefined ? linked.run(linked, context) : runConducted(linked, conduct, context);
    if (outcome === Outcome.wait) context.waitingAt = i;
    if (outcome !== Outcome.next) return outcome;
    // What is done is done: only a step still to come can be too late.
    if (i + 1 < pipeline.steps.length && isLate(context)) return fault(context, "timeout", DEADLINE_PASSED);
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
  for (let i = first; i < pipelines.length; i++) {
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
  return pipeline.options === undefined
    ? goFrom(pipeline, 0, context)
    : runWithOptions(pipeline, pipeline.options, context);
}

function runWithOptions(
  pipeline: LinkedPipeline,
  options: PipelineOptions,
  context: RunContext,
): Outcome | Promise<Outcome> {
  const watch = startWatch("pipeline", pipeline.name, options.tracing, options.metrics, context);
  const checkpoint = checkpointIdOf(context) === "" ? null : options.checkpoint;
  const outcome = checkpoint === null ? goFrom(pipeline, 0, context) : goResumed(pipeline, checkpoint, context);
  const measured = (settled: Outcome): Outcome => {
    stopWatch(watch, settled, options.metrics, options.metrics, context);
    return settled;
  };
  return typeof outcome === "number" ? measured(outcome) : outcome.then(measured);
}

// A record stays after a fault only: a stop and a refusal are ends too (agglo-behaviour 11).
function goResumed(pipeline: LinkedPipeline, checkpoint: TeeTarget, context: RunContext): Promise<Outcome> {
  context.recorded = false;
  return resume(checkpoint, context)
    .then((first) => (first === -1 ? Outcome.fault : goFrom(pipeline, first, context)))
    .then((outcome) =>
      outcome === Outcome.fault || !context.recorded ? outcome : forget(checkpoint, outcome, context),
    );
}

function goFrom(pipeline: LinkedPipeline, first: number, context: RunContext): Outcome | Promise<Outcome> {
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
