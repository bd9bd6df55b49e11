import { expect, test } from "vitest";
import type { JsonValue } from "../engine/core/event/json.ts";
import { writeEvent } from "../engine/core/event/write.ts";
import { readDynamoRecord } from "./dynamo.ts";

const record = (NewImage: JsonValue, more = {}) => ({
  eventID: "e-1",
  eventName: "MODIFY",
  eventSource: "aws:dynamodb",
  dynamodb: {
    ApproximateCreationDateTime: 1479499740,
    Keys: { id: { S: "a" } },
    NewImage,
    SequenceNumber: "13021600000000001596893679",
    StreamViewType: "NEW_AND_OLD_IMAGES",
    ...more,
  },
});

function textOf(image: JsonValue): string {
  const { event } = readDynamoRecord(record(image));
  if ("unreadable" in event) return event.unreadable;
  return /"NewImage":(.*),"SequenceNumber"/.exec(writeEvent(event))?.[1] ?? "";
}

test("the event is the record, its images plain", () => {
  const { identifier, messageId, event } = readDynamoRecord(
    record({ id: { S: "a" } }, { OldImage: { id: { S: "b" } } }),
  );
  expect({ identifier, messageId }).toEqual({ identifier: "13021600000000001596893679", messageId: "e-1" });
  expect("unreadable" in event ? event : JSON.parse(writeEvent(event))).toEqual({
    eventID: "e-1",
    eventName: "MODIFY",
    eventSource: "aws:dynamodb",
    dynamodb: {
      ApproximateCreationDateTime: 1479499740,
      Keys: { id: "a" },
      NewImage: { id: "a" },
      OldImage: { id: "b" },
      SequenceNumber: "13021600000000001596893679",
      StreamViewType: "NEW_AND_OLD_IMAGES",
    },
  });
});

test.each<[string, JsonValue, string]>([
  ["text", { S: 'a"b' }, '"a\\"b"'],
  [
    "a number to its last digit",
    { N: "12345678901234567890.12345678901234567800" },
    "12345678901234567890.12345678901234567800",
  ],
  ["a number with an exponent", { N: "-1E+20" }, "-1E+20"],
  ["true", { BOOL: true }, "true"],
  ["null", { NULL: true }, "null"],
  ["bytes", { B: "AAE=" }, '"AAE="'],
  ["a list", { L: [{ N: "1.0" }, { M: { a: { L: [] } } }] }, '[1.0,{"a":[]}]'],
  ["a map", { M: { __proto: { S: "" }, S: { S: "x" } } }, '{"__proto":"","S":"x"}'],
  ["a set of texts", { SS: ["a", "b"] }, '["a","b"]'],
  ["a set of numbers", { NS: ["1.10", "2"] }, "[1.10,2]"],
  ["a set of bytes", { BS: ["AA==", "AQ=="] }, '["AA==","AQ=="]'],
])("%s", (_name, value, text) => expect(textOf({ a: value })).toBe(`{"a":${text}}`));

test.each(["", '1,"admin":true', "NaN", "0x10", "1]", "--1"])("%j is no number and fails its record", (N) => {
  expect(textOf({ a: { N } })).toBe("not valid JSON");
});
