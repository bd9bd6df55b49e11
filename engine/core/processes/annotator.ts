/** annotator: adds a top-level field, by condition (agglo-behaviour 3.1). */

import { type Compiler, noteFault, noteSlip } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { noteConditionSlip } from "../condition/slips.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import type { DocumentPath } from "../diagnostic.ts";
import { isReservedKey } from "../event/event.ts";
import { copyObject, hasOwn, setOwn } from "../event/json.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { refuseHostKey } from "./reserved.ts";
import { holds, type LinkedStep } from "./step.ts";

const fields = {
  name: NAME_FIELD,
  annotations: {
    kind: "list",
    doc: "Applied in order; a later one sees what an earlier one wrote.",
    of: {
      kind: "object",
      doc: "One field to add.",
      fields: {
        fieldKey: { kind: "string", doc: "The field's name: one literal top-level key, dots included." },
        value: {
          kind: "string",
          doc: "Its value, a string. `derived:currentTime` stands for the local time, RFC 3339.",
        },
        condition: CONDITION_FIELD,
      },
    },
  },
  onExists: {
    kind: "word",
    words: ["fail", "keep", "overwrite"],
    ours: true,
    doc: "What to do when the event has the field already: fail the pipeline (as the original does), keep it, overwrite it.",
  },
} as const;

export const annotator: ProcessDefinition = {
  key: "annotator",
  summary: "Adds a field with a fixed value, or the current time, when a condition holds.",
  waits: "never",
  fields,
  examples: [
    {
      title: "mark large orders",
      config: {
        name: "mark",
        annotations: [
          {
            fieldKey: "priority",
            value: "high",
            condition: {
              expression: {
                comparator: { lhs: { variable: { name: "total" } }, rhs: { numeric: 100 }, op: "GreaterThan" },
              },
            },
          },
        ],
      },
      input: { id: 1, total: 250.5 },
      output: { id: 1, total: 250.5, priority: "high" },
    },
    {
      title: "an existing field fails the pipeline",
      config: { name: "mark", annotations: [{ fieldKey: "id", value: "x", condition: {} }] },
      input: { id: 1 },
      output: { id: 1 },
      outcome: "fault",
    },
  ],
};

type Annotation = { key: string; value: string; condition: number; reserved: boolean };
type Settings = { annotations: Annotation[]; onExists: "fail" | "keep" | "overwrite" };

/** The one derived value the original knows; every other `derived:…` is a plain string there. */
const CURRENT_TIME = "derived:currentTime";

export function compileAnnotator(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const settings: Settings = { annotations: [], onExists: config.onExists ?? "fail" };
  const step = newStep("annotator", config.name);
  const list = config.annotations ?? [];
  for (let i = 0; i < list.length; i++) {
    const path = at.concat("annotations", i);
    const key = list[i]?.fieldKey ?? "";
    const reserved = isReservedKey(key);
    refuseHostKey(compiler.report, key, path.concat("fieldKey"));
    const condition = addCondition(compiler, list[i]?.condition, path.concat("condition"));
    noteConditionSlip(compiler, condition, path.concat("condition"), `"${key}" is written`);
    if (settings.onExists !== "overwrite" && !reserved) noteClientKey(compiler, key, settings.onExists, path);
    settings.annotations.push({ key, value: list[i]?.value ?? "", condition, reserved });
    if (!reserved) step.changes = true;
  }
  step.settings = settings;
  return step;
}

// Whoever sends the event may have set the field before.
function noteClientKey(compiler: Compiler, key: string, onExists: string, at: DocumentPath): void {
  const path = at.concat("fieldKey");
  const remedy = 'say "onExists": "overwrite"';
  if (onExists === "keep") noteSlip(compiler, path, `a client that sends "${key}" itself keeps its own value`, remedy);
  else noteFault(compiler, path, `a client that sends "${key}" itself makes the annotation fail`, remedy);
}

export function runAnnotator(linked: LinkedStep, context: RunContext): Outcome {
  const settings = linked.step.settings as Settings; // made by compileAnnotator
  const annotations = settings.annotations;
  const count = annotations.length;
  for (let i = 0; i < count; i++) {
    const annotation = annotations[i] as Annotation;
    const truth = holds(linked, annotation.condition, context);
    if (truth === Truth.error) return Outcome.fault;
    if (truth === Truth.no) continue;
    const event = context.event;
    const object = annotation.reserved ? event.side : event.value;
    if (hasOwn(object, annotation.key) && settings.onExists !== "overwrite") {
      if (settings.onExists === "keep") continue;
      return fault(context, "error", `field exists: cannot annotate with field "${annotation.key}"`);
    }
    const value = annotation.value === CURRENT_TIME ? context.ports.clock.localTime() : annotation.value;
    const copy = copyObject(object);
    setOwn(copy, annotation.key, value);
    if (annotation.reserved) event.side = copy;
    else event.value = copy;
  }
  return Outcome.next;
}
