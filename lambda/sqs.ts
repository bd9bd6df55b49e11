/**
 * SQS: a message's body is an event. Messages of one group (FIFO queues) keep their order, others run side by side. A
 * message's id is the event's, so what comes again is counted once.
 */
import type { JsonObject, JsonValue } from "../engine/core/event/json.ts";
import { isObject } from "../engine/core/event/json.ts";
import { readEvent } from "../engine/runtime/run-text.ts";
import { type BatchAnswer, type Message, recordsOf, runLanes, textIn } from "./batch.ts";
import type { Invocation } from "./invocation.ts";

export function runSqs(payload: JsonValue, invocation: Invocation): Promise<BatchAnswer> {
  const lanes = new Map<string, Message[]>();
  for (const record of recordsOf(payload as JsonObject)) {
    const identifier = textIn(record, "messageId");
    const group = isObject(record.attributes) ? textIn(record.attributes, "MessageGroupId") : "";
    const name = group === "" ? `message ${identifier}` : `group ${group}`;
    const message = { identifier, messageId: identifier, event: readEvent(textIn(record, "body")) };
    const lane = lanes.get(name);
    if (lane === undefined) lanes.set(name, [message]);
    else lane.push(message);
  }
  return runLanes([...lanes.values()], invocation);
}
