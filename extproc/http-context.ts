/** The host's context of an event, `internal:http` (http.md, "Context"): what is known of the message and its request. */
import { type JsonObject, newObject, setOwn } from "../engine/core/event/json.ts";
import type { Direction } from "./exchange/treatment.ts";

/** What is kept of a request, also for rules on its response. */
export type RequestFacts = {
  method: string;
  /** with query */
  path: string;
  host: string;
  scheme: string;
  requestId: string;
  headers: readonly string[];
};

export function readRequestFacts(headers: readonly string[]): RequestFacts {
  const facts: RequestFacts = { method: "", path: "", host: "", scheme: "", requestId: "", headers };
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] as string;
    switch (headers[i]) {
      case ":method":
        facts.method = value;
        break;
      case ":path":
        facts.path = value;
        break;
      case ":authority":
        facts.host = value;
        break;
      case ":scheme":
        facts.scheme = value;
        break;
      case "x-request-id":
        facts.requestId = value;
        break;
      default:
    }
  }
  return facts;
}

/** The context of a request, or of a response with its request's under `request`. */
export function httpContext(
  direction: Direction,
  route: string,
  request: RequestFacts | undefined,
  responseHeaders: readonly string[] | undefined,
): JsonObject {
  const context = newObject();
  setOwn(context, "direction", direction);
  setOwn(context, "route", route);
  if (direction === "request") {
    if (request !== undefined) setRequest(context, request);
    return context;
  }
  const headers = responseHeaders ?? [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === ":status") setOwn(context, "status", Number(headers[i + 1]));
  }
  setOwn(context, "headers", headerObject(headers));
  if (request !== undefined) {
    const inner = newObject();
    setRequest(inner, request);
    setOwn(context, "request", inner);
  }
  return context;
}

function setRequest(context: JsonObject, request: RequestFacts): void {
  const at = request.path.indexOf("?");
  setOwn(context, "method", request.method);
  setOwn(context, "path", at === -1 ? request.path : request.path.slice(0, at));
  setOwn(context, "query", queryObject(at === -1 ? "" : request.path.slice(at + 1)));
  setOwn(context, "host", request.host);
  setOwn(context, "scheme", request.scheme);
  setOwn(context, "requestId", request.requestId);
  setOwn(context, "headers", headerObject(request.headers));
}

// Several values of one name are joined, so that no rule sees one of them and the upstream another.
function headerObject(headers: readonly string[]): JsonObject {
  const object = newObject();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!name.startsWith(":")) addValue(object, name, Buffer.from(headers[i + 1] as string, "latin1").toString("utf8"));
  }
  return object;
}

function queryObject(query: string): JsonObject {
  const object = newObject();
  if (query === "") return object;
  for (const [name, value] of new URLSearchParams(query)) addValue(object, name, value);
  return object;
}

function addValue(object: JsonObject, name: string, value: string): void {
  const before = object[name];
  setOwn(object, name, before === undefined ? value : `${before},${value}`);
}
