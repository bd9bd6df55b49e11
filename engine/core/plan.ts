/**
 * The plan: a compiled configuration as plain data. It can be printed, sent to a worker and written into the njs bundle;
 * JSON.parse(JSON.stringify(plan)) is the same plan. `link` (pipeline.ts) turns it into something that runs, once per
 * thread.
 */
import type { Condition } from "./condition/compile.ts";
import type { Waits } from "./definition.ts";
import type { TeeTarget } from "./ports.ts";
import type { RoutePlan } from "./routes/route.ts";

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
  /** reserved paths it reads */
  reads: string[];
  /** indexes of steps it uses (a tee its transformer) */
  uses: number[];
  /** what only this process understands; plain data */
  settings: unknown;
};

export type PipelinePlan = { name: string /** indexes in plan.steps */; steps: number[] };

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
    reads: [],
    uses: [],
    settings: undefined,
  };
}
