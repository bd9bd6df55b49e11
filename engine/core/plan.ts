/**
 * The plan: a compiled configuration as plain data. It can be printed, sent to a worker and written into the njs bundle;
 * JSON.parse(JSON.stringify(plan)) is the same plan. `link` (link.ts) turns it into something that runs, once per
 * thread.
 */
import type { Condition } from "./condition/program.ts";
import type { Waits } from "./definition.ts";
import type { TeeTarget } from "./ports.ts";
import { pipelinesOf, type RoutePlan } from "./routes/route.ts";

/** A compiled process. All steps have this one shape. */
export type Step = {
  /** key in the registry of processes */
  process: string;
  name: string;
  /** index in plan.conditions; -1: always */
  condition: number;
  waits: Waits;
  /** may change the body of a message */
  changes: boolean;
  /** may refuse a message */
  refuses: boolean;
  /** sends events to a system */
  mirrors: boolean;
  /** runs commands */
  spawns: boolean;
  /** reserved paths it reads */
  reads: string[];
  /** indexes of steps it uses (a tee its transformer) */
  uses: number[];
  /** what only this process understands; plain data */
  settings: unknown;
};

/** What a pipeline asks for around one of its steps. */
export type StepOptions = {
  /** tries after the first */
  retriesMax: number;
  /** delay before the second try; it doubles each time */
  backOffMs: number;
  tracing: boolean;
  latency: boolean;
  counter: boolean;
};

/** What a pipeline asks for besides running its steps. */
export type PipelineOptions = {
  /** by position in the pipeline; null: just run it */
  steps: (StepOptions | null)[];
  /** where it keeps how far it came; null: nowhere */
  checkpoint: TeeTarget | null;
  tracing: boolean;
  metrics: boolean;
};

export type PipelinePlan = {
  name: string;
  /** indexes in plan.steps */
  steps: number[];
  /** absent: nothing */
  options?: PipelineOptions;
};

export type Plan = {
  /** canonical partition UUID; "" when the file has none */
  partition: string;
  /** one per process definition, in the order of the file */
  steps: Step[];
  pipelines: PipelinePlan[];
  conditions: Condition[];
  /** RE2 patterns, used by index */
  patterns: string[];
  /** every place a tee sends to */
  targets: TeeTarget[];
  /** references to secrets (`${env:NAME}`) that must resolve before anything runs */
  secrets: string[];
  /** undefined: the file binds nothing to traffic */
  routes: RoutePlan[] | undefined;
};

export function newPlan(): Plan {
  return {
    partition: "",
    steps: [],
    pipelines: [],
    conditions: [],
    patterns: [],
    targets: [],
    secrets: [],
    routes: undefined,
  };
}

/** A step that does nothing yet; the process fills in what it is. */
export function newStep(process: string, name: string): Step {
  return {
    process,
    name,
    condition: -1,
    waits: "never",
    changes: false,
    refuses: false,
    mirrors: false,
    spawns: false,
    reads: [],
    uses: [],
    settings: undefined,
  };
}

/** Names of the steps that run commands for the plan's routes, tees' transformers included. */
export function spawningSteps(plan: Plan): string[] {
  const names: string[] = [];
  const routes = plan.routes ?? [];
  for (let i = 0; i < routes.length; i++) {
    const pipelines = pipelinesOf(routes[i] as RoutePlan);
    for (let j = 0; j < pipelines.length; j++) {
      addSpawning(plan, (plan.pipelines[pipelines[j] as number] as PipelinePlan).steps, names);
    }
  }
  return names;
}

function addSpawning(plan: Plan, steps: readonly number[], names: string[]): void {
  for (let i = 0; i < steps.length; i++) {
    const step = plan.steps[steps[i] as number] as Step;
    if (step.spawns && names.indexOf(step.name) === -1) names.push(step.name);
    addSpawning(plan, step.uses, names); // a tee's transformer uses nothing: no circles
  }
}
