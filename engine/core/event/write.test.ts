import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newEvent } from "./event.ts";
import { copyObject, copyWithout, isObject, type JsonObject, type JsonValue, setOwn } from "./json.ts";
import { parseText } from "./parse.ts";
import { stringify, writeEvent } from "./write.ts";

function eventOf(text: string) {
  const parsed = parseText(text, 0, text.length, 64);
  if (parsed.fault !== undefined || !isObject(parsed.value)) throw new Error(`${parsed.fault}: ${text}`);
  return newEvent(parsed.value, text, 0, text.length);
}

/** The text after `edit` has been applied to the event's value. */
function edited(text: string, edit: (value: JsonObject) => JsonObject): string {
  const event = eventOf(text);
  event.value = edit(event.value);
  return writeEvent(event);
}

function set(key: string, value: JsonValue) {
  return (object: JsonObject) => {
    const copy = copyObject(object);
    setOwn(copy, key, value);
    return copy;
  };
}

describe("an event nobody changed", () => {
  test("is the very text it came from, spaces, escapes and numbers included", () => {
    const text = ' {\n "a" : 1.0, "\\u0062":[1e2 , 12345678901234567890],"c":"\\/" } \n';
    expect(writeEvent(eventOf(text))).toBe(text);
  });
});

describe("a changed event keeps everything else to the byte", () => {
  const cases: [string, string, (value: JsonObject) => JsonObject, string][] = [
    ["a value", '{ "a": 1.0, "b": 2, "c": 1e5 }', set("b", 3), '{ "a": 1.0, "b": 3, "c": 1e5 }'],
    ["a new key goes last", '{"a":1.50}', set("b", "x"), '{"a":1.50,"b":"x"}'],
    ["a new key in an empty object", "{ }", set("b", 1), '{ "b":1}'],
    ["the first key goes", '{"a":1,"b":2.0,"c":3}', (v) => copyWithout(v, "a"), '{"b":2.0,"c":3}'],
    ["the last key goes", '{"a":1, "b":2}', (v) => copyWithout(v, "b"), '{"a":1}'],
    ["the only key goes", '{"a":1}', (v) => copyWithout(v, "a"), "{}"],
    ["space around the event", ' {"a":1} \n', set("a", 2), ' {"a":2} \n'],
    ["a key written with escapes", '{"\\u0061":1,"b":2}', set("a", 5), '{"\\u0061":5,"b":2}'],
    ["__proto__ is a key", '{"__proto__":{"x":1},"b":1.0}', set("b", 2), '{"__proto__":{"x":1},"b":2}'],
    ["__proto__ can be set", '{"b":1.0}', set("__proto__", "p"), '{"b":1.0,"__proto__":"p"}'],
    [
      "deep inside",
      '{"o":{"x" : 1.0,"card":"4111"},"n":20.00}',
      (v) => set("o", set("card", "*")(v.o as JsonObject))(v),
      '{"o":{"x" : 1.0,"card":"*"},"n":20.00}',
    ],
    [
      "an element of an array",
      '{"l":[ {"a":1.0} , {"a":2.0} ]}',
      (v) => set("l", [(v.l as JsonValue[])[0] as JsonValue, { a: 3 }])(v),
      '{"l":[ {"a":1.0} , {"a":3} ]}',
    ],
    [
      "elements gone: the text of the right ones stays",
      '{"l":[1.0,12345678901234567890,12345678901234567891,"\\u0041"]}',
      (v) => set("l", (v.l as JsonValue[]).slice(2))(v),
      '{"l":[12345678901234567891,"\\u0041"]}',
    ],
    [
      "a number that moves keeps its text",
      '{"price":12.50}',
      (v) => set("copy", v.price as JsonValue)(v),
      '{"price":12.50,"copy":12.50}',
    ],
  ];
  test.each(cases)("%s", (_title, text, edit, expected) => {
    expect(edited(text, edit)).toBe(expected);
  });
});

/** JSON text of arbitrary values with arbitrary spacing, numbers and escapes. */
const space = fc.stringMatching(/^[ \n\t\r]{0,2}$/);
const numberText = fc.stringMatching(/^-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?$/);
const stringText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc.stringMatching(/^(\\u[0-9a-f]{4}|\\["\\/bfnrt]|[a-z]){0,6}$/).map((text) => `"${text}"`),
);
const key = fc.oneof(stringText, fc.constantFrom('"a"', '"b.c"', '"__proto__"', '"internal:x"', '"0"', '"toString"'));
const { value: jsonText } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("true", "false", "null"),
    numberText,
    stringText,
    fc
      .array(fc.tuple(space, tie("value"), space), { maxLength: 4 })
      .map((all) => `[${all.map((e) => e.join("")).join(",")}]`),
    tie("object"),
  ),
  object: fc
    .uniqueArray(fc.tuple(space, key, space, space, tie("value"), space), {
      maxLength: 5,
      selector: (member) => JSON.parse(member[1]) as string,
    })
    .map((members) => `{${members.map(([a, k, b, c, v, d]) => `${a}${k}${b}:${c}${v}${d}`).join(",")}}`),
}));
const objectText = jsonText.map((text) => `{"v":${text},"w":1.0}`);

describe("for any JSON text", () => {
  test("an unchanged event is the same text, and a changed one differs only where it changed", () => {
    fc.assert(
      fc.property(objectText, (text) => {
        expect(writeEvent(eventOf(text))).toBe(text);
        expect(edited(text, set("w", "new"))).toBe(text.replace(/,"w":1.0}$/, ',"w":"new"}'));
        expect(edited(text, (v) => copyWithout(v, "w"))).toBe(text.replace(/,"w":1.0}$/, "}"));
      }),
      { numRuns: 500 },
    );
  });

  test("whatever a process keeps, the result parses to what the tree says, and numbers keep their text", () => {
    fc.assert(
      fc.property(objectText, fc.infiniteStream(fc.integer({ min: 0, max: 5 })), (text, choices) => {
        const event = eventOf(text);
        const mutated = mutate(event.value, choices);
        fc.pre(isObject(mutated)); // an event stays an object
        event.value = mutated;
        const expected = stringify(event.value);
        expect(canonical(writeEvent(event))).toBe(canonical(expected));
      }),
      { numRuns: 500 },
    );
  });
});

// Drops, replaces and keeps parts at random, as processes do: changed spines, shared rests.
function mutate(value: JsonValue, choices: fc.Stream<number>): JsonValue {
  const choice = choices.next().value as number;
  if (choice === 0) return "changed";
  if (Array.isArray(value)) {
    const kept = value.filter(() => choices.next().value !== 0);
    return choice > 3 ? value : kept.map((element) => mutate(element, choices));
  }
  if (!isObject(value) || choice > 3) return value;
  let copy = copyObject(value);
  for (const name of Object.keys(value)) {
    const next = choices.next().value;
    if (next === 0) copy = copyWithout(copy, name);
    else if (next === 1) setOwn(copy, name, mutate(copy[name] as JsonValue, choices));
    else if (next === 2) setOwn(copy, `${name}+`, copy[name] as JsonValue);
  }
  return copy;
}

// Members sorted by key, strings and spacing normalised, numbers as their text.
function canonical(text: string): string {
  const parsed = parseText(text, 0, text.length, 100);
  return sorted(parsed.value);
}

function sorted(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(",")}]`;
  if (!isObject(value)) return stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${sorted(value[name] as JsonValue)}`).join(",")}}`;
}
