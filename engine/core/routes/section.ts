/**
 * One section of a route at work: a message body in, a verdict out. The host has already decided which route this is and
 * holds the bytes; nothing here knows of a proxy.
 */
import { type Body, isChanged, writeBody } from "../body/body.ts";
import { readEach } from "../body/each.ts";
import { formatOf } from "../body/format.ts";
import { json, jsonBody } from "../body/json.ts";
import { newRunContext, type RunContext } from "../context.ts";
import { type Event, eventOf, newEvent } from "../event/event.ts";
import { isObject, type JsonObject, newObject, setOwn } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import { writeEvent } from "../event/write.ts";
import type { LinkedPlan } from "../link.ts";
import { type FaultReason, Outcome } from "../outcome.ts";
import { type LinkedPipeline, runPipelines } from "../pipeline.ts";
import type { Ports } from "../ports.ts";
import { HTTP_KEY } from "../processes/reserved.ts";
import { firstFailure, type PipelineResult, runAll } from "../run-all.ts";
import type { LinkedExchange } from "./exchange.ts";
import { type HeaderValue, readHeaderWrites, readMetadata } from "./header-writes.ts";
import type { Reply } from "./reply.ts";
import type { RoutePlan, SectionPlan } from "./route.ts";

export type LinkedSection = { plan: SectionPlan; pipelines: LinkedPipeline[]; ports: Ports };
export type LinkedRoute = {
  plan: RoutePlan;
  request: LinkedSection | undefined;
  response: LinkedSection | undefined;
  exchange: LinkedExchange | undefined;
};

export function linkRoutes(linked: LinkedPlan, ports: Ports): LinkedRoute[] {
  const routes: LinkedRoute[] = [];
  const plans = linked.plan.routes ?? [];
  for (let i = 0; i < plans.length; i++) {
    const plan = plans[i] as RoutePlan;
    const request = linkSection(linked, plan.request, ports);
    const response = linkSection(linked, plan.response, ports);
    routes.push({ plan, request, response, exchange: linkExchange(linked, plan.exchange, ports) });
  }
  return routes;
}

function linkExchange(linked: LinkedPlan, plan: RoutePlan["exchange"], ports: Ports): LinkedExchange | undefined {
  if (plan === undefined) return undefined;
  return { plan, pipelines: plan.pipelines.map((index) => linked.pipelines[index] as LinkedPipeline), ports };
}

function linkSection(linked: LinkedPlan, plan: SectionPlan | undefined, ports: Ports): LinkedSection | undefined {
  if (plan === undefined) return undefined;
  const pipelines: LinkedPipeline[] = [];
  for (let i = 0; i < plan.pipelines.length; i++) {
    const pipeline = linked.pipelines[plan.pipelines[i] as number] as LinkedPipeline;
    pipelines.push(plan.separate ? withoutCheckpoint(pipeline) : pipeline);
  }
  return { plan, pipelines, ports };
}

// No proxy gives a message again: its record would stay for ever, and the message wait for the store.
function withoutCheckpoint(pipeline: LinkedPipeline): LinkedPipeline {
  if (pipeline.options === undefined || pipeline.options.checkpoint === null) return pipeline;
  return Object.assign({}, pipeline, { options: Object.assign({}, pipeline.options, { checkpoint: null }) });
}

/** What became of a message. */
export type Verdict = {
  kind: "passed" | "changed" | "refused" | "faulted";
  /** the new body; undefined: the bytes that came */
  text: string | undefined;
  /** the same in UTF-8; set by hosts that treat bytes (runtime/treat-content.ts) */
  bytes: Uint8Array | undefined;
  /** events that a rule refused and that left the message, which goes on without them */
  dropped: number;
  setHeaders: HeaderValue[];
  /** what the section adds to the proxy's metadata; undefined: nothing */
  metadata: JsonObject | undefined;
  /** in a dry run (plan.enforce): what an enforcing section would have made of the message */
  would: Verdict | undefined;
  /** refused, or a fault that the route answers */
  reply: Reply | undefined;
  /** after a fault; "error" otherwise */
  reason: FaultReason;
  /** where it ended and why, for logs and metrics: names and types, nothing of the message */
  pipeline: string;
  process: string;
  detail: string;
};

/** A verdict with nothing in it yet. */
export function newVerdict(kind: Verdict["kind"]): Verdict {
  return {
    kind,
    text: undefined,
    bytes: undefined,
    dropped: 0,
    setHeaders: [],
    metadata: undefined,
    would: undefined,
    reply: undefined,
    reason: "error",
    pipeline: "",
    process: "",
    detail: "",
  };
}

/** The verdict on a message that the pipelines do not run on. */
export function passed(section: LinkedSection): Verdict {
  const verdict = newVerdict("passed");
  readHeaderWrites(section.plan.setHeaders, undefined, verdict.setHeaders);
  return enforced(section, verdict);
}

// A dry run: the message goes on as it came, whatever would have become of it.
function enforced(section: LinkedSection, verdict: Verdict): Verdict {
  if (section.plan.enforce) return verdict;
  const shown = newVerdict("passed");
  shown.metadata = verdict.metadata;
  shown.would = verdict;
  return shown;
}

/** A fault as its section answers it: a reply, or the message passes as it came. */
export function faulted(section: LinkedSection, reason: FaultReason, detail: string): Verdict {
  const verdict = newVerdict("faulted");
  verdict.reason = reason;
  verdict.detail = detail;
  verdict.reply = section.plan.onFault[reason] ?? undefined;
  return enforced(section, verdict);
}

/** Faults of the message itself, whose detail the client may read; the others would tell of the configuration. */
const TOLD: readonly FaultReason[] = ["contentType", "unparsable", "ambiguous", "tooLarge"];

/** What a reply may say of why; "" for nothing. */
export function toldDetail(verdict: Verdict): string {
  return TOLD.indexOf(verdict.reason) === -1 ? "" : verdict.detail;
}

/** What one message brings through its section. */
type Message = {
  section: LinkedSection;
  text: string;
  body: Body;
  /** a refused event leaves alone, the message goes on without it */
  drops: boolean;
  /** true at the index of an event that was dropped */
  dropped: boolean[];
  /** undefined when the section reads no context of the host (plan.readsHttp) */
  http: JsonObject | undefined;
  /** 0 = none */
  deadlineMs: number;
  traceparent: string;
  verdict: Verdict;
};

/**
 * Runs the section's pipelines on a body, in the format that its content type names. `http` is the host's context, or
 * undefined when the section reads none (plan.readsHttp); `traceparent` is the request's. A promise only when a step had
 * to wait.
 */
export function treat(
  section: LinkedSection,
  text: string,
  http: JsonObject | undefined,
  contentType: string,
  traceparent?: string,
): Verdict | Promise<Verdict> {
  const plan = section.plan;
  const format = formatOf(contentType);
  const isEach = plan.each !== undefined && !format.stream;
  if (format === json && !isEach) return treatJson(section, text, http, traceparent ?? "");
  const body = isEach
    ? readEach(text, plan.limits.depth, plan.each as NonNullable<SectionPlan["each"]>)
    : format.read(text, plan.limits.depth);
  return treatBody(section, text, body, http, traceparent ?? "");
}

// Nearly every message is one object: of that no list of events is made.
function treatJson(
  section: LinkedSection,
  text: string,
  http: JsonObject | undefined,
  traceparent: string,
): Verdict | Promise<Verdict> {
  const parsed = parseText(text, 0, text.length, section.plan.limits.depth);
  if (parsed.fault !== undefined || !isObject(parsed.value))
    return treatBody(section, text, jsonBody(text, parsed), http, traceparent);
  const event = newEvent(parsed.value, text, 0, text.length);
  const context = contextOf(section, event, http, traceparent);
  const outcome = runEvent(section, context, deadlineOf(section));
  if (typeof outcome === "number") return objectVerdict(section, context, outcome);
  return outcome.then((settled) => objectVerdict(section, context, settled));
}

function objectVerdict(section: LinkedSection, context: RunContext, outcome: Outcome): Verdict {
  const verdict = newVerdict("passed");
  const event = context.event;
  if (!decides(section, verdict, outcome, context) && event.value !== event.parsed) {
    verdict.kind = "changed";
    verdict.text = writeEvent(event);
  }
  return enforced(section, verdict);
}

function treatBody(
  section: LinkedSection,
  text: string,
  body: Body,
  http: JsonObject | undefined,
  traceparent: string,
): Verdict | Promise<Verdict> {
  if (body.fault !== undefined) return faulted(section, body.fault, body.detail);
  const drops = section.plan.batch === "element" || (section.plan.batch === undefined && !body.members);
  const message: Message = {
    section,
    text,
    body,
    drops,
    dropped: [],
    http,
    deadlineMs: deadlineOf(section),
    traceparent,
    verdict: newVerdict("passed"),
  };
  return runEvents(message, 0);
}

/**
 * Runs the section's pipelines on an empty event, for a message without a body (plan.bodyless). It can be refused and
 * its headers written; what the pipelines make of the event has no place to go.
 */
export function treatBodyless(
  section: LinkedSection,
  http: JsonObject | undefined,
  traceparent?: string,
): Verdict | Promise<Verdict> {
  const context = contextOf(section, eventOf(newObject()), http, traceparent ?? "");
  const outcome = runEvent(section, context, deadlineOf(section));
  const finish = (settled: Outcome): Verdict => {
    const verdict = newVerdict("passed");
    decides(section, verdict, settled, context);
    return enforced(section, verdict);
  };
  return typeof outcome === "number" ? finish(outcome) : outcome.then(finish);
}

function deadlineOf(section: LinkedSection): number {
  const limit = section.plan.limits.deadlineMs;
  return limit === 0 ? 0 : section.ports.clock.nowMs() + limit;
}

function contextOf(
  section: LinkedSection,
  event: Event,
  http: JsonObject | undefined,
  traceparent: string,
): RunContext {
  if (http !== undefined) setOwn(event.side, HTTP_KEY, http);
  const context = newRunContext(event, section.ports);
  context.strict = !section.plan.separate;
  context.traceparent = traceparent;
  return context;
}

function runEvent(section: LinkedSection, context: RunContext, deadlineMs: number): Outcome | Promise<Outcome> {
  if (!section.plan.separate) return runPipelines(section.pipelines, context, deadlineMs);
  setOwn(context.event.side, "internal:messageID", section.ports.ids.uuid()); // as daemons give one
  const results = runAll(section.pipelines, context.event, section.ports, deadlineMs);
  const finish = (settled: PipelineResult[]): Outcome => firstFailure(settled, context);
  return results instanceof Promise ? results.then(finish) : finish(results);
}

// The first event that is refused or faulted decides the message, unless refused ones leave alone.
function runEvents(message: Message, first: number): Verdict | Promise<Verdict> {
  const events = message.body.events;
  for (let i = first; i < events.length; i++) {
    const context = contextOf(message.section, events[i] as Event, message.http, message.traceparent);
    const outcome = runEvent(message.section, context, message.deadlineMs);
    if (typeof outcome !== "number") {
      return outcome.then((settled) =>
        ended(message, settled, context, i) ? decided(message) : runEvents(message, i + 1),
      );
    }
    if (ended(message, outcome, context, i)) return decided(message);
  }
  const verdict = message.verdict;
  if (verdict.dropped > 0 || isChanged(message.body)) {
    verdict.kind = "changed";
    verdict.text = writeBody(message.text, message.body, message.dropped);
  }
  return decided(message);
}

function decided(message: Message): Verdict {
  return enforced(message.section, message.verdict);
}

/** Takes in the end of the run of event `index`; true when it decides the whole message. */
function ended(message: Message, outcome: Outcome, context: RunContext, index: number): boolean {
  if (outcome !== Outcome.refuse || !message.drops) {
    return decides(message.section, message.verdict, outcome, context);
  }
  const plan = message.section.plan;
  const verdict = message.verdict;
  verdict.metadata = readMetadata(plan.metadata, context.event, verdict.metadata);
  message.dropped[index] = true;
  verdict.dropped++;
  if (plan.enforce) message.section.ports.counters.add("droppedEvents", context.process, 1);
  return false;
}

/** Writes into the verdict how the run of an event ended; true when it decides the whole message. */
function decides(section: LinkedSection, verdict: Verdict, outcome: Outcome, context: RunContext): boolean {
  const plan = section.plan;
  verdict.metadata = readMetadata(plan.metadata, context.event, verdict.metadata);
  if (outcome === Outcome.next || outcome === Outcome.stop) {
    const error = readHeaderWrites(plan.setHeaders, context.event, verdict.setHeaders);
    if (error === "") return false;
    context.faultReason = "error";
    context.faultDetail = error;
  }
  verdict.pipeline = context.pipeline;
  verdict.process = context.process;
  verdict.text = undefined;
  verdict.dropped = 0;
  verdict.setHeaders = [];
  // As in the original's daemon, the next event has its turn whatever became of this one.
  const isLast = !plan.separate;
  if (outcome === Outcome.refuse) {
    verdict.kind = "refused";
    verdict.reply = context.refusal;
    return isLast;
  }
  verdict.kind = "faulted";
  verdict.reason = context.faultReason;
  verdict.detail = context.faultDetail;
  verdict.reply = plan.onFault[context.faultReason] ?? undefined;
  return isLast;
}
