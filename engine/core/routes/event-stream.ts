/**
 * One section at work on a body whose events come one by one (NDJSON, server-sent events): text in as it arrives, text out
 * as soon as it may go on. What comes out is the same wherever the text was cut.
 */
import type { Format, PieceScan } from "../body/body.ts";
import { formatOf } from "../body/format.ts";
import type { JsonObject } from "../event/json.ts";
import { faulted, type LinkedSection, newVerdict, treat, type Verdict } from "./section.ts";

export type EventStream = {
  section: LinkedSection;
  format: Format;
  contentType: string;
  http: JsonObject | undefined;
  /** the request's; "" for none */
  traceparent: string;
  scan: PieceScan;
  /** the beginning of an event whose end has not come */
  held: string;
  /** of what is held, in bytes of UTF-8 */
  heldBytes: number;
  /** the event that is coming was too large and passes: no more of it is held */
  skips: boolean;
  /** bytes that are no UTF-8 have come, one U+DC80 to U+DCFF for each: an event that holds one is `unparsable` */
  damaged: boolean;
  /** bounds the time an event may take */
  inTime: InTime;
  /**
   * The message so far. A reply ends it: nothing more is taken. Otherwise the first fault that passes stands, else
   * whether anything was changed; `text` is what may go on and has not been taken yet.
   */
  verdict: Verdict;
};

/** The verdict, or a fault when it does not come. */
export type InTime = (section: LinkedSection, verdict: Promise<Verdict>) => Promise<Verdict>;

export function newEventStream(
  section: LinkedSection,
  contentType: string,
  http: JsonObject | undefined,
  traceparent: string,
  inTime: InTime,
): EventStream {
  return {
    section,
    format: formatOf(contentType),
    contentType,
    http,
    traceparent,
    scan: { state: 0 },
    held: "",
    heldBytes: 0,
    skips: false,
    damaged: false,
    inTime,
    verdict: newVerdict("passed"),
  };
}

/** Takes what may go on now. */
export function takeText(stream: EventStream): string {
  const text = stream.verdict.text ?? "";
  stream.verdict.text = undefined;
  return text;
}

/**
 * Takes a piece of the text; `last` ends the body, and with it what was left open. A promise only when a step had to wait;
 * until it resolves nothing more may be pushed.
 */
export function pushText(stream: EventStream, piece: string, last: boolean): void | Promise<void> {
  return pushFrom(stream, piece, last, 0);
}

function pushFrom(stream: EventStream, piece: string, last: boolean, start: number): void | Promise<void> {
  let from = start;
  while (stream.verdict.reply === undefined) {
    const found = stream.format.eventEnd(piece, from, stream.scan);
    const end = found === -1 ? piece.length : found;
    hold(stream, piece.slice(from, end));
    if (found === -1 && !last) return;
    from = end;
    const text = stream.held;
    const skipped = stream.skips;
    stream.held = "";
    stream.heldBytes = 0;
    stream.skips = false;
    if (!skipped && text !== "") {
      const verdict = treatEvent(stream, text);
      if (verdict instanceof Promise) {
        return stream.inTime(stream.section, verdict).then((settled) => {
          take(stream, text, settled);
          return found === -1 ? undefined : pushFrom(stream, piece, last, from);
        });
      }
      take(stream, text, verdict);
    }
    if (found === -1) return;
  }
}

// One event may be as long as a body without events may be; the stream may be longer.
function hold(stream: EventStream, text: string): void {
  if (stream.skips) {
    pass(stream, text);
    return;
  }
  stream.held += text;
  stream.heldBytes += utf8Bytes(text);
  const limit = stream.section.plan.limits.bodyBytes;
  if (stream.heldBytes > limit)
    giveUp(stream, faulted(stream.section, "tooLarge", `an event is larger than ${limit} bytes`));
}

/** No more is held of the event that is coming: `fault` is what becomes of it. */
export function giveUp(stream: EventStream, fault: Verdict): void {
  const source = stream.held;
  stream.held = "";
  stream.heldBytes = 0;
  stream.skips = true;
  take(stream, source, fault);
}

function treatEvent(stream: EventStream, text: string): Verdict | Promise<Verdict> {
  if (stream.damaged && isDamaged(text)) return faulted(stream.section, "unparsable", "not valid UTF-8");
  return treat(stream.section, text, stream.http, stream.contentType, stream.traceparent);
}

function isDamaged(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isHighSurrogate(code)) i++;
    else if (isDamagedByte(code)) return true;
  }
  return false;
}

/** How many bytes the text was. */
function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80 || isDamagedByte(code)) continue;
    if (isHighSurrogate(code)) i++; // four bytes for two units, as two for one
    bytes += code < 0x800 ? 1 : 2;
  }
  return bytes;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code < 0xdc00;
}

// Only behind a high surrogate could it be half of a character, and those are stepped over in pairs.
function isDamagedByte(code: number): boolean {
  return code >= 0xdc80 && code < 0xdd00;
}

function pass(stream: EventStream, text: string): void {
  stream.verdict.text = (stream.verdict.text ?? "") + text;
}

/** Takes in what became of one event, whose text came in as `source`. */
function take(stream: EventStream, source: string, event: Verdict): void {
  const before = stream.verdict;
  if (event.reply !== undefined) {
    event.text = before.text; // what the events before it left goes on, or is cut with the rest: the host knows
    stream.verdict = event;
    return;
  }
  pass(stream, event.text ?? source);
  if (event.metadata !== undefined) before.metadata = Object.assign(before.metadata ?? {}, event.metadata);
  if (event.would !== undefined) before.would = graver(before.would, event.would);
  before.dropped += event.dropped;
  if (before.kind === "faulted") return;
  if (event.kind === "faulted") {
    before.reason = event.reason;
    before.detail = event.detail;
    before.pipeline = event.pipeline;
    before.process = event.process;
  }
  if (event.kind !== "passed") before.kind = event.kind;
}

/** Of a dry run's events: the first that would have ended the message, else whether one would have been changed. */
function graver(before: Verdict | undefined, event: Verdict): Verdict {
  if (before === undefined || before.kind === "passed") return event;
  return before.kind === "changed" && event.kind !== "passed" ? event : before;
}
