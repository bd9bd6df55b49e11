/**
 * transformer: builds fields from fields (agglo-behaviour 3.6). Every spec reads the event as it came in, never what an
 * earlier spec wrote.
 *
 * Mended: array indexes in source paths (B19), null sources and empty arrays (B21), a result no JSON number can hold is
 * an error that names the field (section 11). Commands (TransformMap, the folds) stand in command-transformation.ts.
 */

import { addPattern, type Compiler, readPath } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { newObject } from "../event/json.ts";
import { compilePath, lookup } from "../event/path.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { COMMAND_OUTPUT_BYTES, COMMAND_TIMEOUT_MS, type Command, checkCommand } from "./command.ts";
import { runWithCommands } from "./command-transformation.ts";
import { refuseHostKey } from "./reserved.ts";
import { applySpec, type Spec, specError, type Transformed, type TransformerSettings } from "./spec.ts";
import { holds, type LinkedStep } from "./step.ts";
import { type Argument, NEEDS_ARGUMENT, TRANSFORMATION_TYPES, Transformation } from "./transformation.ts";
import { noteTransformerSlips } from "./transformer-slips.ts";

const COMMAND_FIELDS = {
  path: {
    kind: "string",
    required: true,
    doc: "The program: a path, or a name that PATH finds. It reads the element on stdin and writes JSON.",
  },
} as const;

const fields = {
  name: NAME_FIELD,
  forwardInputFields: {
    kind: "boolean",
    doc: "true: the result begins with all fields of the event; false: with none.",
  },
  specs: {
    kind: "list",
    doc: "Applied in order; each reads the event as it came in.",
    of: {
      kind: "object",
      doc: "One field to build. Both fields empty: the event itself is the source and its members are merged in.",
      fields: {
        sourceField: { kind: "string", doc: "Path of the source; when it is missing the spec is skipped." },
        targetField: { kind: "string", doc: "Path of the target; objects on the way are made." },
        transformation: {
          kind: "object",
          required: true,
          doc: "What to do with the source.",
          exclusive: ["mapArgs", "mapAddArgs", "mapMultArgs", "mapRegexArgs", "leftFoldArgs", "rightFoldArgs"],
          fields: {
            condition: CONDITION_FIELD,
            transformationType: {
              kind: "enum",
              values: TRANSFORMATION_TYPES,
              doc: "Copy, sum, count, … of the source.",
            },
            mapAddArgs: {
              kind: "object",
              fields: { value: { kind: "number", doc: "Added to each number." } },
              doc: "For TransformMapAdd.",
            },
            mapMultArgs: {
              kind: "object",
              fields: { value: { kind: "number", doc: "Multiplies each number." } },
              doc: "For TransformMapMult.",
            },
            mapRegexArgs: {
              kind: "object",
              doc: "For TransformMapRegex.",
              fields: {
                regex: { kind: "string", doc: "RE2 pattern; every match is replaced." },
                replace: { kind: "string", doc: "Go's template: `$1`, `${name}`, `$$`." },
              },
            },
            mapArgs: { kind: "object", fields: COMMAND_FIELDS, doc: "For TransformMap: run for each element." },
            leftFoldArgs: {
              kind: "object",
              fields: COMMAND_FIELDS,
              doc: "For TransformLeftFold: run for each element from the first to the last; what it answered before is the element's `internal:acc`.",
            },
            rightFoldArgs: {
              kind: "object",
              fields: COMMAND_FIELDS,
              doc: "For TransformRightFold: as the left one, from the last to the first.",
            },
          },
        },
      },
    },
  },
} as const;

export const transformer: ProcessDefinition = {
  key: "transformer",
  summary:
    "Builds fields from fields: copy, sum, count, add, multiply, replace text, first or last element, or by a command.",
  waits: "may",
  fields,
  examples: [
    {
      title: "sum, and text by pattern",
      config: {
        name: "totals",
        forwardInputFields: true,
        specs: [
          { sourceField: "prices", targetField: "order.total", transformation: { transformationType: "TransformSum" } },
          {
            sourceField: "phone",
            targetField: "phone",
            transformation: {
              transformationType: "TransformMapRegex",
              mapRegexArgs: { regex: "[0-9]{4}$", replace: "xxxx" },
            },
          },
        ],
      },
      input: { prices: [1, 2.5], phone: "555-1234" },
      output: { prices: [1, 2.5], phone: "555-xxxx", order: { total: 3.5 } },
    },
  ],
};

export function compileTransformer(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("transformer", config.name);
  const forward = config.forwardInputFields ?? false;
  const settings: TransformerSettings = { forward, carriesReserved: forward, specs: [] };
  const list = config.specs ?? [];
  for (let i = 0; i < list.length; i++) {
    const spec = list[i] as (typeof list)[number];
    const path = at.concat("specs", i);
    const source = spec.sourceField ?? "";
    const target = spec.targetField ?? "";
    refuseHostKey(compiler.report, target, path.concat("targetField"));
    const isRoot = source === "" && target === "";
    if (isRoot) settings.carriesReserved = true;
    settings.specs.push({
      source: isRoot ? undefined : readPath(compiler, source),
      target: compilePath(target),
      // Kept from the original: the condition of a spec on the event itself is not looked at.
      condition: isRoot
        ? -1
        : addCondition(compiler, spec.transformation.condition, path.concat("transformation", "condition")),
      type: spec.transformation.transformationType ?? Transformation.unknown,
      argument: compileArgument(spec.transformation, compiler, path.concat("transformation")),
      command: compileCommand(spec.transformation, compiler, path.concat("transformation")),
    });
    if (settings.specs[i]?.command !== null) step.spawns = true;
  }
  if (step.spawns) step.waits = "always";
  noteTransformerSlips(compiler, settings, at);
  step.changes = true;
  step.settings = settings;
  return step;
}

type Arguments = {
  transformationType: number | undefined;
  mapAddArgs: { value: number | undefined } | undefined;
  mapMultArgs: { value: number | undefined } | undefined;
  mapRegexArgs: { regex: string | undefined; replace: string | undefined } | undefined;
  mapArgs: CommandArguments;
  leftFoldArgs: CommandArguments;
  rightFoldArgs: CommandArguments;
};

function compileArgument(config: Arguments, compiler: Compiler, at: DocumentPath): Argument {
  const argument: Argument = { given: true, number: 0, pattern: -1, template: "" };
  const type = config.transformationType ?? Transformation.unknown;
  if (type === Transformation.mapAdd && config.mapAddArgs !== undefined) {
    argument.number = config.mapAddArgs.value ?? 0;
  } else if (type === Transformation.mapMult && config.mapMultArgs !== undefined) {
    argument.number = config.mapMultArgs.value ?? 0;
  } else if (type === Transformation.mapRegex && config.mapRegexArgs !== undefined) {
    argument.pattern = addPattern(compiler, config.mapRegexArgs.regex ?? "", at.concat("mapRegexArgs", "regex"));
    argument.template = config.mapRegexArgs.replace ?? "";
  } else if (commandOf(config) !== undefined) {
    return argument;
  } else if (NEEDS_ARGUMENT[type] !== undefined) {
    // The original passes the source through unchanged here; so do we, but not in silence.
    argument.given = false;
    complain(
      compiler.report,
      "W_UNUSED",
      at,
      `without ${NEEDS_ARGUMENT[type]} this only copies`,
      `add ${NEEDS_ARGUMENT[type]}`,
    );
  }
  return argument;
}

type CommandArguments = { path: string } | undefined;

/** The arguments of a type that runs a command, where they are given. */
function commandOf(config: Arguments): CommandArguments {
  if (config.transformationType === Transformation.map) return config.mapArgs;
  if (config.transformationType === Transformation.leftFold) return config.leftFoldArgs;
  return config.transformationType === Transformation.rightFold ? config.rightFoldArgs : undefined;
}

function compileCommand(config: Arguments, compiler: Compiler, at: DocumentPath): Command | null {
  const given = commandOf(config);
  if (given === undefined) return null;
  checkCommand(compiler, given.path, at.concat(NEEDS_ARGUMENT[config.transformationType ?? 0] as string, "path"));
  return { path: given.path, args: [], timeoutMs: COMMAND_TIMEOUT_MS, outputBytesMax: COMMAND_OUTPUT_BYTES };
}

export function runTransformer(linked: LinkedStep, context: RunContext): Outcome {
  if (linked.step.waits !== "never") return runWithCommands(linked, context);
  const result = transform(linked, context);
  if (result === undefined) return Outcome.fault;
  context.event.value = result.value;
  context.event.side = result.side;
  return Outcome.next;
}

/** What the transformer makes of the event, which stays as it is; undefined: a fault is in the context. */
export function transform(linked: LinkedStep, context: RunContext): Transformed | undefined {
  const settings = linked.step.settings as TransformerSettings; // made by compileTransformer
  const event = context.event;
  const result: Transformed = { value: settings.forward ? event.value : newObject(), side: event.side };
  for (let i = 0; i < settings.specs.length; i++) {
    const spec = settings.specs[i] as Spec;
    const truth = holds(linked, spec.condition, context);
    if (truth === Truth.error) return undefined;
    if (truth === Truth.no) continue;
    const source = spec.source === undefined ? event.value : lookup(event, spec.source);
    if (source === undefined) continue;
    const error = applySpec(spec, source, linked.patterns, result);
    if (error !== "") {
      fault(context, "error", specError(i, spec, error));
      return undefined;
    }
  }
  return result;
}
