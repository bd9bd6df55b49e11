/**
 * A configuration file in, a plan and every complaint about it out. Nothing is opened and no secret is resolved here:
 * lint runs exactly this.
 */
import type { Compiler, Slip } from "../core/compiler.ts";
import { complain, type Diagnostic, type DocumentPath, hasErrors, newReport, type Report } from "../core/diagnostic.ts";
import { getOwn, isArray, isObject, type JsonValue } from "../core/event/json.ts";
import { newPlan, newStep, type Plan, type Step, type StepOptions } from "../core/plan.ts";
import { type Regexps, type Schemas, SYSTEM_TYPES, type TeeTarget } from "../core/ports.ts";
import { findProcess } from "../core/processes/registry.ts";
import { awaitTees } from "./awaited-tees.ts";
import { type CheckContext, checkFields, isClean } from "./check.ts";
import { type Document, readDocument } from "./document.ts";
import { type ExternalConfig, type FindForm, readSystems, type SystemConfig } from "./external-systems.ts";
import { NAMED, ROOT } from "./grammar.ts";
import { type PipelineConfig, readPipelineOptions, readStepOptions } from "./pipelines.ts";
import { type Binding, bindRoutes, type HttpConfig, readRoutes } from "./routes.ts";
import { complainOfLocalState, complainOfSharedState } from "./shared-state.ts";
import { suggest } from "./suggest.ts";

export type LoadOptions = {
  /** the file's name, for messages */
  file: string;
  regexps: Regexps;
  /** the form of a system's connection string; opens nothing */
  systemForm: FindForm;
  /** unknown fields are warnings */
  lenient?: boolean;
  /** what traffic a file without `http` gets; left out: none */
  bind?: Binding;
  /** left out: a schema is refused */
  schemas?: Schemas;
  /** the text of a file that the configuration names, relative to its own place; left out: there is none */
  readFile?: (file: string) => { text: string } | { error: string };
};

export type Loaded = {
  document: Document;
  /** undefined when something is wrong */
  plan: Plan | undefined;
  systems: SystemConfig[];
  /** by the plan's steps: ways past each, for `lint --strict` */
  slips: Slip[][];
  /** by the plan's steps: where each is defined */
  places: DocumentPath[];
  diagnostics: Diagnostic[];
};

type Definition = { key: string; name: string; config: object; at: DocumentPath };
/** Elements of lists are null, and fields absent, where something is wrong with them. */
type RootConfig = {
  partitionUuid?: string;
  pipelines?: (PipelineConfig | null)[];
  processDefinitions?: ({ [key: string]: object } | null)[];
  externalSystems?: (ExternalConfig | null)[];
  http?: HttpConfig;
};

export function loadConfig(text: string, options: LoadOptions): Loaded {
  const document = readDocument(text, options.file);
  const report = newReport();
  report.diagnostics.push(...document.diagnostics);
  const loaded: Loaded = {
    document,
    plan: undefined,
    systems: [],
    slips: [],
    places: [],
    diagnostics: report.diagnostics,
  };
  if (document.value === undefined) return loaded;
  // Partial: what one part gets wrong hides nothing of another. A part is compiled only where it is clean.
  const context: CheckContext = { report, named: NAMED, partial: true, lenient: options.lenient ?? false };
  const root = checkFields(ROOT, document.value, [], context) as RootConfig | undefined; // what ROOT describes
  if (root === undefined) return loaded;
  const plan = newPlan();
  plan.partition = readPartition(root, report);
  loaded.systems = readSystems(root.externalSystems ?? [], plan, options.systemForm, context);
  const definitions = readDefinitions(root, document.value, report);
  const compiler = newCompiler(plan, definitions, report, options);
  for (const definition of definitions) {
    plan.steps.push(compileDefinition(definition, compiler));
    loaded.slips.push(compiler.slips);
    loaded.places.push(definition.at);
    compiler.slips = [];
  }
  readPipelines(root, plan, definitions, context);
  if (root.http !== undefined) plan.routes = readRoutes(root.http, compiler, context);
  if (options.bind !== undefined) bindRoutes(options.bind, compiler);
  awaitTees(plan, definitions, report);
  complainOfUnused(plan, definitions, report);
  complainOfSharedState(plan, report);
  complainOfLocalState(plan, definitions, loaded.systems, report);
  if (!hasErrors(report)) loaded.plan = plan;
  return loaded;
}

const UUID = /^(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;

function readPartition(root: RootConfig, report: Report): string {
  const text = root.partitionUuid;
  if (text === undefined) {
    if (root.http === undefined) {
      complain(report, "E_MISSING_FIELD", [], '"partitionUuid" is missing', "add a UUID, or an http section");
    }
    return "";
  }
  const parts = UUID.exec(text);
  if (parts !== null) return parts.slice(1).join("-").toLowerCase();
  complain(
    report,
    "E_VALUE",
    ["partitionUuid"],
    "this is no UUID",
    "write it like 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  );
  return "";
}

function readDefinitions(root: RootConfig, written: JsonValue, report: Report): Definition[] {
  const definitions: Definition[] = [];
  for (const [i, definition] of (root.processDefinitions ?? []).entries()) {
    const key = Object.keys(definition ?? {})[0];
    if (definition === null || key === undefined) {
      const refused = refusedDefinition(written, i, report);
      if (refused !== undefined) definitions.push(refused);
      continue; // `{}` is ignored, as in the original
    }
    const config = definition[key] as { name?: string };
    const at = ["processDefinitions", i, key];
    const name = config.name ?? "";
    if (definitions.some((other) => other.name === name)) {
      const message = `two process definitions are called "${name}"`;
      complain(report, "E_DUPLICATE_NAME", [...at, "name"], message, "rename one");
    }
    definitions.push({ key, name, config, at });
  }
  return definitions;
}

// Still a name that pipelines may use: one mistake is one complaint.
function refusedDefinition(written: JsonValue, index: number, report: Report): Definition | undefined {
  const at = ["processDefinitions", index];
  const list = isObject(written) ? written.processDefinitions : undefined;
  const definition = isArray(list) ? list[index] : undefined;
  if (isClean(report, at) || !isObject(definition)) return undefined;
  const key = Object.keys(definition)[0] ?? "";
  const config = getOwn(definition, key);
  const name = isObject(config) ? config.name : undefined;
  return typeof name === "string" ? { key, name, config: {}, at: [...at, key] } : undefined;
}

function compileDefinition(definition: Definition, compiler: Compiler): Step {
  const process = findProcess(definition.key);
  if (process === undefined || !isClean(compiler.report, definition.at))
    return newStep(definition.key, definition.name);
  compiler.reads = [];
  compiler.slips = [];
  // The grammar has checked the configuration against this process's own fields.
  const step = process.compile(definition.config as never, compiler, definition.at);
  step.reads = compiler.reads;
  return step;
}

function newCompiler(plan: Plan, definitions: readonly Definition[], report: Report, options: LoadOptions): Compiler {
  return {
    report,
    regexps: options.regexps,
    schemas: options.schemas ?? NO_SCHEMAS,
    readJson: (file) => readJson(file, options),
    plan,
    reads: [],
    slips: [],
    findTransformer: (name) => definitions.findIndex((other) => other.key === "transformer" && other.name === name),
    findTarget: (name) => findTarget(plan.targets, name),
    transformerNames: () => definitions.filter((other) => other.key === "transformer").map((other) => other.name),
    systemNames: () => plan.targets.map((target) => target.name),
    suggest,
  };
}

const NO_SCHEMAS: Schemas = { compile: () => ({ flaws: [{ path: [], message: "schemas cannot be checked here" }] }) };

function readJson(file: string, options: LoadOptions): { value: JsonValue } | { error: string } {
  const read = options.readFile?.(file) ?? { error: "files cannot be read here" };
  if ("error" in read) return read;
  const document = readDocument(read.text, file);
  const wrong = document.diagnostics[0];
  if (wrong !== undefined || document.value === undefined) {
    const { line, column } = wrong?.place ?? { line: 1, column: 1 };
    return { error: `${file}:${line}:${column} ${wrong?.message ?? "it is empty"}` };
  }
  return { value: document.value };
}

// A tee names a system without its type: the original looks through the types in this order (agglo-behaviour 3.7).
function findTarget(targets: readonly TeeTarget[], name: string): number {
  for (const type of SYSTEM_TYPES) {
    const index = targets.findIndex((target) => target.type === type && target.name === name);
    if (index !== -1) return index;
  }
  return -1;
}

function readPipelines(root: RootConfig, plan: Plan, definitions: readonly Definition[], context: CheckContext): void {
  const report = context.report;
  for (const [i, pipeline] of (root.pipelines ?? []).entries()) {
    const at = ["pipelines", i];
    const name = pipeline?.name ?? "";
    if (root.http !== undefined && plan.pipelines.some((other) => other.name === name)) {
      const message = `two pipelines are called "${name}"`;
      complain(report, "E_DUPLICATE_NAME", [...at, "name"], message, "routes name pipelines: rename one");
    }
    const steps: number[] = [];
    const stepOptions: (StepOptions | null)[] = [];
    for (const [j, process] of (pipeline?.processes ?? []).entries()) {
      if (process?.name === undefined) continue;
      const index = definitions.findIndex((definition) => definition.name === process.name);
      const path = [...at, "processes", j];
      if (index === -1) {
        const names = definitions.map((definition) => definition.name);
        const message = `no process is called "${process.name}"`;
        complain(report, "E_REFERENCE", [...path, "name"], message, suggest(process.name, names));
        continue;
      }
      steps.push(index);
      stepOptions.push(readStepOptions(process));
    }
    const lenient = context.lenient === true;
    const options = readPipelineOptions(pipeline ?? {}, stepOptions, plan.targets, at, lenient, report);
    plan.pipelines.push(options === undefined ? { name, steps } : { name, steps, options });
  }
}

function complainOfUnused(plan: Plan, definitions: readonly Definition[], report: Report): void {
  const used = new Set(plan.pipelines.flatMap((pipeline) => pipeline.steps));
  for (const index of [...used]) for (const other of plan.steps[index]?.uses ?? []) used.add(other);
  for (const [i, definition] of definitions.entries()) {
    if (used.has(i)) continue;
    complain(report, "W_UNUSED", definition.at, `no pipeline uses "${definition.name}"`, "");
  }
}
