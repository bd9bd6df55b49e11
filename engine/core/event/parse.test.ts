import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { getOwn, isObject, isRawNumber, type JsonObject } from "./json.ts";
import { parseText } from "./parse.ts";

function parse(text: string, depthMax = 64) {
  return parseText(text, 0, text.length, depthMax);
}

describe("texts that are no event's", () => {
  const unparsable = [
    "",
    " ",
    "{",
    "[",
    '{"a":}',
    '{"a":1,}',
    "{a:1}",
    "nul",
    '"',
    '{"a":01}',
    "{'a':1}",
    "\ufeff{}",
    '{"a":"\u0001"}',
    "NaN",
    "{}{}",
  ];
  test.each(unparsable)("%j is unparsable", (text) => {
    expect(parse(text).fault).toBe("unparsable");
  });

  const ambiguous = ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":[{"b":1,"b":2}]}', '{"__proto__":1,"__proto__":2}'];
  test.each(ambiguous)("%j is ambiguous", (text) => {
    expect(parse(text).fault).toBe("ambiguous");
  });

  test("nesting is refused at the limit, before the parser sees it", () => {
    expect(parse(`${"[".repeat(64)}${"]".repeat(64)}`).fault).toBeUndefined();
    expect(parse(`${"[".repeat(65)}${"]".repeat(65)}`).fault).toBe("unparsable");
    expect(parse("[".repeat(3_000_000)).fault).toBe("unparsable");
    expect(parse(`{"a":"${"[".repeat(1000)}"}`).fault).toBeUndefined();
  });

  test("the complaint holds nothing of the text", () => {
    expect(parse('{"card":"4111111111111111"').detail).toBe("not valid JSON");
  });
});

describe("keys a client may choose", () => {
  test("colons, quotes and braces inside strings count as nothing", () => {
    expect(parse('{"a:b":"c:d,{[\\"}:","e":"\\\\"}').fault).toBeUndefined();
  });

  test("__proto__ and toString are ordinary keys, and inherited names are none", () => {
    const value = parse('{"__proto__":{"polluted":1},"a":1}').value as JsonObject;
    expect(Object.keys(value)).toEqual(["__proto__", "a"]);
    expect(getOwn(value, "toString")).toBeUndefined();
    expect(getOwn(value, "polluted")).toBeUndefined();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  // nodejs/node#63785: V8 may take a key of an earlier text for one that is spelled with an escape.
  test("a key is its own, whatever an earlier text had at its place", () => {
    for (let i = 0; i < 100; i++) {
      parse('{"h":[],"\\\\u0070as":0}');
      expect(Object.keys(parse('{"h":1,"\\u0070assword":2}').value as JsonObject)).toEqual(["h", "password"]);
      parse('[{"\\\\":"","a\\\\":1}]');
      expect(parse('[{"\\\\":"","a\\"":["aba"]}]').value).toEqual([{ "\\": "", 'a"': ["aba"] }]);
    }
  });

  test("any key in any spelling is read as what it means", () => {
    const character = fc.tuple(fc.constantFrom("\\", '"', "/", "u", "a", "0", "6", "1", "\n"), fc.nat(2));
    const key = fc.array(character, { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(key, { maxLength: 4 }), (spelled) => {
        const keys = [...new Map(spelled.map((parts) => [parts.map(([char]) => char).join(""), parts])).entries()];
        const text = `[${keys.map(([, parts]) => `{"h":\n"\\\\","${parts.map(spell).join("")}" : 1.0}`).join(", ")}]`;
        const objects = parse(text).value as JsonObject[];
        expect(objects.map((object) => Object.keys(object).find((name) => name !== "h"))).toEqual(
          keys.map(([name]) => name),
        );
      }),
      { numRuns: 2000 },
    );
  });
});

/** A character of a JSON string, in one of the ways that RFC 8259 section 7 has for it. */
function spell([char, way]: [string, number]): string {
  const code = `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const short = JSON.stringify(char).slice(1, -1);
  return [short, code, char === "/" ? "\\/" : short][way] as string;
}

describe("numbers", () => {
  const kept = [
    "1.0",
    "12.50",
    "1e5",
    "1E-7",
    "-0",
    "12345678901234567890",
    "1234567890123456",
    "0.1234567890123456",
    "1e400",
    "-1.10",
    "0.0000001",
  ];
  test.each(kept)("%s keeps its text", (text) => {
    const value = (parse(`{"n":[${text}]}`).value as { n: JsonObject[] }).n[0] as JsonObject;
    expect(isRawNumber(value)).toBe(true);
    expect((value as unknown as { text: string }).text).toBe(text);
  });

  const plain = ["0", "-1", "1.5", "123456789012345", "0.000001", "-12.25", "100"];
  test.each(plain)("%s is a plain number", (text) => {
    expect((parse(`{"n":${text}}`).value as JsonObject).n).toBe(Number(text));
  });

  test("no JSON text can pass for a kept number", () => {
    const value = (parse('{"n":{"text":"1.0","kind":"rawNumber"}}').value as JsonObject).n;
    expect(isObject(value)).toBe(true);
  });
});
