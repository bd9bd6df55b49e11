/** The host's context of an event, `internal:http`, in the shape that every host gives it (extproc/http-context.ts). */
import { type JsonObject, newObject, setOwn } from "../engine/core/event/json.ts";
import type { NginxRequest } from "./nginx.ts";
import { targetOf } from "./request-line.ts";

export function httpContext(direction: "request" | "response", route: string, r: NginxRequest): JsonObject {
  const context = newObject();
  setOwn(context, "direction", direction);
  setOwn(context, "route", route);
  if (direction === "request") {
    setRequest(context, r);
    return context;
  }
  setOwn(context, "status", r.status);
  setOwn(context, "headers", headerObject(r.rawHeadersOut));
  const request = newObject();
  setRequest(request, r);
  setOwn(context, "request", request);
  return context;
}

function setRequest(context: JsonObject, r: NginxRequest): void {
  const target = targetOf(r);
  const at = target.indexOf("?");
  setOwn(context, "method", r.method);
  setOwn(context, "path", at === -1 ? target : target.slice(0, at));
  setOwn(context, "query", queryObject(at === -1 ? "" : target.slice(at + 1)));
  setOwn(context, "host", r.variables.agglo_host ?? "");
  setOwn(context, "scheme", r.variables.scheme ?? "");
  setOwn(context, "requestId", r.headersIn["X-Request-Id"] ?? "");
  setOwn(context, "headers", headerObject(r.rawHeadersIn));
}

// Several values of one name are joined, so that no rule sees one of them and the upstream another.
function headerObject(headers: NginxRequest["rawHeadersIn"]): JsonObject {
  const object = newObject();
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as readonly [string, string];
    addValue(object, header[0].toLowerCase(), header[1]);
  }
  return object;
}

/** As URLSearchParams reads it (WHATWG URL, section 5.1). */
function queryObject(query: string): JsonObject {
  const object = newObject();
  if (query === "") return object;
  const pairs = query.split("&");
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] as string;
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const name = at === -1 ? pair : pair.slice(0, at);
    addValue(object, decode(name), at === -1 ? "" : decode(pair.slice(at + 1)));
  }
  return object;
}

function addValue(object: JsonObject, name: string, value: string): void {
  const before = object[name];
  setOwn(object, name, before === undefined ? value : `${before},${value}`);
}

const HEX_PAIR = /^[0-9a-fA-F]{2}/;

// Byte by byte, because decodeURIComponent throws on bytes that are no UTF-8 where browsers put U+FFFD.
function decode(text: string): string {
  const spaced = text.split("+").join(" ");
  if (spaced.indexOf("%") === -1) return spaced;
  const parts = spaced.split("%");
  const bytes: Buffer[] = [Buffer.from(parts[0] as string)];
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i] as string;
    if (!HEX_PAIR.test(part)) {
      bytes.push(Buffer.from(`%${part}`));
      continue;
    }
    bytes.push(Buffer.from([Number.parseInt(part.slice(0, 2), 16)]), Buffer.from(part.slice(2)));
  }
  return Buffer.concat(bytes).toString("utf8");
}
