/**
 * validator (ours, http.md "Additions"): refuses a message whose events do not match a JSON Schema (2020-12). The schema is
 * part of the plan; what compiles and runs it is a port, because generated code never enters the core.
 */
import type { Compiler } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { noteConditionSlip } from "../condition/slips.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { isObject, type JsonValue } from "../event/json.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import type { Ports, Validator } from "../ports.ts";
import { type Reply, withErrors } from "../routes/reply.ts";
import { compileReply, REPLY_FIELDS } from "../routes/reply-config.ts";
import { holds, type LinkedStep } from "./step.ts";

const fields = {
  name: NAME_FIELD,
  condition: CONDITION_FIELD,
  schema: {
    kind: "any",
    required: true,
    doc:
      "JSON Schema 2020-12 that each event must match: the schema itself, or the name of a file with it, relative to this " +
      "one. `format` is asserted, patterns are RE2's, `$ref` leads into the schema itself; a keyword that does not exist " +
      "is an error. Numbers are doubles: two whole numbers beyond 2^53 may be one.",
  },
  reject: {
    kind: "object",
    fields: REPLY_FIELDS,
    doc:
      "How to answer a refused message. Default: 422 with problem details, in which `errors` has up to 20 pairs of a JSON " +
      "Pointer into the event and a keyword of the schema. Values are never told, nor names that the schema does not have " +
      "(`*` stands for one).",
  },
} as const;

export const validator: ProcessDefinition = {
  key: "validator",
  summary: "Refuses messages that do not match a JSON Schema.",
  waits: "never",
  fields,
  examples: [
    {
      title: "an order that is one",
      config: {
        name: "order",
        schema: { type: "object", required: ["items"], properties: { total: { type: "number", minimum: 0 } } },
      },
      input: { items: [], total: 1 },
      output: { items: [], total: 1 },
    },
    {
      title: "refuse an order below zero",
      config: {
        name: "order",
        schema: { type: "object", properties: { total: { type: "number", minimum: 0 } } },
        reject: { status: 400 },
      },
      input: { total: -1 },
      output: { total: -1 },
      outcome: "refuse",
    },
  ],
};

type Settings = { schema: JsonValue; reply: Reply };

export function compileValidator(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("validator", config.name);
  step.condition = addCondition(compiler, config.condition, at.concat("condition"));
  noteConditionSlip(compiler, step.condition, at.concat("condition"), "the schema is looked at");
  const reply = compileReply(compiler, config.reject, 422, config.name, at.concat("reject"));
  const schema = readSchema(config.schema as JsonValue, compiler, at.concat("schema")); // a required field
  step.settings = { schema, reply } satisfies Settings;
  step.refuses = true;
  return step;
}

function readSchema(given: JsonValue, compiler: Compiler, at: DocumentPath): JsonValue {
  if (typeof given !== "string") {
    complainOfFlaws(given, compiler, at, "");
    return given;
  }
  const read = compiler.readJson(given);
  if ("error" in read) {
    complain(compiler.report, "E_VALUE", at, `cannot read the schema: ${read.error}`, "");
    return true;
  }
  complainOfFlaws(read.value, compiler, at, given);
  return read.value;
}

/** `file` names where the schema stands when it is not in the configuration; "" otherwise. */
function complainOfFlaws(schema: JsonValue, compiler: Compiler, at: DocumentPath, file: string): void {
  if (!isObject(schema) && typeof schema !== "boolean") {
    complain(compiler.report, "E_TYPE", at, "expected a JSON Schema or the name of a file with one", "");
    return;
  }
  const compiled = compiler.schemas.compile(schema);
  if (!("flaws" in compiled)) return;
  for (let i = 0; i < compiled.flaws.length; i++) {
    const flaw = compiled.flaws[i] as (typeof compiled.flaws)[number];
    if (file === "") complain(compiler.report, "E_VALUE", at.concat(flaw.path), flaw.message, "");
    else complain(compiler.report, "E_VALUE", at, `${file}, at ${pointerOf(flaw.path)}: ${flaw.message}`, "");
  }
}

function pointerOf(path: readonly (string | number)[]): string {
  return path.length === 0 ? "its root" : `/${path.join("/")}`;
}

/** The compiled schema; undefined where this host cannot compile it. */
export function linkValidator(step: Step, ports: Ports): Validator | undefined {
  const compiled = ports.schemas.compile((step.settings as Settings).schema); // made by compileValidator
  return "flaws" in compiled ? undefined : compiled;
}

export function runValidator(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.error) return Outcome.fault;
  if (truth === Truth.no) return Outcome.next;
  const validator = linked.state as ReturnType<typeof linkValidator>;
  // The loader has compiled it: only a host without schemas gets here, and passing would be no rule.
  if (validator === undefined) return fault(context, "error", "schemas cannot be checked here");
  const errors = validator.validate(context.event.value);
  if (errors.length === 0) return Outcome.next;
  const reply = (linked.step.settings as Settings).reply; // made by compileValidator
  context.refusal = reply.body === "" ? withErrors(reply, errors) : reply;
  return Outcome.refuse;
}
