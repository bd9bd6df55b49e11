import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "../core/event/json.ts";
import { copyObject, type JsonObject } from "../core/event/json.ts";
import { parseText } from "../core/event/parse.ts";
import type { Validator } from "../core/ports.ts";
import { re2Regexps } from "./regexps.ts";
import { ajvSchemas } from "./schemas.ts";

const schemas = ajvSchemas(re2Regexps());

function validatorOf(schema: JsonValue): Validator {
  const compiled = schemas.compile(schema);
  if ("flaws" in compiled) throw new Error(JSON.stringify(compiled.flaws));
  return compiled;
}

function errors(schema: JsonValue, text: string): string[] {
  const value = parseText(text, 0, text.length, 64).value as JsonValue;
  return validatorOf(schema)
    .validate(value)
    .map(({ pointer, keyword }) => `${pointer} ${keyword}`);
}

const ORDER: JsonObject = {
  type: "object",
  required: ["id", "items"],
  properties: {
    id: { type: "string", format: "uuid" },
    items: { type: "array", minItems: 1, items: { $ref: "#/$defs/item" } },
    "a/b~c": { type: "string" },
  },
  additionalProperties: { type: "string" },
  $defs: { item: { type: "object", required: ["sku"], properties: { sku: { type: "string", pattern: "^[A-Z]{2}" } } } },
};

/** [schema, JSON text, pointers and keywords] */
const TABLE: readonly (readonly [string, JsonValue, string, string[]])[] = [
  ["what is missing", ORDER, "{}", ["/id required", "/items required"]],
  ["a format", ORDER, '{"id":"x","items":[{"sku":"AB"}]}', ["/id format"]],
  [
    "every element",
    ORDER,
    '{"id":"550e8400-e29b-41d4-a716-446655440000","items":[{"sku":1},{"sku":"ab"},{}]}',
    ["/items/0/sku type", "/items/1/sku pattern", "/items/2/sku required"],
  ],
  [
    "a pointer's escapes",
    ORDER,
    '{"id":"550e8400-e29b-41d4-a716-446655440000","items":[{"sku":"AB"}],"a/b~c":1}',
    ["/a~1b~0c type"],
  ],
  [
    "no name that a client chose",
    ORDER,
    '{"id":"550e8400-e29b-41d4-a716-446655440000","items":[{"sku":"AB"}],"4111111111111111":1}',
    ["/* type"],
  ],
  ["an index as it is", { type: "array", items: { type: "string" } }, '["a",1]', ["/1 type"]],
  ["a name that only looks like an index as one", { additionalProperties: { type: "string" } }, '{"1":1}', ["/* type"]],
  [
    "each pattern by its own",
    { properties: { a: { pattern: "^a" }, b: { pattern: "^b" } } },
    '{"a":"a","b":"a"}',
    ["/b pattern"],
  ],
  ["raw numbers by their value", { properties: { n: { type: "number", maximum: 12.5 } } }, '{"n":12.50}', []],
  [
    "big whole numbers as doubles",
    { properties: { n: { type: "integer", maximum: 9 } } },
    '{"n":12345678901234567891}',
    ["/n maximum"],
  ],
  ["two big numbers that are one double", { const: { n: 12345678901234567000 } }, '{"n":12345678901234567891}', []],
  ["a number no double holds", { properties: { n: { type: "number" } } }, '{"n":1e400}', ["/n type"]],
  ["hundredths", { properties: { n: { multipleOf: 0.01 } } }, '{"n":19.99}', []],
  [
    "own members only",
    { required: ["toString", "constructor"] },
    "{}",
    ["/toString required", "/constructor required"],
  ],
  ["equal objects in any order", { enum: [{ a: 1, b: [2] }] }, '{"b":[2.0],"a":1}', []],
  ["a member that shadows a method", { const: { valueOf: 1 } }, '{"valueOf":2}', [" const"]],
  [
    "double elements",
    { properties: { l: { uniqueItems: true } } },
    '{"l":[{"a":1,"b":2},{"b":2,"a":1}]}',
    ["/l uniqueItems"],
  ],
  ["1 and true as different", { uniqueItems: true }, '[1,true,"1",null,"null"]', []],
  ["-0 and 0 as equal", { uniqueItems: true }, "[0,-0.0]", [" uniqueItems"]],
  [
    "unevaluated members",
    { properties: { a: true }, unevaluatedProperties: false },
    '{"a":1,"b":2}',
    [" unevaluatedProperties"],
  ],
  [
    "a tree by its own root",
    { properties: { c: { items: { $ref: "#" } } }, required: ["v"] },
    '{"v":1,"c":[{"v":1},{}]}',
    ["/c/1/v required"],
  ],
  ["a part by its anchor", { $ref: "#n", $defs: { n: { $anchor: "n", minimum: 2 } } }, "1", [" minimum"]],
  [
    "a part by its $id",
    { $id: "https://x.example/s", $ref: "n", $defs: { n: { $id: "n", minimum: 2 } } },
    "1",
    [" minimum"],
  ],
  ["nothing for false", false, "{}", [" false schema"]],
  ["everything for true", true, "{}", []],
];

describe("a schema finds", () => {
  test.each(TABLE)("%s", (_title, schema, text, expected) => {
    expect(errors(schema, text)).toEqual(expected);
  });

  test("the same in objects that processes made", () => {
    const value = copyObject({ a: { b: 1 } });
    value.a = copyObject({ b: 1 });
    expect(validatorOf({ const: { a: { b: 1 } } }).validate(value)).toEqual([]);
  });

  test("at most twenty errors, and one only in a large value", () => {
    const schema = { type: "array", items: { type: "string" } };
    expect(errors(schema, JSON.stringify(new Array(50).fill(1)))).toHaveLength(20);
    expect(errors(schema, JSON.stringify(new Array(20_000).fill(1)))).toEqual(["/0 type"]);
  });

  test("no end where it refers to itself, and says so", () => {
    expect(errors({ allOf: [{ $ref: "#" }] }, "{}")).toEqual([" $ref"]);
  });
});

/** [schema, place in it, what is said] */
const FLAWED: readonly (readonly [JsonValue, string, string])[] = [
  [{ properties: { a: { type: "strin" } } }, "properties.a.type", ""],
  [{ properties: { a: { minimum: "1" } } }, "properties.a.minimum", "must be number"],
  [{ properties: { a: { pattern: "(?=x)" } } }, "properties.a.pattern", "patterns are RE2's"],
  [{ patternProperties: { "(a)\\1": {} } }, "patternProperties.(a)\\1", "patterns are RE2's"],
  [{ properties: { a: { maxLenght: 3 } } }, "properties.a.maxLenght", 'unknown keyword: "maxLenght"'],
  [{ properties: { a: { format: "zip" } } }, "properties.a", 'unknown format "zip"'],
  [{ properties: { a: { $ref: "#/$defs/b" } } }, "properties.a.$ref", "can't resolve reference"],
  [{ $ref: "https://example.com/schema" }, "$ref", "can't resolve reference"],
  [{ $dynamicRef: "#n", $defs: { n: { $dynamicAnchor: "n" } } }, "$dynamicRef", 'write "$ref"'],
  [{ $schema: "http://json-schema.org/draft-07/schema#" }, "$schema", "this is JSON Schema 2020-12"],
  [
    JSON.parse('{"properties":{"__proto__":{"type":"string"}}}') as JsonValue,
    "properties.__proto__",
    "cannot be checked",
  ],
];

describe("a schema that is wrong is refused with its place", () => {
  test.each(FLAWED)("%j", (schema, place, message) => {
    const compiled = schemas.compile(schema);
    const flaws = "flaws" in compiled ? compiled.flaws : [];
    expect(flaws.map((flaw) => flaw.path.join("."))).toEqual([place]);
    expect(flaws[0]?.message).toContain(message);
  });

  test("all at once", () => {
    const compiled = schemas.compile({ properties: { a: { minimum: "1" }, b: { required: "x" } } });
    expect("flaws" in compiled && compiled.flaws.map((flaw) => flaw.path.join("."))).toEqual([
      "properties.a.minimum",
      "properties.b.required",
    ]);
  });

  test("two schemas with one $id do not meet", () => {
    for (const minimum of [1, 2]) {
      const schema = { $id: "https://example.com/s", $ref: "#/$defs/n", $defs: { n: { minimum } } };
      expect(validatorOf(schema).validate(1.5)).toEqual(minimum === 2 ? [{ pointer: "", keyword: "minimum" }] : []);
    }
  });
});

describe("what a client sends cannot make it slow", () => {
  const FORMATS = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
  ];
  const UNITS = [
    "a",
    "a.",
    "a@",
    "1",
    "1:",
    "/",
    "/a",
    "%41",
    "~0",
    "{a}",
    "{a,",
    ":",
    "::",
    "a:",
    "-",
    "P1",
    "1D",
    " ",
    "@",
    "[",
    "?#",
  ];

  test("whatever the format", () => {
    const started = performance.now();
    for (const format of FORMATS) {
      const validator = validatorOf({ format });
      for (const unit of UNITS)
        for (const end of ["", "\n", "!"]) validator.validate(unit.repeat(30_000 / unit.length) + end);
    }
    // 900 texts of 30,000 characters: a quadratic format takes a second for one.
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test("with a pattern made to explode, or elements to compare pair by pair", () => {
    const validator = validatorOf({
      properties: { text: { pattern: "^(a+)+$" }, list: { uniqueItems: true } },
    });
    const list = Array.from({ length: 50_000 }, (_, i) => ({ i }));
    expect(validator.validate({ text: `${"a".repeat(30_000)}!`, list })).toEqual([
      { pointer: "/text", keyword: "pattern" },
    ]);
  });
});

test("no value, and no name but the schema's, is ever told", () => {
  const SECRET = "4111111111111111";
  const value = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<JsonValue>(SECRET, Number(SECRET), null, 1),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("id", "items", "sku", SECRET), tie("value"), {
        maxKeys: 4,
        noNullPrototype: false,
      }),
    ),
  })).value;
  const validator = validatorOf(ORDER);
  fc.assert(
    fc.property(value, (inner) => {
      expect(JSON.stringify(validator.validate(inner))).not.toContain(SECRET);
    }),
  );
});
