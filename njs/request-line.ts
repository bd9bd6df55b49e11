/** A request as routes are matched on it. */
import type { RequestLine } from "../engine/core/routes/match.ts";
import type { NginxRequest } from "./nginx.ts";

/** What routes are matched on: the request's line as it came, before nginx decoded and normalised it. */
export function requestLine(r: NginxRequest): RequestLine {
  return {
    method: r.method,
    path: targetOf(r),
    // Routes without a host do not ask for it.
    get host() {
      return r.variables.agglo_host ?? "";
    },
    header: (name) => headerOf(r.rawHeadersIn, name),
  };
}

/** Path and query as they came, of `GET http://host/path` too (RFC 9112 section 3.2.2). */
export function targetOf(r: NginxRequest): string {
  const target = r.variables.request_uri as string; // nginx has one for every request
  if (target.charAt(0) === "/") return target;
  const authority = target.indexOf("://");
  const slash = authority === -1 ? -1 : target.indexOf("/", authority + 3);
  return slash === -1 ? "/" : target.slice(slash);
}

/** The value of a header by lower-case name; several are joined, so that none hides behind another. */
export function headerOf(headers: NginxRequest["rawHeadersIn"], name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as readonly [string, string];
    if (header[0].toLowerCase() === name) value = value === undefined ? header[1] : `${value},${header[1]}`;
  }
  return value;
}
