/**
 * A route's response on its way to the client (js_header_filter, js_body_filter). The status is gone before the body
 * comes, so nothing is refused here: `binge nginx` takes such routes only with `"gateway": true`.
 *
 * How the body is read, as the header filter decides:
 *
 *   off     nobody looks at it
 *   copy    it goes on at once, and is looked at when it is whole: nothing can change it
 *   hold    it goes on when it is whole
 *   stream  it goes on event by event
 *
 * Whatever cannot be treated goes on as it came.
 */
import { formatOf } from "../engine/core/body/format.ts";
import type { HeaderValue } from "../engine/core/routes/header-writes.ts";
import { faulted, type LinkedSection, passed, type Verdict } from "../engine/core/routes/section.ts";
import { matchesStatus } from "../engine/core/routes/status.ts";
import type { NjsFile } from "./file.ts";
import type { NginxRequest } from "./nginx.ts";
import {
  beforeBody,
  isUtf8,
  newRun,
  observe,
  type Run,
  routeOf,
  tooLarge,
  treatBytes,
  treatText,
  withoutBody,
} from "./run.ts";

type Reading = {
  mode: "off" | "copy" | "hold" | "stream";
  run: Run;
  section: LinkedSection;
  route: string;
  contentType: string;
  /** bytes that have come and not gone on (copy: those that were copied) */
  chunks: Buffer[];
  bytes: number;
};

const DESCRIPTIONS = ["Content-Length", "ETag", "Last-Modified", "Accept-Ranges", "Content-MD5", "Digest"];

export function head(file: NjsFile, r: NginxRequest): void {
  const run = newRun(file, r);
  const route = routeOf(run);
  const section = route?.response;
  if (route === undefined || section === undefined) return;
  const name = route.plan.name;
  const reading: Reading = { mode: "off", run, section, route: name, contentType: "", chunks: [], bytes: 0 };
  const verdict = verdictOfHead(reading, r);
  if (verdict !== undefined) observe(run, name, section, verdict);
  if (verdict?.kind !== "faulted") writeHeaders(r, section);
  r.agglo = reading;
  if (reading.mode !== "hold" && reading.mode !== "stream") return;
  for (let i = 0; i < DESCRIPTIONS.length; i++) delete r.headersOut[DESCRIPTIONS[i] as string];
}

/** undefined: the body is needed, and `reading` says how. */
function verdictOfHead(reading: Reading, r: NginxRequest): Verdict | undefined {
  const section = reading.section;
  const plan = section.plan;
  if (!matchesStatus(plan.statuses, r.status) || section.pipelines.length === 0) return passed(section);
  const length = r.headersOut["Content-Length"] as string | undefined;
  if (r.method === "HEAD" || r.status === 204 || r.status === 304 || length === "0") {
    return withoutBody(reading.run, section, reading.route);
  }
  if (r.status === 206 && plan.guards) return faulted(section, "unparsable", "a part of a body cannot be treated");
  const contentType = r.headersOut["Content-Type"] as string | undefined;
  const coding = r.headersOut["Content-Encoding"] as string | undefined;
  const isStream = formatOf(contentType ?? "").stream;
  // The length of a stream is none of an event's.
  const early = beforeBody(section, { contentType, coding, length: isStream ? undefined : length });
  if (early !== undefined) return early;
  reading.contentType = contentType as string; // beforeBody accepts no other
  reading.mode = isStream ? "stream" : plan.changesBody ? "hold" : "copy";
  return undefined;
}

function writeHeaders(r: NginxRequest, section: LinkedSection): void {
  const plan = section.plan;
  for (let i = 0; i < plan.removeHeaders.length; i++) delete r.headersOut[plan.removeHeaders[i] as string];
  for (let i = 0; i < plan.setHeaders.length; i++) {
    r.headersOut[(plan.setHeaders[i] as HeaderValue).name] = (plan.setHeaders[i] as HeaderValue).value; // literals
  }
}

export function body(r: NginxRequest, data: Buffer, flags: { last?: boolean }): void {
  const reading = r.agglo as Reading | undefined;
  if (reading === undefined || reading.mode === "off") {
    r.sendBuffer(data, flags);
    r.done();
  } else if (reading.mode === "stream") {
    readStream(r, reading, data, flags);
  } else {
    readWhole(r, reading, data, flags);
  }
}

function readWhole(r: NginxRequest, reading: Reading, data: Buffer, flags: { last?: boolean }): void {
  const isCopy = reading.mode === "copy";
  const isLast = flags.last === true;
  if (isCopy) r.sendBuffer(data, flags);
  if (data.length > 0) reading.chunks.push(data);
  reading.bytes += data.length;
  if (reading.bytes > reading.section.plan.limits.bodyBytes) {
    observe(reading.run, reading.route, reading.section, tooLarge(reading.section));
    if (!isCopy) r.sendBuffer(Buffer.concat(reading.chunks), flags);
    r.done();
  } else if (isLast) {
    const whole = Buffer.concat(reading.chunks);
    const text = treated(reading, whole);
    if (!isCopy) r.sendBuffer(text ?? whole, flags);
  }
}

/** The new text; undefined: the bytes as they came. */
function treated(reading: Reading, bytes: Buffer): string | undefined {
  const run = reading.run;
  const section = reading.section;
  const verdict =
    bytes.length === 0
      ? withoutBody(run, section, reading.route)
      : treatBytes(run, section, reading.route, bytes, reading.contentType);
  observe(run, reading.route, section, verdict);
  return verdict.text;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

// Only what ends with a line is read as text: a character may be split anywhere, a line end is one byte.
function readStream(r: NginxRequest, reading: Reading, data: Buffer, flags: { last?: boolean }): void {
  const isLast = flags.last === true;
  if (data.length > 0) reading.chunks.push(data);
  reading.bytes += data.length;
  if (isLast || hasLineEnd(data)) sendComplete(r, reading, isLast);
  if (!isLast && reading.mode === "stream" && reading.bytes > reading.section.plan.limits.bodyBytes) {
    observe(reading.run, reading.route, reading.section, tooLarge(reading.section));
    release(r, reading, false);
  }
}

function sendComplete(r: NginxRequest, reading: Reading, isLast: boolean): void {
  const whole = Buffer.concat(reading.chunks);
  const end = isLast ? whole.length : lastLineEnd(whole);
  const text = whole.toString("utf8", 0, end);
  const complete = isLast ? text.length : formatOf(reading.contentType).completeEnd(text);
  const ready = complete === text.length ? text : text.slice(0, complete);
  // Of text that is no UTF-8 the count may be wrong; then these bytes, and what is kept behind them, pass as they are.
  const readyBytes = complete === text.length ? end : Math.min(end, Buffer.byteLength(ready));
  keepRest(reading, whole, readyBytes);
  if (readyBytes === 0) {
    if (isLast) r.sendBuffer("", { last: true });
    return;
  }
  const bytes = whole.slice(0, readyBytes);
  const verdict = verdictOfPiece(reading, ready, bytes);
  observe(reading.run, reading.route, reading.section, verdict);
  r.sendBuffer(verdict.text ?? bytes, { last: isLast, flush: true });
  if (verdict.kind === "faulted") release(r, reading, isLast);
}

function verdictOfPiece(reading: Reading, text: string, bytes: Buffer): Verdict {
  const section = reading.section;
  if (!isUtf8(text, bytes)) return faulted(section, "unparsable", "not valid UTF-8");
  return treatText(reading.run, section, reading.route, text, reading.contentType);
}

function keepRest(reading: Reading, whole: Buffer, from: number): void {
  reading.chunks = from < whole.length ? [whole.slice(from)] : [];
  reading.bytes = whole.length - from;
}

// A fault that passes: what comes behind it goes on unread, as of a body that is whole.
function release(r: NginxRequest, reading: Reading, isLast: boolean): void {
  if (reading.bytes > 0) r.sendBuffer(Buffer.concat(reading.chunks), { flush: true });
  reading.mode = "off";
  reading.chunks = [];
  if (!isLast) r.done();
}

function hasLineEnd(data: Buffer): boolean {
  return data.indexOf(LINE_FEED) !== -1 || data.indexOf(CARRIAGE_RETURN) !== -1;
}

function lastLineEnd(data: Buffer): number {
  return Math.max(data.lastIndexOf(LINE_FEED), data.lastIndexOf(CARRIAGE_RETURN)) + 1;
}
