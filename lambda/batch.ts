/**
 * Batches of messages, answered by Lambda's partial batch response: what failed comes again, the rest is done. The event
 * source mapping has to ask for that (FunctionResponseTypes: ReportBatchItemFailures); without it Lambda takes any answer
 * for success.
 */
import type { Event } from "../engine/core/event/event.ts";
import type { JsonObject } from "../engine/core/event/json.ts";
import { readEvent, runEvent } from "../engine/runtime/run-text.ts";
import { decodeUtf8 } from "../engine/runtime/treat-content.ts";
import { type Invocation, logFailure, reasonsOf } from "./invocation.ts";

export type Message = {
  /** what Lambda knows it by; "" makes it take the whole batch for failed */
  identifier: string;
  /** the same when it comes again */
  messageId: string;
  event: Event | { unreadable: string };
};

export type BatchAnswer = { batchItemFailures: { itemIdentifier: string }[] };

/** Lanes at once: enough to wait for a target together, no burst that it would refuse. */
const LANES_MAX = 16;

/**
 * Runs lanes side by side and the messages of each in order. After one that failed the rest of its lane is not begun, and
 * comes again with it: so their order stays.
 */
export async function runLanes(lanes: readonly (readonly Message[])[], invocation: Invocation): Promise<BatchAnswer> {
  const failed: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let lane = lanes[next++]; lane !== undefined; lane = lanes[next++]) {
      failed.push(...(await runLane(lane, invocation)));
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES_MAX, lanes.length) }, work));
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}

/** A piece of a stream, in order. Lambda goes back to the lowest sequence number that it is told: one says all. */
export async function runStream(messages: readonly Message[], invocation: Invocation): Promise<BatchAnswer> {
  const { batchItemFailures } = await runLanes([messages], invocation);
  return { batchItemFailures: batchItemFailures.slice(0, 1) };
}

/** The identifiers of what has to come again. */
async function runLane(lane: readonly Message[], invocation: Invocation): Promise<string[]> {
  for (const [i, message] of lane.entries()) {
    invocation.numbers.events++;
    const reasons = await runMessage(message, invocation);
    if (reasons.length === 0) continue;
    logFailure(invocation, `message ${message.identifier}`, reasons);
    return lane.slice(i).map(({ identifier }) => identifier);
  }
  return [];
}

/** Why it failed; [] when it did not. */
async function runMessage({ event, messageId }: Message, invocation: Invocation): Promise<string[]> {
  if ("unreadable" in event) return [event.unreadable];
  const { failures } = await runEvent(invocation.runner, event, messageId, invocation.deadlineMs);
  return reasonsOf(failures);
}

/** An event in base64, as streams carry it. */
export function readBase64(data: string): Event | { unreadable: string } {
  const text = decodeUtf8(Buffer.from(data, "base64"));
  return text === undefined ? { unreadable: "not valid UTF-8" } : readEvent(text);
}

/** A record's member that AWS documents as text; "" where it is not there. */
export function textIn(object: JsonObject, name: string): string {
  const value = object[name];
  return typeof value === "string" ? value : "";
}

/** The payload's records; what is no object has no members. */
export function recordsOf(payload: JsonObject): JsonObject[] {
  return (payload.Records as JsonObject[]).map((record) => Object(record) as JsonObject);
}
