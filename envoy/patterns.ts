/**
 * A route's match as Envoy understands it: RE2 patterns for the whole path and for :authority, which take every spelling
 * that an upstream may read as the one in the route. Envoy has normalised the path by then: no empty, `.` or `..`
 * segments, unreserved characters unescaped, `%2F` and `%5C` refused (observed: test/e2e/envoy/generated.test.ts).
 */
import type { PathGlob } from "../engine/core/routes/glob.ts";

/** One pattern for several globs; undefined: any path. */
export function pathPattern(globs: readonly PathGlob[]): string | undefined {
  if (globs.length === 0) return undefined;
  const patterns = globs.map((glob) => glob.segments.map(segmentPattern).join(""));
  return patterns.length === 1 ? (patterns[0] as string) : `(?:${patterns.join("|")})`;
}

function segmentPattern(segment: string): string {
  if (segment === "**") return "(?:/[^/]*)*";
  const pattern = `/${segment.split("*").map(literalPattern).join("[^/]*")}`;
  // Servlet containers take ";name=value" off a segment before they route: it must not be a way around the rule.
  return segment === "" || segment.endsWith("*") ? pattern : `${pattern}(?:(?:;|%3[bB])[^/]*)?`;
}

const UNRESERVED = /^[A-Za-z0-9._~-]$/; // RFC 3986 section 2.3: Envoy unescapes exactly these

function literalPattern(text: string): string {
  let pattern = "";
  for (const char of text) pattern += UNRESERVED.test(char) ? quotePattern(char) : escapablePattern(char);
  return pattern;
}

// Every other character stays as the client wrote it, and the upstream reads "%40" as "@".
function escapablePattern(char: string): string {
  const escaped = Buffer.from(char, "utf8").toString("hex").replace(/../g, "%$&");
  const pattern = /[a-f]/.test(escaped) ? `(?i:${escaped})` : escaped;
  return char > "\x20" && char < "\x7f" ? `(?:${quotePattern(char)}|${pattern})` : pattern;
}

/** The hosts as normalizeHost (engine/core/routes/host.ts) takes them, case, port and a root's dot aside; undefined: any host. */
export function hostPattern(hosts: readonly string[]): string | undefined {
  if (hosts.length === 0 || hosts.includes("*")) return undefined;
  const names = hosts.map((host) =>
    host.startsWith("*.") ? `[^:]*${quotePattern(host.slice(1))}` : quotePattern(host),
  );
  // In front a user's name, which RFC 9110 forbids and H1 lets through; behind it the root's dot and a port.
  return `(?i)(?:.*@)?(?:${names.join("|")})\\.*(?::.*)?`;
}

/** In any case: HTTP says methods are case-sensitive, and frameworks that upper-case them are many. */
export function methodPattern(methods: readonly string[]): string | undefined {
  return methods.length === 0 ? undefined : `(?i)(?:${methods.map(quotePattern).join("|")})`;
}

/**
 * Segments that are empty, "." or ".." but for a ";". Envoy takes "/x/..;/orders" for "/orders" (observed), but not
 * "/x/%2e%2e;/orders", "/;/orders" or "/x/..%3b/orders", and a servlet container may. Nobody sends them in good faith.
 */
export const HIDDEN_DOTS_PATTERN = ".*/(?:\\.{0,2};|\\.{1,2}%3[bB]).*";

function quotePattern(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}
