/** The numbers that make our own limits strike before Envoy's: those know no onFault, no rule's name and no problem details. */
import type { RoutePlan, SectionPlan } from "../engine/core/routes/route.ts";

/** One long GC pause or a busy machine must not turn into Envoy's 504 where the server's own deadline would have held. */
const SLACK_MS = 500;

/** For routes without a deadline: a server that hangs must not hold requests for ever. */
const NO_DEADLINE_MS = 30_000;

/** The longest deadline that a route may have (core/routes/section-config.ts), with what the server asks for besides. */
export const MAX_MESSAGE_TIMEOUT_MS = 60_000 + SLACK_MS;

/** How long Envoy waits for an answer to one message, over all routes. */
export function messageTimeoutMs(routes: readonly RoutePlan[]): number {
  let longest = 0;
  for (const route of routes) {
    for (const section of sections(route)) {
      const { deadlineMs } = section.limits;
      longest = Math.max(longest, deadlineMs === 0 ? NO_DEADLINE_MS : deadlineMs);
    }
  }
  return longest + SLACK_MS;
}

/** How long an exchange may stand still: a minute, or more where a route lets a pipeline take that long. */
export function idleTimeoutMs(routes: readonly RoutePlan[]): number {
  return Math.max(60_000, messageTimeoutMs(routes) + 10_000);
}

export function sections(route: RoutePlan): SectionPlan[] {
  return [route.request, route.response].filter((section) => section !== undefined);
}
