/**
 * One section at work on a body whose events come one by one (NDJSON, server-sent events): text in as it arrives, text out
 * as soon as it may go on. What comes out is the same wherever the text was cut.
 */
import type { Format, PieceScan } from "../body/body.ts";
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
  /** of what is held, in bytes */
  heldBytes: number;
  /** the event that is coming was too large and passes: no more of it is held */
  skips: boolean;
  /**
   * The message so far. A reply ends it: nothing more is taken. Otherwise the first fault that passes stands, else
   * whether anything was changed; `text` is what may go on and has not been taken yet.
   */
  verdict: Verdict;
};

export function newEventStream(
  section: LinkedSection,
  format: Format,
  contentType: string,
  http: JsonObject | undefined,
  traceparent?: string,
): EventStream {
  return {
    section,
    format,
    contentType,
    http,
    traceparent: traceparent ?? "",
    scan: { state: 0 },
    held: "",
    heldBytes: 0,
    skips: false,
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
 * Takes a piece of the text, of `bytes` bytes as it travels; `last` ends the body, and with it what was left open. A
 * promise only when a step had to wait; until it resolves nothing more may be pushed.
 */
export function pushText(stream: EventStream, piece: string, bytes: number, last: boolean): void | Promise<void> {
  return pushFrom(stream, piece, bytes, last, 0);
}

function pushFrom(
  stream: EventStream,
  piece: string,
  bytes: number,
  last: boolean,
  start: number,
): void | Promise<void> {
  let from = start;
  while (stream.verdict.reply === undefined) {
    let end = stream.format.eventEnd(piece, from, stream.scan);
    if (end === -1) {
      hold(stream, piece.slice(from), from === 0 ? bytes : piece.length - from);
      if (!last || stream.held === "") return;
      end = piece.length;
    } else {
      stream.held += piece.slice(from, end);
    }
    from = end;
    const text = stream.held;
    stream.held = "";
    stream.heldBytes = 0;
    if (stream.skips) {
      stream.skips = false;
      pass(stream, text);
      continue;
    }
    const verdict = treat(stream.section, text, stream.http, stream.contentType, stream.traceparent);
    if (verdict instanceof Promise) {
      return verdict.then((settled) => {
        take(stream, text, settled);
        return pushFrom(stream, piece, bytes, last, from);
      });
    }
    take(stream, text, verdict);
  }
}

// One event may be as long as a body without events may be; the stream may be longer.
function hold(stream: EventStream, rest: string, bytes: number): void {
  stream.held += rest;
  stream.heldBytes += bytes;
  const limit = stream.section.plan.limits.bodyBytes;
  if (stream.heldBytes <= limit && !stream.skips) return;
  const text = stream.held;
  stream.held = "";
  stream.heldBytes = 0;
  if (stream.skips) {
    pass(stream, text);
    return;
  }
  stream.skips = true;
  take(stream, text, faulted(stream.section, "tooLarge", `an event is larger than ${limit} bytes`));
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
