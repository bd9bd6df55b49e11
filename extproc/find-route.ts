/** Which route an exchange takes: the one that Envoy's configuration names, or the first that matches. */
import { matchRoute } from "../engine/core/routes/match.ts";
import type { LinkedRoute } from "../engine/core/routes/section.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { headerValue } from "./exchange/headers.ts";
import type { RequestFacts } from "./http-context.ts";

/** `known`: Envoy's configuration is of this one, so its mark says all. */
export type Marked = { route: LinkedRoute | undefined; known: boolean };

/** Envoy's own configuration names the route: nothing to match, and no client can forge it. */
export function markedRoute(runtime: Runtime, mark: string): Marked {
  const marked = runtime.routesByMark.get(mark);
  if (marked !== undefined) return { route: marked, known: true };
  runtime.mismatchedMark(mark);
  const name = mark.slice(0, mark.lastIndexOf("@"));
  return { route: runtime.routes.find((known) => known.plan.name === name), known: false };
}

export function matchedRoute(runtime: Runtime, facts: RequestFacts): LinkedRoute | undefined {
  const index = matchRoute(runtime.routes, {
    method: facts.method,
    path: facts.path,
    host: facts.host,
    header: (name) => headerValue(facts.headers, name),
  });
  return runtime.routes[index];
}
