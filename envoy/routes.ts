/** The routes of the plan as routes of Envoy, in the same order: the first that matches takes the exchange. */
import { bufferBytes, needs } from "../engine/core/routes/needs.ts";
import type { MatchPlan, RoutePlan } from "../engine/core/routes/route.ts";
import { perRouteConfig } from "./filter.ts";
import { HIDDEN_DOTS_PATTERN, hostPattern, methodPattern, pathPattern } from "./patterns.ts";
import { lines, oneLine, quoted, yaml } from "./yaml.ts";

/** Envoy routes for `routes`, to `cluster`; the empty text for none. */
export function boundRoutes(routes: readonly RoutePlan[], cluster: string): string {
  if (routes.length === 0) return "";
  return lines([hiddenDotsRoute(), ...routes.map((route) => boundRoute(route, cluster))]);
}

// A direct response needs no exemption from ext_proc: without a per-route configuration the filter skips everything.
function hiddenDotsRoute(): string {
  return yaml`
    # "/x/%2e%2e;/orders" is "/orders" to a servlet container and no dot segment to Envoy: a way around every route below.
    - name: 'agglo:refused-path'
      match:
        safe_regex: { regex: ${quoted(HIDDEN_DOTS_PATTERN)} }
      direct_response: { status: 400 }
  `;
}

function boundRoute(route: RoutePlan, cluster: string): string {
  return yaml`
    # Route ${oneLine(`"${route.name}": ${describe(route)}`)}
    - name: ${quoted(route.name)}
      match:
        ${routeMatch(route.match)}
      route: { cluster: ${cluster}, timeout: 0s }
      ${bufferLimit(route)}
      ${removedHeaders(route)}
      ${perRouteConfig(route)}
  `;
}

function describe(route: RoutePlan): string {
  const { methods, hosts, paths, headers } = route.match;
  return [
    methods.length === 0 ? "any method" : methods.join(" "),
    hosts.length === 0 ? "any host" : hosts.join(" "),
    paths.length === 0 ? "any path" : paths.map((path) => path.text).join(" "),
    ...headers.map((header) => `${header.name}: ${header.value}`),
  ].join(", ");
}

function routeMatch(match: MatchPlan): string {
  const path = pathPattern(match.paths);
  const matchers = headerMatchers(match);
  return lines([
    path === undefined ? "prefix: /" : `safe_regex: { regex: ${quoted(path)} }`,
    matchers.length === 0 ? "" : `headers:\n${matchers.map((matcher) => `  - ${matcher}`).join("\n")}`,
  ]);
}

function headerMatchers(match: MatchPlan): string[] {
  const matchers: string[] = [];
  const method = methodPattern(match.methods);
  const host = hostPattern(match.hosts);
  if (method !== undefined) matchers.push(patternMatcher(":method", method));
  if (host !== undefined) matchers.push(patternMatcher(":authority", host));
  for (const { name, value } of match.headers) {
    matchers.push(`{ name: ${quoted(name)}, string_match: { exact: ${quoted(value)} } }`);
  }
  return matchers;
}

function patternMatcher(name: string, pattern: string): string {
  return `{ name: ${quoted(name)}, string_match: { safe_regex: { regex: ${quoted(pattern)} } } }`;
}

function bufferLimit(route: RoutePlan): string {
  const need = needs(route);
  if (need.bodyBytesMax === 0) return "";
  return yaml`
    # Room for a whole body, in both directions, and for a longer one in its place: the route's own bodyBytes
    # (${need.bodyBytesMax}) strikes first, with the answer the route gives. Above this it is Envoy's 413, or 500 for a response.
    request_body_buffer_limit: ${bufferBytes(need.bodyBytesMax)}
  `;
}

function removedHeaders(route: RoutePlan): string {
  if (!needs(route).plainResponse) return "";
  return yaml`
    # A response that a rule reads must come whole and uncoded.
    request_headers_to_remove: [accept-encoding, range, if-range]
  `;
}
