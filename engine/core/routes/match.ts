/** Which route an exchange belongs to: asked once, on the request's line and headers. The first that matches. */
import { matchesGlob, normalizePath } from "./glob.ts";
import { matchesHost } from "./host.ts";
import type { MatchPlan, RoutePlan } from "./route.ts";

/** What matching reads of a request. */
export type RequestLine = {
  method: string;
  /** with query, as it came */
  path: string;
  /** authority, port included or not */
  host: string;
  /** value of a header by lower-case name, several joined by ","; undefined when absent */
  header(name: string): string | undefined;
};

/** Index of the first route that matches, -1 for none. */
export function matchRoute(routes: readonly { plan: RoutePlan }[], request: RequestLine): number {
  const path = normalizePath(request.path);
  for (let i = 0; i < routes.length; i++)
    if (mismatch((routes[i] as { plan: RoutePlan }).plan.match, request, path) === "") return i;
  return -1;
}

/** The part of a match that does not take the request, the first in this order; "" when all do. */
export type Mismatch = "methods" | "hosts" | "paths" | "headers" | "";

export function mismatchOf(match: MatchPlan, request: RequestLine): Mismatch {
  return mismatch(match, request, normalizePath(request.path));
}

function mismatch(match: MatchPlan, request: RequestLine, path: string): Mismatch {
  // In any case: methods are case-sensitive, and frameworks that upper-case them are many.
  if (match.methods.length > 0 && match.methods.indexOf(request.method.toUpperCase()) === -1) return "methods";
  if (match.hosts.length > 0 && !matchesHost(match.hosts, request.host)) return "hosts";
  if (match.paths.length > 0 && !matchesPath(match, path)) return "paths";
  for (let i = 0; i < match.headers.length; i++) {
    const header = match.headers[i] as { name: string; value: string };
    if (request.header(header.name) !== header.value) return "headers";
  }
  return "";
}

function matchesPath(match: MatchPlan, path: string): boolean {
  for (let i = 0; i < match.paths.length; i++)
    if (matchesGlob(match.paths[i] as MatchPlan["paths"][number], path)) return true;
  return false;
}
