/**
 * Text in, final events out: what hosts without a proxy (`binge run`, the daemon, the lambda) share. Every pipeline gets
 * each event as it came in, and none stops another.
 */
import { setImmediate as soon } from "node:timers/promises";
import type { Body } from "../core/body/body.ts";
import { formatOf } from "../core/body/format.ts";
import { json } from "../core/body/json.ts";
import { ndjson } from "../core/body/ndjson.ts";
import { type Event, newEvent } from "../core/event/event.ts";
import { isObject, setOwn } from "../core/event/json.ts";
import { parseText } from "../core/event/parse.ts";
import { writeValue } from "../core/event/write.ts";
import { type FaultReason, Outcome } from "../core/outcome.ts";
import type { LinkedPipeline } from "../core/pipeline.ts";
import type { Ports } from "../core/ports.ts";
import { withSide } from "../core/processes/reserved.ts";
import type { Reply } from "../core/routes/reply.ts";
import { type PipelineResult, runAll } from "../core/run-all.ts";
import { LATE_MS, within } from "./in-time.ts";
import { whyUnreadable } from "./unreadable.ts";

/** What an event runs through: a runtime, or some of its pipelines. */
export type Runner = { pipelines: readonly LinkedPipeline[]; ports: Ports };

/** How a pipeline that went to its end left the event. */
export type Final = { pipeline: string; event: Event };

/** Why a pipeline did not. */
export type Failure = {
  /** which event of the text, from 1 */
  event: number;
  /** "" when the event was given up between pipelines */
  pipeline: string;
  process: string;
  reason: FaultReason | "refused";
  /** fields and types, never values */
  detail: string;
  /** how the filter that refused would have it answered */
  refusal: Reply | undefined;
};

export type EventRun = { finals: Final[]; failures: Failure[] };

export type TextRun = EventRun & {
  /** how many there were */
  events: number;
  /** why the text is no events, in words, nothing of it; "" when it is */
  unreadable: string;
};

/** Deepest nesting of an event; the limit of a route by default. */
const DEPTH_MAX = 64;

/** The one event that a text is: a JSON object. */
export function readEvent(text: string): Event | { unreadable: string } {
  const parsed = parseText(text, 0, text.length, DEPTH_MAX);
  if (parsed.fault !== undefined) return { unreadable: parsed.detail };
  if (!isObject(parsed.value)) return { unreadable: "not a JSON object" };
  return newEvent(parsed.value, text, 0, text.length);
}

/** Reads and runs a body; each of its events gets an id of its own. */
export async function runText(runner: Runner, text: string, contentType: string, deadlineMs: number): Promise<TextRun> {
  const body = readEvents(text, contentType);
  if (body.fault !== undefined) {
    return { events: 0, finals: [], failures: [], unreadable: whyUnreadable(text, body) };
  }
  return runEvents(runner, body.events, runner.ports.ids.uuid, deadlineMs);
}

/** The events of a body: an object, an array of them or NDJSON, which need not call itself so. */
export function readEvents(text: string, contentType: string): Body {
  const format = formatOf(contentType);
  const body = format.read(text, DEPTH_MAX);
  // Whoever says `curl --data-binary @events.ndjson` names another type, or none.
  const isOther = body.fault === "unparsable" && format === json && /\n\s*\{/.test(text);
  return isOther ? ndjson.read(text, DEPTH_MAX) : body;
}

/** How long events that wait for nothing may hold up everybody else. */
const SLICE_MS = 10;

/**
 * Runs events one after the other; a failing one stops no other. `messageIdOf`: of the event at an index. A promise only
 * when one had to wait, or there are many. Throws and rejects for a bug of ours alone.
 */
export function runEvents(
  runner: Runner,
  events: readonly Event[],
  messageIdOf: (index: number) => string,
  deadlineMs: number,
): TextRun | Promise<TextRun> {
  const run: TextRun = { events: events.length, finals: [], failures: [], unreadable: "" };
  return runRest(runner, events, messageIdOf, deadlineMs, run, 0);
}

/** From the event at `first` on. */
function runRest(
  runner: Runner,
  events: readonly Event[],
  messageIdOf: (index: number) => string,
  deadlineMs: number,
  run: TextRun,
  first: number,
): TextRun | Promise<TextRun> {
  const goOn = (next: number) => runRest(runner, events, messageIdOf, deadlineMs, run, next);
  const sliceEndMs = performance.now() + SLICE_MS;
  for (let i = first; i < events.length; i++) {
    if (i > first && performance.now() > sliceEndMs) return soon().then(() => goOn(i));
    const pending = runEvent(runner, events[i] as Event, messageIdOf(i), deadlineMs, i + 1);
    if (pending instanceof Promise) {
      return pending.then((settled) => {
        addRun(run, settled);
        return goOn(i + 1);
      });
    }
    addRun(run, pending);
  }
  return run;
}

function addRun(run: TextRun, { finals, failures }: EventRun): void {
  run.finals.push(...finals);
  run.failures.push(...failures);
}

/**
 * Runs an event. `messageId` is the same whenever the same event comes again: checkpoints and counts know it by that; "":
 * the host has none. `deadlineMs` (clock time, 0: none) is when the event is given up: one that has not begun does not,
 * and a step that does not come back is no longer waited for. `number` says which event failures are of.
 */
export function runEvent(
  runner: Runner,
  event: Event,
  messageId: string,
  deadlineMs: number,
  number = 1,
): EventRun | Promise<EventRun> {
  if (messageId !== "") setOwn(event.side, "internal:messageID", messageId);
  if (deadlineMs !== 0 && runner.ports.clock.nowMs() >= deadlineMs)
    return late(number, "not begun before the deadline");
  const results = runAll(runner.pipelines, event, runner.ports, deadlineMs);
  if (!(results instanceof Promise)) return runOf(results, number);
  const run = results.then((settled) => runOf(settled, number));
  return deadlineMs === 0 ? run : orLate(run, deadlineMs - runner.ports.clock.nowMs(), number);
}

function runOf(results: readonly PipelineResult[], number: number): EventRun {
  const run: EventRun = { finals: [], failures: [] };
  for (const { pipeline, process, outcome, event, faultReason, faultDetail, refusal } of results) {
    if (outcome === Outcome.next) run.finals.push({ pipeline, event });
    else if (outcome === Outcome.refuse) {
      run.failures.push({ event: number, pipeline, process, reason: "refused", detail: "", refusal });
    } else if (outcome === Outcome.fault) {
      run.failures.push({ event: number, pipeline, process, reason: faultReason, detail: faultDetail, refusal });
    }
  }
  return run;
}

function orLate(run: Promise<EventRun>, remainingMs: number, number: number): Promise<EventRun> {
  return within(Math.max(0, remainingMs) + LATE_MS, run, () => late(number, "no answer by the deadline"));
}

function late(event: number, detail: string): EventRun {
  return {
    finals: [],
    failures: [{ event, pipeline: "", process: "", reason: "timeout", detail, refusal: undefined }],
  };
}

/** The final event as JSON text; the reserved keys are part of it, as in the original. */
export function finalText({ event }: Final): string {
  return writeValue(event, withSide(event.value, event.side, Object.keys(event.side)));
}

/** What failed, for people: `check, has-items: refused`. */
export function failureText({ pipeline, process, reason, detail }: Failure): string {
  if (pipeline === "") return detail;
  return reason === "refused" ? `${pipeline}: refused by ${process}` : `${pipeline}, ${process}: ${detail}`;
}
