/**
 * filter: keeps or drops fields by name (the original's form, agglo-behaviour 3.4), or refuses the whole message by a
 * condition (http.md, "Additions"). One definition has one of the two forms.
 */

import { addPattern, type Compiler, noteSlip } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { noteConditionSlip } from "../condition/slips.ts";
import type { RunContext } from "../context.ts";
import { type ConfigOf, NAME_FIELD, ourConditionField, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { isObject, type JsonObject, type JsonValue, newObject, setOwn } from "../event/json.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import type { Pattern } from "../ports.ts";
import type { Reply } from "../routes/reply.ts";
import { compileReply, REPLY_FIELDS } from "../routes/reply-config.ts";
import { holds, type LinkedStep } from "./step.ts";

const fields = {
  name: NAME_FIELD,
  regex: {
    kind: "string",
    doc: "Fields by name: an RE2 pattern, searched in each key on every level of objects. Arrays are kept whole.",
  },
  keepMatched: { kind: "boolean", doc: "true keeps the fields that match, false drops them." },
  condition: ourConditionField("Traffic: refuse the message when this holds."),
  unless: ourConditionField("Traffic: refuse the message when this does not hold, a missing field included."),
  reject: {
    kind: "object",
    ours: true,
    fields: REPLY_FIELDS,
    doc: "How to answer a refused message. Default: 403 with problem details.",
  },
} as const;

export const filter: ProcessDefinition = {
  key: "filter",
  summary: "Keeps or drops fields by name, or refuses a message by condition.",
  waits: "never",
  fields,
  examples: [
    {
      title: "drop private fields",
      config: { name: "public", regex: "^_", keepMatched: false },
      input: { _id: 1, user: { name: "ann", _token: "x" }, list: [{ _a: 1 }] },
      output: { user: { name: "ann" }, list: [{ _a: 1 }] },
    },
    {
      title: "refuse an order without items",
      config: {
        name: "has-items",
        unless: { exists: { ops: [{ key: "items.0", op: "Exists" }] } },
        reject: { status: 422, body: "an order needs items" },
      },
      input: { items: [] },
      output: { items: [] },
      outcome: "refuse",
    },
    {
      title: "the same and more in CEL: a large order needs a customer",
      config: {
        name: "orders",
        unless: "size(event.items) > 0 && (event.total <= 1000 || has(event.customer.id))",
        reject: { status: 422, body: "an order needs items, a large one a customer" },
      },
      input: { items: [{ sku: "a" }], total: 2500, customer: { name: "ann" } },
      output: { items: [{ sku: "a" }], total: 2500, customer: { name: "ann" } },
      outcome: "refuse",
    },
    {
      title: "in CEL a missing field is an error, unless the other side of && or || decides",
      config: { name: "orders", condition: "event.total > 1000 && !event.approved" },
      input: { total: 20 },
      output: { total: 20 },
    },
  ],
};

type Settings = {
  /** fields form: the pattern's index; -1 = this filter refuses traffic */
  pattern: number;
  keepMatched: boolean;
  condition: number;
  /** the answer of the condition that refuses */
  refuseWhen: boolean;
  reply: Reply | undefined;
};

export function compileFilter(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("filter", config.name);
  const traffic = config.condition !== undefined || config.unless !== undefined || config.reject !== undefined;
  if (!traffic) {
    const pattern = addPattern(compiler, config.regex ?? "", at.concat("regex"));
    const keepMatched = config.keepMatched ?? false;
    step.settings = { pattern, keepMatched, condition: -1, refuseWhen: false, reply: undefined } satisfies Settings;
    step.changes = true;
    const remedy = "a redactor with ** finds a field at any depth";
    noteSlip(compiler, at, "arrays are kept whole: a field inside one is not looked at", remedy);
    return step;
  }
  if (config.regex !== undefined || config.keepMatched !== undefined) {
    complain(
      compiler.report,
      "E_ONE_OF",
      at,
      "a filter picks fields (regex, keepMatched) or refuses traffic (condition or unless, reject), not both",
      "make it two filters",
    );
  } else if ((config.condition === undefined) === (config.unless === undefined)) {
    complain(
      compiler.report,
      "E_ONE_OF",
      at,
      "a filter that refuses traffic needs exactly one of condition and unless",
      "condition refuses when it holds, unless when it does not",
    );
  }
  const refuseWhen = config.unless === undefined;
  const key = refuseWhen ? "condition" : "unless";
  const condition = addCondition(compiler, refuseWhen ? config.condition : config.unless, at.concat(key));
  if (refuseWhen) noteConditionSlip(compiler, condition, at.concat(key), "the message is refused");
  const reply = compileReply(compiler, config.reject, 403, config.name, at.concat("reject"));
  step.settings = { pattern: -1, keepMatched: false, condition, refuseWhen, reply } satisfies Settings;
  step.refuses = true;
  return step;
}

export function runFilter(linked: LinkedStep, context: RunContext): Outcome {
  const settings = linked.step.settings as Settings; // made by compileFilter
  if (settings.pattern === -1) {
    const truth = holds(linked, settings.condition, context);
    if (truth === Truth.error) return Outcome.fault;
    if ((truth === Truth.yes) !== settings.refuseWhen) return Outcome.next;
    context.refusal = settings.reply;
    return Outcome.refuse;
  }
  const pattern = linked.patterns[settings.pattern] as Pattern;
  context.event.value = keepFields(context.event.value, pattern, settings.keepMatched);
  return Outcome.next;
}

function keepFields(object: JsonObject, pattern: Pattern, keepMatched: boolean): JsonObject {
  const kept = newObject();
  const keys = Object.keys(object);
  let changed = false;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    if (pattern.test(key) !== keepMatched) {
      changed = true;
      continue;
    }
    const value = object[key] as JsonValue;
    const inner = isObject(value) ? keepFields(value, pattern, keepMatched) : value;
    if (inner !== value) changed = true;
    setOwn(kept, key, inner);
  }
  return changed ? kept : object;
}
