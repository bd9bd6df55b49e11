/** What the file says of a pipeline besides its processes: retries, checkpoints, what is measured. */
import { complain, type DocumentPath, type Report } from "../core/diagnostic.ts";
import type { PipelineOptions, Plan, StepOptions } from "../core/plan.ts";
import type { TeeTarget } from "../core/ports.ts";
import { suggest } from "./suggest.ts";

/** As checked: fields are absent, and elements of lists null, where something is wrong with them. */
export type PipelineConfig = {
  name?: string;
  processes?: (ProcessConfig | null)[];
  checkpoint?: { outputConnectorRef?: string };
  enableTracing?: boolean;
  enableMetrics?: boolean;
};
export type ProcessConfig = {
  name?: string;
  retryStrategy?: { numRetries?: number; initialBackOffMs?: number };
  instrumentation?: { enableTracing?: boolean; latency?: boolean; counter?: boolean };
};

/** null: the process is just run. */
export function readStepOptions(config: ProcessConfig): StepOptions | null {
  const options: StepOptions = {
    retriesMax: config.retryStrategy?.numRetries ?? 0,
    backOffMs: config.retryStrategy?.initialBackOffMs ?? 0,
    tracing: config.instrumentation?.enableTracing ?? false,
    latency: config.instrumentation?.latency ?? false,
    counter: config.instrumentation?.counter ?? false,
  };
  const asks = options.retriesMax > 0 || options.tracing || options.latency || options.counter;
  return asks ? options : null;
}

/** undefined: the pipeline asks for nothing besides its steps. `lenient`: a checkpoint that names no store is left out. */
export function readPipelineOptions(
  config: PipelineConfig,
  steps: (StepOptions | null)[],
  targets: readonly TeeTarget[],
  at: DocumentPath,
  lenient: boolean,
  report: Report,
): PipelineOptions | undefined {
  const options: PipelineOptions = {
    steps,
    checkpoint: readCheckpoint(config, targets, [...at, "checkpoint"], lenient, report),
    tracing: config.enableTracing ?? false,
    metrics: config.enableMetrics ?? false,
  };
  const asks = options.checkpoint !== null || options.tracing || options.metrics || steps.some((step) => step !== null);
  return asks ? options : undefined;
}

/** What can give back what it was given, in the original's order of types. */
const CHECKPOINT_TYPES = ["ExternalKVStore", "ExternalLocalFile"] as const;

function readCheckpoint(
  config: PipelineConfig,
  targets: readonly TeeTarget[],
  at: DocumentPath,
  lenient: boolean,
  report: Report,
): TeeTarget | null {
  if (config.checkpoint === undefined) return null;
  const name = config.checkpoint.outputConnectorRef;
  const path = [...at, "outputConnectorRef"];
  if (name === undefined) {
    // One of the original's own files spells the field in another way (agglo-behaviour 9, C8).
    const code = lenient ? "W_UNUSED" : "E_MISSING_FIELD";
    complain(report, code, path, "expected a string, found nothing", "name the store that keeps the checkpoints");
    return null;
  }
  for (const type of CHECKPOINT_TYPES) {
    const target = targets.find((other) => other.type === type && other.name === name);
    if (target !== undefined) return target;
  }
  const fitting = targets.filter((target) => CHECKPOINT_TYPES.some((type) => type === target.type));
  const message = `no external system of type ${CHECKPOINT_TYPES.join(" or ")} is called "${name}"`;
  complain(
    report,
    "E_REFERENCE",
    path,
    message,
    suggest(
      name,
      fitting.map((target) => target.name),
    ),
  );
  return null;
}

/** Whatever names pipelines, by the field it is. */
export type Sections = {
  readonly [section in "request" | "response" | "exchange"]?: { pipelines?: string[] | undefined } | undefined;
};

/** A route cannot wait for a store on every message, and no proxy gives a message again. */
export function refuseCheckpoints(sections: Sections, plan: Plan, at: DocumentPath, report: Report): void {
  for (const section of ["request", "response", "exchange"] as const) {
    for (const [i, name] of (sections[section]?.pipelines ?? []).entries()) {
      const pipeline = plan.pipelines.find((other) => other.name === name);
      if (pipeline?.options === undefined || pipeline.options.checkpoint === null) continue;
      const message = `pipeline "${name}" keeps checkpoints: every message would wait for their store, and a proxy never gives a message again`;
      const remedy = "bind a pipeline without a checkpoint";
      complain(report, "E_VALUE", [...at, section, "pipelines", i], message, remedy);
    }
  }
}
