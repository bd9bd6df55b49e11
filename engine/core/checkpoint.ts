/**
 * Checkpoints: how far a pipeline came with an event, kept outside until it ends, so that the same event given again
 * goes on at the first unfinished process (agglo-behaviour 3.10). At least once: a process whose record could not be
 * written runs again.
 *
 * Mended: the index is that of the first unfinished process, counted from 0 without the original's hidden one, so a
 * record can really be resumed (B24); a pipeline without processes is fine, and an event whose host gives no
 * `internal:messageID` runs without a record, for nobody could ever ask for it (B25).
 */
import { fault, type RunContext, retryableFault } from "./context.ts";
import { getOwn, isObject, newObject } from "./event/json.ts";
import { parseText } from "./event/parse.ts";
import { stringify, writeValue } from "./event/write.ts";
import { Outcome } from "./outcome.ts";
import type { SystemError, TeeTarget } from "./ports.ts";

const INDEX_KEY = "internal:checkpoint:idx";
const DATA_KEY = "internal:checkpoint:data";
/** Ours: what stood beside the event. In the original's records it stands among the data, where a body key could pose as it. */
const SIDE_KEY = "internal:checkpoint:side";

/** Deeper than any host lets an event be. */
const DEPTH_MAX = 2000;

/** The id that records of the event go by; "" when its host gives none, and nothing is kept. */
export function checkpointIdOf(context: RunContext): string {
  const id = getOwn(context.event.side, "internal:messageID");
  return typeof id === "string" ? id : "";
}

/** Takes the event back to where a record says it was; the index to go on at, or -1 after a fault. */
export function resume(target: TeeTarget, context: RunContext): Promise<number> {
  return context.ports.checkpoints.read(target, context.pipeline, checkpointIdOf(context)).then((found) => {
    if (found === undefined) return 0;
    if (!("record" in found)) {
      failed(context, found);
      return -1;
    }
    const index = restore(context, found.record);
    context.recorded = true;
    if (index === -1) fault(context, "error", "checkpoint: the record of this event is damaged");
    return index;
  });
}

function restore(context: RunContext, record: string): number {
  const parsed = parseText(record, 0, record.length, DEPTH_MAX);
  if (parsed.fault === "unparsable" || !isObject(parsed.value)) return -1;
  const index = getOwn(parsed.value, INDEX_KEY);
  const data = getOwn(parsed.value, DATA_KEY);
  const side = getOwn(parsed.value, SIDE_KEY);
  if (typeof index !== "number" || index < 0 || !Number.isInteger(index) || !isObject(data)) return -1;
  context.event.value = data;
  // The host's own keys are those of this run.
  if (isObject(side)) context.event.side = Object.assign(newObject(), side, context.event.side);
  return index;
}

/** Keeps that `done` processes are finished. Answers next, or a fault. */
export function save(target: TeeTarget, done: number, context: RunContext): Promise<Outcome> {
  const event = context.event;
  context.recorded = true; // it may be there whatever the answer says
  const record = `{"${INDEX_KEY}":${done},"${DATA_KEY}":${writeValue(event, event.value)},"${SIDE_KEY}":${stringify(event.side)}}`;
  return context.ports.checkpoints
    .write(target, context.pipeline, checkpointIdOf(context), record)
    .then((error) => (error === undefined ? Outcome.next : failed(context, error)));
}

/** Forgets the event: its pipeline has ended. Answers `outcome`, or a fault: the record would be resumed. */
export function forget(target: TeeTarget, outcome: Outcome, context: RunContext): Promise<Outcome> {
  return context.ports.checkpoints
    .remove(target, context.pipeline, checkpointIdOf(context))
    .then((error) => (error === undefined ? outcome : failed(context, error)));
}

function failed(context: RunContext, error: SystemError): Outcome {
  const detail = `checkpoint: ${error.message}`;
  return error.retryable ? retryableFault(context, "error", detail) : fault(context, "error", detail);
}
