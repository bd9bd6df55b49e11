/** Kinesis: a record's data is an event. A batch is a piece of one shard: in order, and from the first failure on again. */
import { isObject, type JsonObject, type JsonValue } from "../engine/core/event/json.ts";
import { type BatchAnswer, type Message, readBase64, recordsOf, runLanes, textIn } from "./batch.ts";
import type { Invocation } from "./invocation.ts";

export function runKinesis(payload: JsonValue, invocation: Invocation): Promise<BatchAnswer> {
  return runStream(recordsOf(payload as JsonObject).map(readRecord), invocation);
}

function readRecord(record: JsonObject): Message {
  const kinesis = isObject(record.kinesis) ? record.kinesis : {};
  return {
    identifier: textIn(kinesis, "sequenceNumber"),
    messageId: textIn(record, "eventID"),
    event: readBase64(textIn(kinesis, "data")),
  };
}

/** Lambda goes back to the lowest sequence number that it is told: one says all. */
export async function runStream(messages: Message[], invocation: Invocation): Promise<BatchAnswer> {
  const { batchItemFailures } = await runLanes([messages], invocation);
  return { batchItemFailures: batchItemFailures.slice(0, 1) };
}
