/** What a target cannot do of a route: depth, and answers that come too late. */
import { isStreamType } from "../engine/core/body/format.ts";
import type { DocumentPath } from "../engine/core/diagnostic.ts";
import { FAULT_REASONS } from "../engine/core/outcome.ts";
import type { RoutePlan, SectionPlan } from "../engine/core/routes/route.ts";
import { type Reading, refuse } from "./reading.ts";
import { DEPTH_MAX } from "./targets.ts";
import { stepsOf } from "./used.ts";

export function refuseRoutes(reading: Reading, routes: readonly RoutePlan[]): void {
  for (const [i, route] of routes.entries()) {
    const at = ["http", "routes", i];
    for (const section of [route.request, route.response]) {
      if (section !== undefined) refuseSection(reading, section, [...at, section.direction]);
    }
    if (route.exchange !== undefined) {
      const message = "nginx makes no event of a whole exchange";
      refuse(reading, [...at, "exchange"], message, "tee in request and response, or run the route in Envoy");
    }
    const response = route.response;
    if (response === undefined || !response.enforce) continue;
    if (route.gateway) refuseHeldStream(reading, response, [...at, "response"]);
    else refuseLateAnswers(reading, response, [...at, "response"]);
  }
}

function refuseSection(reading: Reading, section: SectionPlan, at: DocumentPath): void {
  if (section.pipelines.length > 0 && section.limits.depth > DEPTH_MAX) {
    const message = `nginx's JSON goes ${DEPTH_MAX} levels deep, the section allows ${section.limits.depth}`;
    refuse(reading, [...at, "limits", "depth"], message, `say "limits": {"depth": ${DEPTH_MAX}}, for every host`);
  }
  if (section.metadata.length > 0) {
    refuse(reading, [...at, "metadata"], "nginx keeps no metadata", "set a header, or leave it out");
  }
  const replies = FAULT_REASONS.map((reason) => section.onFault[reason]);
  const refusals = stepsOf(reading.plan, section).map(
    (step) => step.settings as { reply?: { grpcStatus: number } } | undefined,
  );
  if ([...replies, ...refusals.map((settings) => settings?.reply)].some((reply) => (reply?.grpcStatus ?? -1) !== -1)) {
    refuse(reading, at, "nginx answers no gRPC client", 'leave "grpcStatus" out, or treat gRPC in Envoy');
  }
}

// The status is on its way when the first byte of the body comes.
function refuseLateAnswers(reading: Reading, section: SectionPlan, at: DocumentPath): void {
  if (section.pipelines.length === 0) return;
  const gateway = 'say "gateway": true on the route, which holds the whole response';
  const late = FAULT_REASONS.filter((reason) => section.onFault[reason] !== null);
  if (late.length > 0) {
    const message = `a response with the fault ${late.join(", ")} cannot be refused: its status is gone by then`;
    refuse(reading, [...at, "onFault"], message, `${gateway}, or "onFault": "pass"`);
  }
  const refusing = stepsOf(reading.plan, section).find((step) => step.refuses);
  if (refusing !== undefined && !dropsOnly(section)) {
    const message = `"${refusing.name}" would refuse a response whose status is gone by then`;
    refuse(reading, [...at, "pipelines"], message, gateway);
  }
  for (const write of section.setHeaders) {
    if (write.reference === "") continue;
    const message = `"${write.reference}" is known when the body has come, and the headers are gone by then`;
    refuse(reading, [...at, "setHeaders"], message, `${gateway}, or write a literal`);
  }
}

/** What its filters refuse leaves the message, which goes on. */
function dropsOnly(section: SectionPlan): boolean {
  const streams = section.contentTypes.every(isStreamType);
  return streams && section.batch !== "all" && !section.bodyless;
}

function refuseHeldStream(reading: Reading, section: SectionPlan, at: DocumentPath): void {
  if (!section.contentTypes.some((type) => type === "text/event-stream")) return;
  const remedy = "leave gateway out, or text/event-stream";
  refuse(reading, [...at, "contentTypes"], "a stream without an end would be held for ever", remedy);
}
