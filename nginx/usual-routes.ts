/**
 * Which route a usual request belongs to, told by nginx itself: a map of patterns costs it a fiftieth of what matching in the
 * bundle does. A pattern takes only targets that stand as an upstream would read them, in ASCII; of any other the map says
 * nothing, and the bundle matches it as core does (engine/core/routes/match.ts).
 */
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { block, comment, quotedPattern } from "./directives.ts";
import { globPattern, literalPattern } from "./globs.ts";

export function usualRoutes(routes: readonly RoutePlan[]): string[] {
  const lines = usualPatterns(routes).map((pattern, index) => `${quotedPattern(`~${pattern}`)} r${index};`);
  const said = "A usual request's route, by its index. What the map does not know the bundle looks at.";
  return [...comment(said), ...block('map "$request_method $request_uri" $agglo_usual', ['default "";', ...lines])];
}

/** On "METHOD TARGET", by the routes' indexes: the first that takes it says which route. */
export function usualPatterns(routes: readonly RoutePlan[]): string[] {
  // Each is exact for every target that it looks at: else a later one would take what an earlier route is for. So the list
  // ends where a route asks for more than a method and a path.
  const end = routes.findIndex(({ match }) => match.hosts.length > 0 || match.headers.length > 0);
  return routes.slice(0, end === -1 ? routes.length : end).map(usualPattern);
}

/** Of the path nothing that core's normalizePath would change; behind it a query. */
const AS_IT_IS = "(?=/[!-~]*$)(?![^?]*(?:[#%;\\x5c]|//|/\\.))";
const CHAR = "[^/?]";

function usualPattern({ match }: RoutePlan): string {
  // Core compares with the request's method in upper case: one that is in lower case here is nobody's.
  const methods = match.methods.filter((method) => method === method.toUpperCase()).map(anyCase);
  const method = match.methods.length === 0 ? "[!-~]+" : `(?:${methods.length === 0 ? "(?!)" : methods.join("|")})`;
  const paths = match.paths.map((glob) => globPattern(glob, CHAR));
  return `^${method} ${AS_IT_IS}(?:${paths.length === 0 ? "[^?]*" : paths.join("|")})(?:\\?[!-~]*)?$`;
}

function anyCase(method: string): string {
  return [...method]
    .map((char) => (/[A-Z]/.test(char) ? `[${char}${char.toLowerCase()}]` : literalPattern(char)))
    .join("");
}
