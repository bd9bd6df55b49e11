/** Kinesis: a record's data is an event. A batch is a piece of one shard: in order, and from the first failure on again. */
import { isObject, type JsonObject, type JsonValue } from "../engine/core/event/json.ts";
import { type BatchAnswer, type Message, readBase64, recordsOf, runStream, textIn } from "./batch.ts";
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
