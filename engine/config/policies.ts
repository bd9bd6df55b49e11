/** What a file says of faults and what cannot hold: the proxy answers by itself, or the fault cannot happen. */
import { complain, type DocumentPath, type Report } from "../core/diagnostic.ts";
import { FAULT_REASONS } from "../core/outcome.ts";
import type { FaultPolicyConfig } from "../core/routes/fault-policy.ts";
import type { RouteConfig } from "../core/routes/http-config.ts";
import { type BodyNeed, bufferBytes, needs } from "../core/routes/needs.ts";
import type { RoutePlan, SectionPlan } from "../core/routes/route.ts";

/** `config`: with `onFault` spread over the reasons. Only what the file says itself is complained of, no default. */
export function complainOfPolicies(config: RouteConfig, route: RoutePlan, at: DocumentPath, report: Report): void {
  for (const direction of ["request", "response"] as const) {
    const section = route[direction];
    const written = config[direction]?.onFault as FaultPolicyConfig | undefined;
    if (section === undefined || written === undefined) continue;
    const path = [...at, direction, "onFault"];
    if (section.pipelines.length === 0) complainOfNoPipelines(written, path, report);
    else complainOfProxyLimits(written, section, bodyNeedOf(route, direction), path, report);
    complainOfServerGone(written, route, direction, path, report);
  }
}

function bodyNeedOf(route: RoutePlan, direction: "request" | "response"): BodyNeed {
  return direction === "request" ? needs(route).requestBody : needs(route).responseBody;
}

// Without pipelines no body is read; only the server itself can be missing.
function complainOfNoPipelines(written: FaultPolicyConfig, at: DocumentPath, report: Report): void {
  const idle = FAULT_REASONS.filter((reason) => reason !== "error" && written[reason] !== undefined);
  if (idle.length === 0) return;
  const message = `without pipelines no body is read, and there is no fault ${idle.join(", ")}`;
  complain(report, "W_POLICY", at, message, "take it out, or name pipelines");
}

function complainOfProxyLimits(
  written: FaultPolicyConfig,
  section: SectionPlan,
  body: BodyNeed,
  at: DocumentPath,
  report: Report,
): void {
  const { bodyBytes, deadlineMs } = section.limits;
  if (written.error === "pass" && body === "duplex") {
    const message = "events that are treated one by one cannot pass without the server once the first is on its way";
    complain(report, "W_POLICY", at, message, "take the event streams out of contentTypes, or refuse the fault error");
  }
  if (written.overload === "pass" && body === "duplex") {
    const message =
      "what comes while an event is being treated cannot pass when no memory is left for it: its exchange ends";
    complain(
      report,
      "W_POLICY",
      at,
      message,
      "take the event streams out of contentTypes, or refuse the fault overload",
    );
  }
  if (written.tooLarge === "pass" && body === "buffered") {
    const status = section.direction === "request" ? 413 : 500;
    const message = `a body without content-length that is over ${bufferBytes(bodyBytes)} bytes gets Envoy's own ${status}, it cannot pass`;
    complain(report, "W_POLICY", at, message, "raise limits.bodyBytes, or refuse what is too large");
  }
  if (written.timeout !== undefined && deadlineMs === 0) {
    const message = "there is no deadline, so there is no fault timeout: a server that hangs is Envoy's to answer";
    complain(report, "W_POLICY", at, message, "set limits.deadlineMs");
  }
}

// failure_mode_allow is one for both directions of a route (facts 11.3).
function complainOfServerGone(
  written: FaultPolicyConfig,
  route: RoutePlan,
  direction: "request" | "response",
  at: DocumentPath,
  report: Report,
): void {
  if (written.error !== "pass" || needs(route).failOpen) return;
  const other = direction === "request" ? "response" : "request";
  const message = `without the server Envoy refuses this route's exchanges, for its ${other} section refuses the fault error`;
  complain(report, "W_POLICY", at, message, `say {"error": "pass"} in the ${other} section too, or in none`);
}
