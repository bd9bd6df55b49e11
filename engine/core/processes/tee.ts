/**
 * tee: sends a copy of the event to an external system (agglo-behaviour 3.7). In a proxy it never waits: the copy is
 * offered to a bounded queue and the event goes on. The event itself only gains a record under `internal:tee:output`.
 */

import type { Compiler } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { copyObject, getOwn, isArray, type JsonObject, type JsonValue, newObject, setOwn } from "../event/json.ts";
import { merge } from "../event/merge.ts";
import { writeValue } from "../event/write.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import type { Delivery, TeeTarget } from "../ports.ts";
import { holds, type LinkedStep } from "./step.ts";
import { transform } from "./transformer.ts";

const fields = {
  name: NAME_FIELD,
  condition: CONDITION_FIELD,
  additionalBody: {
    kind: "json",
    doc: "Merged into the copy: new keys are added, objects merge, arrays are joined, anything else that is there already is an error.",
  },
  transformerRef: { kind: "string", doc: "A transformer that makes the copy from the event." },
  outputConnectorRef: { kind: "string", required: true, doc: "The external system to send to." },
  include: {
    kind: "list",
    doc: "Which `internal:*` keys go along. In a route none does by itself.",
    of: { kind: "string", doc: "A reserved key." },
  },
} as const;

export const tee: ProcessDefinition = {
  key: "tee",
  summary: "Sends a copy of the event to a store, a topic, an HTTP endpoint or a folder.",
  waits: "may",
  fields,
  examples: [
    {
      title: "mirror every event",
      config: { name: "mirror", outputConnectorRef: "archive", additionalBody: { seenBy: "agglo" } },
      input: { id: 1 },
      output: { id: 1 },
    },
  ],
};

type Settings = {
  target: TeeTarget /** index in plan.steps; -1 = the event as it is */;
  transformer: number;
  addition: JsonObject | undefined;
  include: string[];
};

/** Where a tee records what it did. */
const TEE_OUTPUT_KEY = "internal:tee:output";

export function compileTee(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("tee", config.name);
  step.condition = addCondition(compiler, config.condition, at.concat("condition"));
  const index = compiler.findTarget(config.outputConnectorRef);
  if (index === -1) {
    complain(
      compiler.report,
      "E_REFERENCE",
      at.concat("outputConnectorRef"),
      `no external system is called "${config.outputConnectorRef}"`,
      compiler.suggest(config.outputConnectorRef, compiler.systemNames()),
    );
  }
  let transformer = -1;
  // The original writes an absent reference as "".
  if (config.transformerRef !== undefined && config.transformerRef !== "") {
    transformer = compiler.findTransformer(config.transformerRef);
    if (transformer === -1) {
      complain(
        compiler.report,
        "E_REFERENCE",
        at.concat("transformerRef"),
        `no transformer is called "${config.transformerRef}"`,
        compiler.suggest(config.transformerRef, compiler.transformerNames()),
      );
    }
  }
  const include = config.include ?? [];
  for (let i = 0; i < include.length; i++) compiler.reads.push(include[i] as string);
  if (transformer !== -1) step.uses.push(transformer);
  step.waits = "may";
  step.mirrors = true;
  step.settings = {
    target: compiler.plan.targets[index] as TeeTarget,
    transformer,
    addition: config.additionalBody,
    include,
  } satisfies Settings;
  return step;
}

export function runTee(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.error) return Outcome.fault;
  if (truth === Truth.no) return Outcome.next;
  const settings = linked.step.settings as Settings; // made by compileTee
  let payload = context.event.value;
  if (settings.transformer !== -1) {
    const transformed = transform(linked.steps[settings.transformer] as LinkedStep, context);
    if (transformed === undefined) return Outcome.fault;
    payload = transformed.value;
  }
  payload = withReserved(payload, settings.include, context);
  if (settings.addition !== undefined) {
    const merged = merge(payload, settings.addition);
    if (merged.conflict !== "") return fault(context, "error", `additionalBody: key conflict at "${merged.conflict}"`);
    payload = merged.value;
  }
  const text = writeValue(context.event, payload);
  const id = context.ports.ids.uuid();
  const tees = context.ports.tees;
  if (!tees.waits) {
    tees.offer(settings.target, id, text);
    record(context, settings.target, id, "");
    return Outcome.next;
  }
  context.pending = tees
    .deliver(settings.target, id, text)
    .then((delivery) => settle(context, settings.target, id, delivery));
  return Outcome.wait;
}

function settle(context: RunContext, target: TeeTarget, id: string, delivery: Delivery): Outcome {
  if (delivery.error !== "") return fault(context, "error", delivery.error);
  record(context, target, id, delivery.response);
  return Outcome.next;
}

function withReserved(payload: JsonObject, include: readonly string[], context: RunContext): JsonObject {
  const side = context.event.side;
  const keys = context.reservedInPayload ? Object.keys(side) : include;
  if (keys.length === 0) return payload;
  const copy = copyObject(payload);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    const value = getOwn(side, key);
    if (value !== undefined) setOwn(copy, key, value);
  }
  return copy;
}

function record(context: RunContext, target: TeeTarget, id: string, response: string): void {
  const entry = newObject();
  setOwn(entry, "uuid", id);
  setOwn(entry, "outputType", target.outputType);
  setOwn(entry, "connectionString", target.connectionString);
  if (response !== "") setOwn(entry, "response", JSON.parse(response) as JsonValue);
  const before = getOwn(context.event.side, TEE_OUTPUT_KEY);
  setOwn(context.event.side, TEE_OUTPUT_KEY, (isArray(before) ? before : []).concat([entry]));
}
