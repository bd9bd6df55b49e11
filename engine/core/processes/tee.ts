/**
 * tee: sends a copy of the event to an external system (agglo-behaviour 3.7). In a proxy it does not wait, unless a later
 * process reads the result: the copy is offered to a bounded queue and the event goes on. The event itself only gains a
 * record under `internal:tee:output`.
 */

import type { Compiler } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { effectIdOf, fault, newRunContext, type RunContext, retryableFault } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { forkEvent } from "../event/event.ts";
import { getOwn, isArray, type JsonObject, newObject, setOwn } from "../event/json.ts";
import { merge } from "../event/merge.ts";
import { parseText } from "../event/parse.ts";
import { writeValue } from "../event/write.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { type Delivery, type Ports, REPLY_DEPTH_MAX, type TeeSending, type TeeTarget } from "../ports.ts";
import { commandFault } from "./command.ts";
import { transformLater } from "./command-transformation.ts";
import { withSide } from "./reserved.ts";
import type { Transformed, TransformerSettings } from "./spec.ts";
import { holds, type LinkedStep } from "./step.ts";
import { compileSending, SENDING_FIELDS } from "./tee-sending.ts";
import { type Bucket, compileShare, newBucket, SHARE_FIELDS, type Share, skippedBecause } from "./tee-share.ts";
import { transform } from "./transformer.ts";

const fields = {
  name: NAME_FIELD,
  condition: CONDITION_FIELD,
  additionalBody: {
    kind: "json",
    doc: "Merged into the copy: new keys are added, objects merge, arrays are joined, anything else that is there already is an error.",
  },
  transformerRef: { kind: "string", doc: "A transformer that makes the copy from the event." },
  outputConnectorRef: {
    kind: "string",
    required: true,
    doc:
      "The external system to send to. In a proxy copies wait in a bounded queue while the message goes on, unless a " +
      "later process reads `internal:tee:output` (`binge lint` says where). What is lost is counted: `full`, `rate`, " +
      "`tooLarge`, `retries` (the target would not have it), `spool` (its disk failed or is full) or `shutdown`.",
  },
  include: {
    kind: "list",
    ours: true,
    doc: "Which `internal:*` keys go along. In a route none does by itself.",
    of: { kind: "string", doc: "A reserved key." },
  },
  sample: SHARE_FIELDS.sample,
  rate: SHARE_FIELDS.rate,
  keyPrefix: SENDING_FIELDS.keyPrefix,
  batch: SENDING_FIELDS.batch,
  spool: SENDING_FIELDS.spool,
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
  target: TeeTarget;
  sending: TeeSending;
  /** index in plan.steps; -1 = the event as it is */
  transformer: number;
  addition: JsonObject | undefined;
  include: string[];
  share: Share;
};

/** Where a tee records what it did. */
export const TEE_OUTPUT_KEY = "internal:tee:output";

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
  const target = compiler.plan.targets[index];
  refuseSharedSpool(config, compiler, at);
  step.settings = {
    target: target as TeeTarget,
    sending: compileSending(config, target?.type, compiler, at),
    transformer,
    addition: config.additionalBody,
    include,
    share: compileShare(config, compiler, at),
  } satisfies Settings;
  return step;
}

// What a folder holds goes to one target.
function refuseSharedSpool(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): void {
  const steps = compiler.plan.steps;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as Step;
    if (step.process !== "tee" || step.name === config.name || config.spool === undefined) continue;
    if (sendingOf(step).spool !== config.spool) continue;
    const message = `the tee "${step.name}" has this folder`;
    complain(compiler.report, "E_VALUE", at.concat("spool"), message, "give each tee a folder of its own");
  }
}

/** How the copies of a tee's step are sent. */
export function sendingOf(step: Step): TeeSending {
  return (step.settings as Settings).sending; // made by compileTee
}

export function targetOf(step: Step): TeeTarget {
  return (step.settings as Settings).target; // made by compileTee
}

/** Whether the copies of a tee's step are gathered. */
export function isBatched(step: Step): boolean {
  const settings = step.settings as Settings | undefined; // made by compileTee, where there was nothing to complain of
  return settings !== undefined && settings.sending.batch !== null;
}

/** The bucket of `rate`: one per tee and thread. */
export function linkTee(step: Step, ports: Ports): Bucket {
  return newBucket((step.settings as Settings).share, ports.clock.nowMs()); // made by compileTee
}

export function runTee(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.error) return Outcome.fault;
  if (truth === Truth.no) return Outcome.next;
  const settings = linked.step.settings as Settings; // made by compileTee
  const skipped = skippedBecause(settings.share, linked.state as Bucket, context); // linkTee's
  if (skipped !== "") {
    countSkipped(linked, settings, skipped, context);
    return Outcome.next;
  }
  if (settings.transformer === -1) return send(linked, context.event, true, context);
  const transformer = linked.steps[settings.transformer] as LinkedStep;
  if (transformer.step.waits !== "never") return sendLater(linked, transformer, context);
  const transformed = transform(transformer, context);
  return transformed === undefined ? Outcome.fault : send(linked, transformed, carries(transformer), context);
}

// Over the rate it is lost: offered = sent + dropped + queued. Out of the sample it was never to be sent.
function countSkipped(linked: LinkedStep, settings: Settings, because: "sample" | "rate", context: RunContext): void {
  const counters = context.ports.counters;
  if (because === "sample") {
    counters.add("teeSkipped", `${linked.step.name}|sample`, 1);
    return;
  }
  counters.add("teeOffered", settings.target.name, 1);
  counters.add("teeDropped", `${settings.target.name}|rate`, 1);
}

/** Hosts without a proxy wait for every tee, a proxy for those whose results are read (engine/config/awaited-tees.ts). */
function isAwaited(linked: LinkedStep, context: RunContext): boolean {
  return context.ports.tees.waits || linked.step.waits === "always";
}

// The transformer runs commands. Where a tee waits for its target it waits for them too; elsewhere the copy is made on a
// context of its own while the event goes on, so its record has no response.
function sendLater(linked: LinkedStep, transformer: LinkedStep, context: RunContext): Outcome {
  const waits = isAwaited(linked, context);
  const own = waits ? context : forkContext(context);
  const later = transformLater(transformer, own);
  if (later === undefined) return fault(context, own.faultReason, own.faultDetail);
  const sent = later.then((made) => {
    if ("error" in made) return commandFault(own, made, made.error);
    const outcome = send(linked, made, carries(transformer), own);
    return outcome === Outcome.wait ? (own.pending as Promise<Outcome>) : outcome;
  });
  if (waits) {
    context.pending = sent;
    return Outcome.wait;
  }
  void sent.then((outcome) => {
    // There was nothing to offer.
    if (outcome === Outcome.fault) context.ports.counters.add("teeSkipped", `${linked.step.name}|command`, 1);
  });
  record(context, (linked.step.settings as Settings).target, own.effectId, "");
  return Outcome.next;
}

function forkContext(context: RunContext): RunContext {
  const own = newRunContext(forkEvent(context.event), context.ports);
  own.strict = context.strict;
  own.traceparent = context.traceparent;
  own.reservedInPayload = context.reservedInPayload;
  own.effectId = effectIdOf(context);
  return own;
}

function carries(transformer: LinkedStep): boolean {
  return (transformer.step.settings as TransformerSettings).carriesReserved; // made by compileTransformer
}

// Which reserved keys leave with the copy. In hosts without a proxy the transformer says, as in the original: one that
// forwards nothing is how a copy gets rid of them.
function reservedKeys(settings: Settings, made: Transformed, all: boolean, context: RunContext): readonly string[] {
  if (!context.reservedInPayload) return settings.include;
  const keys = Object.keys(made.side);
  if (all) return keys;
  const kept: string[] = [];
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    const isWritten = getOwn(made.side, key) !== getOwn(context.event.side, key);
    if (isWritten || settings.include.indexOf(key) !== -1) kept.push(key);
  }
  return kept;
}

/** `all`: every reserved key belongs to the copy, not only those that its transformer wrote. */
function send(linked: LinkedStep, made: Transformed, all: boolean, context: RunContext): Outcome {
  const settings = linked.step.settings as Settings; // made by compileTee
  let payload = withSide(made.value, made.side, reservedKeys(settings, made, all, context));
  if (settings.addition !== undefined) {
    const merged = merge(payload, settings.addition);
    if (merged.conflict !== "") return fault(context, "error", `additionalBody: key conflict at "${merged.conflict}"`);
    payload = merged.value;
  }
  const text = writeValue(context.event, payload);
  const id = effectIdOf(context);
  const target = settings.target;
  if (!isAwaited(linked, context)) {
    context.ports.tees.offer(target, settings.sending, id, text);
    record(context, target, id, "");
    return Outcome.next;
  }
  context.pending = inTime(context.ports.tees.deliver(target, settings.sending, id, text), target, id, context);
  return Outcome.wait;
}

// Whichever comes first, the answer or the section's deadline; the other changes nothing. A proxy gives up soon after the
// deadline, and knows no onFault.
function inTime(delivery: Promise<Delivery>, target: TeeTarget, id: string, context: RunContext): Promise<Outcome> {
  let ended = false;
  const once = (end: () => Outcome): Outcome => {
    if (ended) return Outcome.fault; // nobody reads it
    ended = true;
    return end();
  };
  const answered = delivery.then((answer) => once(() => settle(context, target, id, answer)));
  if (context.deadlineMs === 0) return answered;
  const leftMs = Math.max(0, context.deadlineMs - context.ports.clock.nowMs());
  const detail = `"${target.name}" has not answered within the deadline`;
  const late = context.ports.delays.sleep(leftMs).then(() => once(() => fault(context, "timeout", detail)));
  return Promise.race([answered, late]);
}

function settle(context: RunContext, target: TeeTarget, id: string, delivery: Delivery): Outcome {
  if (delivery.error !== "") {
    return delivery.retryable
      ? retryableFault(context, "error", delivery.error)
      : fault(context, "error", delivery.error);
  }
  record(context, target, id, delivery.response);
  return Outcome.next;
}

function record(context: RunContext, target: TeeTarget, id: string, response: string): void {
  const entry = newObject();
  setOwn(entry, "uuid", id);
  setOwn(entry, "outputType", target.outputType);
  setOwn(entry, "connectionString", target.connectionString);
  if (response !== "") setOwn(entry, "response", parseText(response, 0, response.length, REPLY_DEPTH_MAX).value);
  const before = getOwn(context.event.side, TEE_OUTPUT_KEY);
  setOwn(context.event.side, TEE_OUTPUT_KEY, (isArray(before) ? before : []).concat([entry]));
}
