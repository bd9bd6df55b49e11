/** A request's path as the generated Envoy configuration reads it, before any route (envoy/connection-manager.ts). */
import { HIDDEN_DOTS_PATTERN } from "../envoy/patterns.ts";

const UNRESERVED = /^[A-Za-z0-9._~-]$/; // RFC 3986 section 2.3
const HIDDEN_DOTS = new RegExp(`^${HIDDEN_DOTS_PATTERN}$`);

/** In one spelling, with its query as it came; undefined: Envoy answers 400. */
export function envoyPath(target: string): string | undefined {
  const at = target.indexOf("?");
  const path = at === -1 ? target : target.slice(0, at);
  if (/%(?:2f|5c)/i.test(path)) return undefined;
  const decoded = path.replace(/%[0-9a-f]{2}/gi, (code) => {
    const char = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return UNRESERVED.test(char) ? char : code;
  });
  const merged = new URL(`http://host${decoded}`).pathname.replace(/\/+/g, "/");
  return HIDDEN_DOTS.test(merged) ? undefined : merged + (at === -1 ? "" : target.slice(at));
}
