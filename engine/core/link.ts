/** Plan in, linked pipelines out, once per thread: every process there is, and what pipelines ask for around their steps. */
import { checkpointIdOf, forget, resume } from "./checkpoint.ts";
import { linkConduct, startWatch, stopWatch } from "./conduct.ts";
import type { RunContext } from "./context.ts";
import { Outcome } from "./outcome.ts";
import { goFrom, type LinkedPipeline, linkPipeline, linkSteps } from "./pipeline.ts";
import type { PipelineOptions, Plan } from "./plan.ts";
import type { Pattern, Ports, TeeTarget } from "./ports.ts";
import { findProcess } from "./processes/registry.ts";
import type { LinkedStep } from "./processes/step.ts";

export type LinkedPlan = { plan: Plan; pipelines: LinkedPipeline[] };

/** Binds a plan to this thread's ports. The plan was checked when it was compiled: what fails here is our own bug. */
export function link(plan: Plan, ports: Ports): LinkedPlan {
  const patterns: Pattern[] = [];
  for (let i = 0; i < plan.patterns.length; i++) patterns.push(linkPattern(plan.patterns[i] as string, ports));
  const steps = linkSteps(plan, patterns, findProcess, ports);
  const pipelines: LinkedPipeline[] = [];
  for (let i = 0; i < plan.pipelines.length; i++) {
    const pipeline = linkPipeline(plan, i, steps);
    pipelines.push(pipeline.options === undefined ? pipeline : linkOptions(pipeline, pipeline.options));
  }
  return { plan, pipelines };
}

function linkPattern(text: string, ports: Ports): Pattern {
  const pattern = ports.regexps.compile(text);
  if ("error" in pattern) return { test: () => false, replaceAll: (subject) => subject };
  return pattern;
}

/** The pipeline with what it asks for around itself and its steps. */
export function linkOptions(pipeline: LinkedPipeline, options: PipelineOptions): LinkedPipeline {
  pipeline.around = runWithOptions;
  for (let i = 0; i < pipeline.steps.length; i++) {
    pipeline.conducts[i] = linkConduct(pipeline.name, pipeline.steps[i] as LinkedStep, i, options);
  }
  return pipeline;
}

function runWithOptions(pipeline: LinkedPipeline, context: RunContext): Outcome | Promise<Outcome> {
  const options = pipeline.options as PipelineOptions; // linkOptions was given some
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
