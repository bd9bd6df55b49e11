/**
 * DynamoDB streams: the event is the record as AWS documents it (`eventName`, `eventID`, `dynamodb.SequenceNumber` …), but
 * that `dynamodb.Keys`, `NewImage` and `OldImage` are plain JSON: `{"total": {"N": "12.50"}}` is `{"total": 12.50}`, a number
 * to its last digit; sets are arrays, binary values stay base64.
 */
import type { Event } from "../engine/core/event/event.ts";
import { isArray, isObject, type JsonObject, type JsonValue } from "../engine/core/event/json.ts";
import { readEvent } from "../engine/runtime/run-text.ts";
import { type BatchAnswer, type Message, recordsOf, runStream, textIn } from "./batch.ts";
import type { Invocation } from "./invocation.ts";

export function runDynamo(payload: JsonValue, invocation: Invocation): Promise<BatchAnswer> {
  return runStream(recordsOf(payload as JsonObject).map(readDynamoRecord), invocation);
}

export function readDynamoRecord(record: JsonObject): Message {
  const change = isObject(record.dynamodb) ? record.dynamodb : {};
  return {
    identifier: textIn(change, "SequenceNumber"),
    messageId: textIn(record, "eventID"),
    event: eventOf(record, change),
  };
}

const IMAGES = ["Keys", "NewImage", "OldImage"];

/** By way of text: the reader keeps the digits of numbers, and refuses what is none. */
function eventOf(record: JsonObject, change: JsonObject): Event | { unreadable: string } {
  const members = Object.entries(change).map(([name, value]): [string, string] => [
    name,
    IMAGES.includes(name) && isObject(value) ? imageText(value) : JSON.stringify(value),
  ]);
  const others = Object.entries(record).filter(([name]) => name !== "dynamodb");
  const texts = others.map(([name, value]): [string, string] => [name, JSON.stringify(value)]);
  return readEvent(objectText([...texts, ["dynamodb", objectText(members)]]));
}

function objectText(members: readonly [name: string, text: string][]): string {
  return `{${members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
}

function imageText(image: JsonObject): string {
  return objectText(Object.entries(image).map(([name, value]) => [name, attributeText(value)]));
}

/** An attribute value (AttributeValue of the DynamoDB Streams API) as JSON text. */
function attributeText(attribute: JsonValue): string {
  const [[type, value] = ["", null]] = isObject(attribute) ? Object.entries(attribute) : [];
  if (type === "NULL") return "null";
  if (type === "N" && typeof value === "string") return numberText(value);
  if (type === "M" && isObject(value)) return imageText(value);
  if (isArray(value)) {
    const text =
      type === "L" ? attributeText : type === "NS" ? (each: JsonValue) => numberText(String(each)) : JSON.stringify;
    return `[${value.map((each) => text(each)).join(",")}]`;
  }
  return JSON.stringify(value); // S, B, BOOL
}

/** What is no number would be a piece of JSON of somebody's choice: it becomes none at all. */
function numberText(digits: string): string {
  return /^-?\d[\d.eE+-]*$/.test(digits) ? digits : "not-a-number";
}
