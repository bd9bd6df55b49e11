import { expect, test } from "vitest";
import { readEvents } from "./run-text.ts";
import { whyUnreadable } from "./unreadable.ts";

const NDJSON = "application/x-ndjson";

test.each([
  ["nothing", "", "", "there is no event"],
  ["a slip", '{\n  "a": 1,\n  "b" 2\n}', "", "line 3, column 7: not valid JSON"],
  ["a text that ends early", '{"a":', "", "line 1, column 6: not valid JSON"],
  ["another value behind", '{"a":1} true', "", "line 1, column 9: not valid JSON"],
  ["a key twice", '{"a":1,\n "a":2}', "", "line 2, column 2: a key stands twice in one object"],
  ["a slip in a line", '{"a":1}\r\n\n{"b":}', NDJSON, "line 3, column 6: not valid JSON"],
  ["a key twice in a line", '{"a":1}\n{"b":1,"b":2}', NDJSON, "line 2, column 8: a key stands twice in one object"],
  ["no object in a line", '{"a":1}\n7', NDJSON, "line 2: no object"],
  ["null", "null", "", "null is no event: expected a JSON object, or an array of them"],
  ["a number", " 12.50 ", "", "a number is no event: expected a JSON object, or an array of them"],
  ["a text", '"a"', "", "a string is no event: expected a JSON object, or an array of them"],
  ["an array with null", '[{"a":1},null]', "", "element 2 of the array is null: expected a JSON object"],
  ["an array in an array", "[[]]", "", "element 1 of the array is an array: expected a JSON object"],
  ["deep nesting", `${'{"a":'.repeat(65)}1${"}".repeat(65)}`, "", "nested deeper than 64 levels"],
])("%s", (_what, text, contentType, why) => {
  const body = readEvents(text, contentType);
  expect(body.fault).toBeDefined();
  expect(whyUnreadable(text, body)).toBe(why);
});

test("deep enough to overflow is answered as well, and so are more events than one message may hold", () => {
  const deep = "[".repeat(200_000);
  expect(whyUnreadable(deep, readEvents(deep, ""))).toBe("nested deeper than 64 levels");
  const many = "{}\n".repeat(10_001);
  expect(whyUnreadable(many, readEvents(many, NDJSON))).toBe("more than 10000 events");
});
