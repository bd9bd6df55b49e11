import fc from "fast-check";
import { expect, test } from "vitest";
import { newEvent } from "../engine/core/event/event.ts";
import { copyObject, copyWithout, type JsonObject, setOwn } from "../engine/core/event/json.ts";
import { writeEvent } from "./write.ts";

function eventOf(text: string) {
  return newEvent(JSON.parse(text) as JsonObject, text, 0, text.length);
}

function changed(text: string, change: (value: JsonObject) => JsonObject): string {
  const event = eventOf(text);
  event.value = change(event.value);
  return writeEvent(event);
}

const gain = (key: string) => (value: JsonObject) => {
  const copy = copyObject(value);
  setOwn(copy, key, "x");
  return copy;
};

test("a member that came stands behind the others, whose text stays", () => {
  expect(changed('{ "a" : 1.50, "b":[ ]}', gain("c"))).toBe('{ "a" : 1.50, "b":[ ],"c":"x"}');
  expect(changed("{}", gain("c"))).toBe('{"c":"x"}');
  expect(writeEvent(eventOf('{ "a" : 1 }'))).toBe('{ "a" : 1 }');
});

test("one that the engine puts elsewhere, that changed or went, is printed with all", () => {
  expect(changed('{ "a":1}', gain("0"))).toBe('{"0":"x","a":1}');
  expect(changed('{ "a":1}', gain("a"))).toBe('{"a":"x"}');
  expect(changed('{ "a":1,"b":2}', (value) => gain("c")(copyWithout(value, "a")))).toBe('{"b":2,"c":"x"}');
  expect(changed('{ "a":1,"b":2}', (value) => gain("d")(gain("c")(copyWithout(value, "a"))))).toBe(
    '{"b":2,"c":"x","d":"x"}',
  );
});

test("whatever the members, what is written is what the event holds", () => {
  const members = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(members, fc.string(), (object, key) => {
      const text = changed(JSON.stringify(object), gain(key));
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(gain(key)(object as JsonObject))));
    }),
  );
});
