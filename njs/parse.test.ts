import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { parseText as parseInCore } from "../engine/core/event/parse.ts";
import { stringify } from "../engine/core/event/write.ts";
import { parseText } from "./parse.ts";

// What the bundler writes in: here the engine is Node's, which goes as deep as anybody asks.
beforeAll(() => {
  (globalThis as { AGGLO_JSON_DEPTH?: number }).AGGLO_JSON_DEPTH = 0;
});

const DEPTH = 8;
const read = (text: string) => parseText(text, 0, text.length, DEPTH);

const CHARACTERS = ["a", "b", '\\"', "\\u0061", "\\/", "é", "😀", ":", "{", "[", ",", " ", "1e9"];
const stringOf = (characters: string[]) =>
  fc.array(fc.constantFrom(...characters), { maxLength: 5 }).map((parts) => `"${parts.join("")}"`);

/**
 * JSON as people write it: any white space, escapes where none are needed, keys that come twice. No backslash in a key:
 * where one has been, Node's JSON.parse may read another key wrong (nodejs/node#63785), which nginx's does not.
 */
const json = fc.letrec<{ value: string; string: string; key: string }>((tie) => ({
  string: stringOf([...CHARACTERS, "\\\\"]),
  key: stringOf(CHARACTERS),
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("string"),
    fc.constantFrom("null", "true", "0", "-1.5", "1.50", "1e3", "-0", "0.1", "123456789012345"),
    fc.array(tie("value"), { maxLength: 3 }).map((list) => `[ ${list.join(" ,")}]`),
    fc
      .array(fc.tuple(tie("key"), tie("value")), { maxLength: 3 })
      .map((members) => `{${members.map(([k, v]) => `${k} :\n${v}`).join(",\t")} }`),
  ),
})).value;

test("says of every text what core says, and reads the same", () => {
  fc.assert(
    fc.property(json, (text) => {
      const expected = parseInCore(text, 0, text.length, DEPTH);
      const found = read(text);
      expect(found.fault).toBe(expected.fault);
      // Core keeps the text of some numbers; as values they are these.
      if (found.fault === undefined) expect(found.value).toEqual(JSON.parse(stringify(expected.value)));
    }),
    { numRuns: 3000 },
  );
});

test("reads the part that is asked for", () => {
  expect(parseText('x{"a":1}y', 1, 8, DEPTH)).toEqual({ fault: undefined, detail: "", value: { a: 1 } });
});

test("reads a key that holds a backslash", () => {
  expect(read('{"a\\\\b": 1}').value).toEqual({ "a\\b": 1 });
});

describe("what could not leave as it came is a fault", () => {
  const faults: [string, string][] = [
    ["a rounded whole number", '{"a": 9007199254740993}'],
    ["one of 20 digits", '{"a": 12345678901234567890}'],
    ["a fraction of more digits than a double has", '{"a": 0.1234567890123456789}'],
    ["a number beyond a double", '{"a": 1e400}'],
    ["half of a surrogate pair, where the engine replaces it", '{"a": "\ufffd"}'],
  ];
  test.each(faults.slice(0, 4))("%s", (_title, text) => expect(read(text).fault).toBe("unparsable"));

  const held = [
    '{"a": 0.30000000000000004}',
    '{"a": 1e21}',
    '{"a": 9007199254740992}',
    '{"a": 100000000000000000000}',
    '{"a": 0.1e-6}',
    ...faults.slice(4).map(([, text]) => text),
  ];
  test.each(held)("%s is held", (text) => expect(read(text).fault).toBeUndefined());
});

test.each([
  ['{"a":[[[[[[[1]]]]]]]}', undefined],
  ['{"a":[[[[[[[[1]]]]]]]]}', "unparsable"],
  ['{"a":[{"b":[{"c":[{"d":[]}]}]}]}', undefined],
  ['{"a":[{"b":[{"c":[{"d":[[]]}]}]}]}', "unparsable"],
  [`["${"[".repeat(100)}"]`, undefined],
])("depth of %s", (text, fault) => expect(read(text).fault).toBe(fault));
