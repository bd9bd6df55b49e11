/**
 * One section of a route at work: a message body in, a verdict out. The host has already decided which route this is and
 * holds the bytes; nothing here knows of a proxy.
 */
import { isChanged, readJsonBody, writeJsonBody } from "../body/json.ts";
import { newRunContext, type RunContext } from "../context.ts";
import type { Event } from "../event/event.ts";
import { type JsonObject, setOwn } from "../event/json.ts";
import { type FaultReason, Outcome } from "../outcome.ts";
import { type LinkedPipeline, type LinkedPlan, runPipelines } from "../pipeline.ts";
import type { Ports } from "../ports.ts";
import { HTTP_KEY } from "../processes/reserved.ts";
import { type HeaderValue, readHeaderWrites } from "./header-writes.ts";
import type { Reply } from "./reply.ts";
import type { RoutePlan, SectionPlan } from "./route.ts";

export type LinkedSection = { plan: SectionPlan; pipelines: LinkedPipeline[]; ports: Ports };
export type LinkedRoute = {
  plan: RoutePlan;
  request: LinkedSection | undefined;
  response: LinkedSection | undefined;
};

export function linkRoutes(linked: LinkedPlan, ports: Ports): LinkedRoute[] {
  const routes: LinkedRoute[] = [];
  const plans = linked.plan.routes ?? [];
  for (let i = 0; i < plans.length; i++) {
    const plan = plans[i] as RoutePlan;
    const request = linkSection(linked, plan.request, ports);
    routes.push({ plan, request, response: linkSection(linked, plan.response, ports) });
  }
  return routes;
}

function linkSection(linked: LinkedPlan, plan: SectionPlan | undefined, ports: Ports): LinkedSection | undefined {
  if (plan === undefined) return undefined;
  const pipelines: LinkedPipeline[] = [];
  for (let i = 0; i < plan.pipelines.length; i++) {
    pipelines.push(linked.pipelines[plan.pipelines[i] as number] as LinkedPipeline);
  }
  return { plan, pipelines, ports };
}

/** What became of a message. */
export type Verdict = {
  kind: "passed" | "changed" | "refused" | "faulted";
  /** the new body; undefined: the bytes that came */
  text: string | undefined;
  setHeaders: HeaderValue[];
  /** refused, or a fault that the route answers */
  reply: Reply | undefined;
  /** after a fault; "error" otherwise */
  reason: FaultReason;
  /** where it ended and why, for logs and metrics: names and types, nothing of the message */
  pipeline: string;
  process: string;
  detail: string;
};

function newVerdict(kind: Verdict["kind"]): Verdict {
  return {
    kind,
    text: undefined,
    setHeaders: [],
    reply: undefined,
    reason: "error",
    pipeline: "",
    process: "",
    detail: "",
  };
}

/** The verdict on a message that has no body to run on. */
export function passed(section: LinkedSection): Verdict {
  const verdict = newVerdict("passed");
  readHeaderWrites(section.plan.setHeaders, undefined, verdict.setHeaders);
  return verdict;
}

/** A fault as its section answers it: a reply, or the message passes as it came. */
export function faulted(section: LinkedSection, reason: FaultReason, detail: string): Verdict {
  const verdict = newVerdict("faulted");
  verdict.reason = reason;
  verdict.detail = detail;
  verdict.reply = section.plan.onFault[reason] ?? undefined;
  return verdict;
}

/**
 * Runs the section's pipelines on a JSON body. `http` is the host's context, or undefined when the section reads none
 * (plan.readsHttp). A promise only when a step had to wait.
 */
export function treat(section: LinkedSection, text: string, http: JsonObject | undefined): Verdict | Promise<Verdict> {
  const body = readJsonBody(text, section.plan.limits.depth);
  if (body.fault !== undefined) return faulted(section, body.fault, body.detail);
  const limit = section.plan.limits.deadlineMs;
  const deadlineMs = limit === 0 ? 0 : section.ports.clock.nowMs() + limit;
  return runEvents(section, text, body.events, 0, http, deadlineMs, newVerdict("passed"));
}

// All events of a message stand or fall together: the first that is refused or faulted decides.
function runEvents(
  section: LinkedSection,
  text: string,
  events: readonly Event[],
  first: number,
  http: JsonObject | undefined,
  deadlineMs: number,
  verdict: Verdict,
): Verdict | Promise<Verdict> {
  for (let i = first; i < events.length; i++) {
    const event = events[i] as Event;
    if (http !== undefined) setOwn(event.side, HTTP_KEY, http);
    const context = newRunContext(event, section.ports);
    context.strict = true;
    const outcome = runPipelines(section.pipelines, context, deadlineMs);
    if (typeof outcome !== "number") {
      return outcome.then((settled) =>
        ended(section, settled, context, verdict)
          ? verdict
          : runEvents(section, text, events, i + 1, http, deadlineMs, verdict),
      );
    }
    if (ended(section, outcome, context, verdict)) return verdict;
  }
  if (isChanged(events)) {
    verdict.kind = "changed";
    verdict.text = writeJsonBody(text, events);
  }
  return verdict;
}

/** Takes in the end of one event's run; true when it decides the whole message. */
function ended(section: LinkedSection, outcome: Outcome, context: RunContext, verdict: Verdict): boolean {
  if (outcome === Outcome.next || outcome === Outcome.stop) {
    const error = readHeaderWrites(section.plan.setHeaders, context.event, verdict.setHeaders);
    if (error === "") return false;
    context.faultReason = "error";
    context.faultDetail = error;
  }
  verdict.pipeline = context.pipeline;
  verdict.process = context.process;
  verdict.text = undefined;
  verdict.setHeaders = [];
  if (outcome === Outcome.refuse) {
    verdict.kind = "refused";
    verdict.reply = context.refusal;
    return true;
  }
  verdict.kind = "faulted";
  verdict.reason = context.faultReason;
  verdict.detail = context.faultDetail;
  verdict.reply = section.plan.onFault[context.faultReason] ?? undefined;
  return true;
}
