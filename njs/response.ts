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
import { openBytes } from "../engine/core/body/utf8.ts";
import {
  type EventStream,
  type InTime,
  newEventStream,
  pushText,
  takeText,
} from "../engine/core/routes/event-stream.ts";
import type { HeaderValue } from "../engine/core/routes/header-writes.ts";
import { faulted, type LinkedSection, passed, type Verdict } from "../engine/core/routes/section.ts";
import { matchesStatus } from "../engine/core/routes/status.ts";
import type { NjsFile } from "./file.ts";
import type { NginxRequest } from "./nginx.ts";
import {
  beforeBody,
  broken,
  contextOf,
  isUtf8,
  newRun,
  observe,
  type Run,
  routeOf,
  tooLarge,
  treatBytes,
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
  /** of a stream */
  streaming: Streaming | undefined;
};

const DESCRIPTIONS = ["Content-Length", "ETag", "Last-Modified", "Accept-Ranges", "Content-MD5", "Digest"];

export function head(file: NjsFile, r: NginxRequest): void {
  const run = newRun(file, r);
  const route = routeOf(run);
  const section = route?.response;
  if (route === undefined || section === undefined) return;
  const name = route.plan.name;
  const reading: Reading = {
    mode: "off",
    run,
    section,
    route: name,
    contentType: "",
    chunks: [],
    bytes: 0,
    streaming: undefined,
  };
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
  if (isStream) reading.streaming = newStreaming(reading);
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

/** A stream on its way: core's reader, and what it cannot hold. */
type Streaming = {
  events: EventStream;
  /** the first bytes of a character whose others have not come */
  tail: Buffer;
};

function newStreaming(reading: Reading): Streaming {
  const section = reading.section;
  const http = contextOf(reading.run, section, reading.route);
  const events = newEventStream(section, reading.contentType, http, "", nothingWaits);
  return { events, tail: Buffer.from("") };
}

const nothingWaits: InTime = (_section, verdict) => verdict;

function readStream(r: NginxRequest, reading: Reading, data: Buffer, flags: { last?: boolean }): void {
  const streaming = reading.streaming as Streaming; // head() has made it
  const isLast = flags.last === true;
  const bytes = streaming.tail.length === 0 ? data : Buffer.concat([streaming.tail, data]);
  const end = isLast ? bytes.length : bytes.length - openBytes(bytes);
  const whole = bytes.slice(0, end);
  streaming.tail = bytes.slice(end);
  const text = whole.toString("utf8");
  if (!isUtf8(text, whole)) {
    passRest(r, reading, streaming, bytes, isLast);
    return;
  }
  const out = pushLines(reading, streaming.events, text, isLast);
  if (isLast) observe(reading.run, reading.route, reading.section, streaming.events.verdict);
  if (out !== "" || isLast) r.sendBuffer(out, { last: isLast, flush: true });
}

// Line by line, so that an exception takes no other event along: the one it came from passes as it came.
function pushLines(reading: Reading, events: EventStream, text: string, isLast: boolean): string {
  const lines = text.split("\n");
  const out: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const isLastLine = i === lines.length - 1;
    const line = isLastLine ? (lines[i] as string) : `${lines[i]}\n`;
    const source = events.held + line;
    try {
      void pushText(events, line, isLast && isLastLine); // nothing in nginx waits
      out.push(takeText(events));
    } catch (error) {
      const verdict = broken(reading.run, reading.section, error);
      verdict.text = undefined;
      events.verdict = verdict;
      events.held = "";
      out.push(source);
    }
  }
  return out.join("");
}

// What is no UTF-8 goes on unread, and all that follows.
function passRest(r: NginxRequest, reading: Reading, streaming: Streaming, bytes: Buffer, isLast: boolean): void {
  observe(reading.run, reading.route, reading.section, faulted(reading.section, "unparsable", "not valid UTF-8"));
  r.sendBuffer(Buffer.concat([Buffer.from(streaming.events.held), bytes]), { last: isLast, flush: true });
  reading.mode = "off";
  if (!isLast) r.done();
}
