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
function headerOf(headers: NginxRequest["rawHeadersIn"], name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as readonly [string, string];
    if (header[0].toLowerCase() === name) value = joined(value, header[1]);
  }
  return value;
}

/** What the headers of a message say of its body. */
export type Head = { contentType: string | undefined; coding: string | undefined; length: string | undefined };

/** The request's, in one round: njs takes longer for a header than for a member. */
export function headOf(r: NginxRequest): Head {
  const head: Head = { contentType: undefined, coding: undefined, length: r.headersIn["Content-Length"] };
  const headers = r.rawHeadersIn; // made by each access
  const count = headers.length;
  for (let i = 0; i < count; i++) {
    const header = headers[i] as readonly [string, string];
    const name = header[0].toLowerCase();
    // Several are joined, so that none hides behind another.
    if (name === "content-type") head.contentType = joined(head.contentType, header[1]);
    else if (name === "content-encoding") head.coding = joined(head.coding, header[1]);
  }
  return head;
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before},${value}`;
}
