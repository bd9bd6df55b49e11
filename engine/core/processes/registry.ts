/** Every process there is, by the key a user types. A new one is a file in this folder and a line here. */
import type { Compiler } from "../compiler.ts";
import type { RunContext } from "../context.ts";
import type { ProcessDefinition } from "../definition.ts";
import type { DocumentPath } from "../diagnostic.ts";
import type { Outcome } from "../outcome.ts";
import type { Step } from "../plan.ts";
import type { Ports } from "../ports.ts";
import { aggregator, compileAggregator, runAggregator } from "./aggregator.ts";
import { annotator, compileAnnotator, runAnnotator } from "./annotator.ts";
import { compileCompleter, completer, runCompleter } from "./completer.ts";
import { compileContinuation, continuation, runContinuation } from "./continuation.ts";
import { compileFilter, filter, runFilter } from "./filter.ts";
import { compileRedactor, redactor, runRedactor } from "./redactor.ts";
import { compileSpawner, runSpawner, spawner } from "./spawner.ts";
import type { LinkedStep } from "./step.ts";
import { compileTee, linkTee, runTee, tee } from "./tee.ts";
import { compileTransformer, runTransformer, transformer } from "./transformer.ts";
import { compileValidator, linkValidator, runValidator, validator } from "./validator.ts";

export type Process = {
  definition: ProcessDefinition;
  compile: (config: never, compiler: Compiler, at: DocumentPath) => Step;
  run: (linked: LinkedStep, context: RunContext) => Outcome;
  /** makes what each of its steps keeps on a thread (LinkedStep.state) */
  link?: (step: Step, ports: Ports) => unknown;
};

export const processes: readonly Process[] = [
  { definition: annotator, compile: compileAnnotator, run: runAnnotator },
  { definition: transformer, compile: compileTransformer, run: runTransformer },
  { definition: filter, compile: compileFilter, run: runFilter },
  { definition: redactor, compile: compileRedactor, run: runRedactor },
  { definition: tee, compile: compileTee, run: runTee, link: linkTee },
  { definition: aggregator, compile: compileAggregator, run: runAggregator },
  { definition: completer, compile: compileCompleter, run: runCompleter },
  { definition: spawner, compile: compileSpawner, run: runSpawner },
  { definition: validator, compile: compileValidator, run: runValidator, link: linkValidator },
  { definition: continuation, compile: compileContinuation, run: runContinuation },
];

/** Processes the grammar knows and this version does not run yet. */
export const LATER_PROCESSES = ["entwine"] as const;

export function findProcess(key: string): Process | undefined {
  for (let i = 0; i < processes.length; i++) if (processes[i]?.definition.key === key) return processes[i];
  return undefined;
}
