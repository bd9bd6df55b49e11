/**
 * What is kept of an exchange for the pipelines that run when it is over (http.md, `exchange`): one event of all of it, as
 * it went on from here.
 *
 *   { route, status, durationMs, verdict: { request, response }, rule,
 *     request:  { method, path, query, host, scheme, requestId, headers, body, truncated },
 *     response: { status, headers, body, truncated } }
 *
 * A body is its JSON where it is all there and is some, otherwise its text as far as `bodyBytes` go; bytes that are no UTF-8
 * are left out. So are the headers that identify a user to the upstream: an event of ours goes to other places.
 */
import { openBytes } from "../engine/core/body/utf8.ts";
import { isObject, type JsonObject, type JsonValue, newObject, setOwn } from "../engine/core/event/json.ts";
import { parseText } from "../engine/core/event/parse.ts";
import type { Verdict } from "../engine/core/routes/section.ts";
import { decodeUtf8 } from "../engine/runtime/treat-content.ts";
import { headerValue } from "./exchange/headers.ts";
import type { Direction } from "./exchange/treatment.ts";
import { httpContext, type RequestFacts } from "./http-context.ts";

const CREDENTIALS = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
const DEPTH_MAX = 64;

type Body = { chunks: Uint8Array[]; bytes: number; truncated: boolean };

export class ExchangeRecord {
  /** a reply of ours, or the upstream's status; 0: neither came */
  private status = 0;
  private rule = "";
  private readonly verdicts: { [direction in Direction]: string } = { request: "", response: "" };
  private readonly route: string;
  private readonly bodyBytes: number;
  private readonly startedMs: number;
  private facts: RequestFacts | undefined = undefined;
  private responseHeaders: readonly string[] | undefined = undefined;
  private readonly bodies: { [direction in Direction]: Body } = { request: newBody(), response: newBody() };

  constructor(route: string, bodyBytes: number, nowMs: number) {
    this.route = route;
    this.bodyBytes = bodyBytes;
    this.startedMs = nowMs;
  }

  noteRequest(facts: RequestFacts | undefined): void {
    this.facts = facts;
  }

  noteResponse(headers: readonly string[]): void {
    this.responseHeaders = headers;
    if (this.status === 0) this.status = Number(headerValue(headers, ":status") ?? 0);
  }

  /** A reply takes the place of what the upstream would have said, or has. */
  noteVerdict(direction: Direction, verdict: Verdict): void {
    this.verdicts[direction] = verdict.kind;
    if (verdict.reply === undefined) return;
    this.status = verdict.reply.status;
    this.rule = verdict.reply.rule;
  }

  /** Bytes of a body as they go on. */
  noteBody(direction: Direction, bytes: Uint8Array): void {
    const body = this.bodies[direction];
    const room = this.bodyBytes - body.bytes;
    if (bytes.length > room) body.truncated = true;
    if (room <= 0 || bytes.length === 0) return;
    // A copy: a view would keep all of its message alive until the exchange is over.
    body.chunks.push(Uint8Array.prototype.slice.call(bytes, 0, room));
    body.bytes += Math.min(room, bytes.length);
  }

  event(nowMs: number): JsonObject {
    const event = newObject();
    const both = httpContext("response", this.route, this.facts, this.responseHeaders);
    setOwn(event, "route", this.route);
    setOwn(event, "status", this.status);
    setOwn(event, "durationMs", Math.round(nowMs - this.startedMs));
    const verdict = newObject();
    setOwn(verdict, "request", this.verdicts.request);
    setOwn(verdict, "response", this.verdicts.response);
    setOwn(event, "verdict", verdict);
    if (this.rule !== "") setOwn(event, "rule", this.rule);
    if (isObject(both.request)) setOwn(event, "request", this.message("request", both.request));
    if (this.responseHeaders !== undefined) setOwn(event, "response", this.message("response", answered(both)));
    return event;
  }

  private message(direction: Direction, message: JsonObject): JsonObject {
    if (isObject(message.headers)) for (const name of CREDENTIALS) delete message.headers[name];
    const { chunks, bytes, truncated } = this.bodies[direction];
    if (truncated) setOwn(message, "truncated", true);
    const body = bytes === 0 ? undefined : contentOf(Buffer.concat(chunks, bytes), truncated);
    if (body !== undefined) setOwn(message, "body", body);
    return message;
  }
}

function newBody(): Body {
  return { chunks: [], bytes: 0, truncated: false };
}

function answered(both: JsonObject): JsonObject {
  const response = newObject();
  for (const key of ["status", "headers"]) if (both[key] !== undefined) setOwn(response, key, both[key]);
  return response;
}

function contentOf(bytes: Buffer, truncated: boolean): JsonValue | undefined {
  const whole = truncated ? bytes.subarray(0, bytes.length - openBytes(bytes)) : bytes;
  const text = decodeUtf8(whole);
  if (text === undefined) return undefined;
  const parsed = truncated ? undefined : parseText(text, 0, text.length, DEPTH_MAX);
  return parsed === undefined || parsed.fault !== undefined ? text : parsed.value;
}
