/**
 * transformer: builds fields from fields (agglo-behaviour 3.6). Every spec reads the event as it came in, never what an
 * earlier spec wrote.
 *
 * Mended: array indexes in source paths (B19), null sources and empty arrays (B21), a result no JSON number can hold is
 * an error that names the field (section 11). Commands (TransformMap, the folds) come with the spawner.
 */

import { addPattern, type Compiler, readPath } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { copyObject, isObject, type JsonObject, type JsonValue, newObject, setOwn, typeName } from "../event/json.ts";
import { compilePath, lookup, type Path, withValueAt } from "../event/path.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { refuseHostKey } from "./reserved.ts";
import { holds, type LinkedStep } from "./step.ts";
import {
  type Argument,
  NEEDS_ARGUMENT,
  TRANSFORMATION_TYPES,
  Transformation,
  transformValue,
} from "./transformation.ts";

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
            mapArgs: { kind: "later", doc: "For TransformMap (commands)." },
            leftFoldArgs: { kind: "later", doc: "For TransformLeftFold (commands)." },
            rightFoldArgs: { kind: "later", doc: "For TransformRightFold (commands)." },
          },
        },
      },
    },
  },
} as const;

export const transformer: ProcessDefinition = {
  key: "transformer",
  summary: "Builds fields from fields: copy, sum, count, add, multiply, replace text, first or last element.",
  waits: "never",
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

type Spec = {
  /** undefined: the event itself */
  source: Path | undefined;
  target: Path;
  condition: number;
  type: number;
  argument: Argument;
};
type Settings = { forward: boolean; specs: Spec[] };

export function compileTransformer(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("transformer", config.name);
  const settings: Settings = { forward: config.forwardInputFields ?? false, specs: [] };
  const list = config.specs ?? [];
  for (let i = 0; i < list.length; i++) {
    const spec = list[i] as (typeof list)[number];
    const path = at.concat("specs", i);
    const source = spec.sourceField ?? "";
    const target = spec.targetField ?? "";
    refuseHostKey(compiler.report, target, path.concat("targetField"));
    const isRoot = source === "" && target === "";
    settings.specs.push({
      source: isRoot ? undefined : readPath(compiler, source),
      target: compilePath(target),
      // Kept from the original: the condition of a spec on the event itself is not looked at.
      condition: isRoot
        ? -1
        : addCondition(compiler, spec.transformation.condition, path.concat("transformation", "condition")),
      type: spec.transformation.transformationType ?? Transformation.unknown,
      argument: compileArgument(spec.transformation, compiler, path.concat("transformation")),
    });
  }
  step.changes = true;
  step.settings = settings;
  return step;
}

type Arguments = {
  transformationType: number | undefined;
  mapAddArgs: { value: number | undefined } | undefined;
  mapMultArgs: { value: number | undefined } | undefined;
  mapRegexArgs: { regex: string | undefined; replace: string | undefined } | undefined;
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
  } else if (type === Transformation.leftFold || type === Transformation.rightFold || type === Transformation.map) {
    complain(
      compiler.report,
      "E_NOT_YET",
      at.concat("transformationType"),
      "transformations by a command are not there yet",
      "",
    );
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

export function runTransformer(linked: LinkedStep, context: RunContext): Outcome {
  const result = transform(linked, context);
  if (result === undefined) return Outcome.fault;
  context.event.value = result.value;
  context.event.side = result.side;
  return Outcome.next;
}

export type Transformed = { value: JsonObject; side: JsonObject };

/** What the transformer makes of the event, which stays as it is; undefined: a fault is in the context. */
export function transform(linked: LinkedStep, context: RunContext): Transformed | undefined {
  const settings = linked.step.settings as Settings; // made by compileTransformer
  const event = context.event;
  const result: Transformed = { value: settings.forward ? event.value : newObject(), side: event.side };
  for (let i = 0; i < settings.specs.length; i++) {
    const spec = settings.specs[i] as Spec;
    const truth = holds(linked, spec.condition, context);
    if (truth === Truth.error) return undefined;
    if (truth === Truth.no) continue;
    const source = spec.source === undefined ? event.value : lookup(event, spec.source);
    if (source === undefined) continue;
    const error = applySpec(linked, spec, source, result);
    if (error !== "") {
      fault(context, "error", `spec ${i} (${spec.source?.text ?? "the event"} to ${spec.target.text}): ${error}`);
      return undefined;
    }
  }
  return result;
}

function applySpec(linked: LinkedStep, spec: Spec, source: JsonValue, result: Transformed): string {
  const made = transformValue(spec.type, spec.argument, source, linked.patterns);
  if (made.error !== "") return made.error;
  if (spec.source === undefined) {
    if (!isObject(made.value)) return `the event cannot become ${typeName(made.value)}`;
    result.value = withMembers(result.value, made.value);
    return "";
  }
  const written = withValueAt(spec.target.reserved ? result.side : result.value, spec.target.names, made.value);
  if (written.blockedAt !== "") return `"${written.blockedAt}" on the way to the target is no object`;
  if (spec.target.reserved) result.side = written.value;
  else result.value = written.value;
  return "";
}

function withMembers(object: JsonObject, members: JsonObject): JsonObject {
  const copy = copyObject(object);
  const keys = Object.keys(members);
  for (let i = 0; i < keys.length; i++) setOwn(copy, keys[i] as string, members[keys[i] as string] as JsonValue);
  return copy;
}
