import fc from "fast-check";
import { expect, test } from "vitest";
import type { Field, Fields } from "../core/definition.ts";
import { newReport, type Report } from "../core/diagnostic.ts";
import { type CheckContext, checkField, checkFields, isClean } from "./check.ts";
import { readDocument } from "./document.ts";
import { jsonPath } from "./print.ts";

const doc = "";
const text: Field = { kind: "string", doc };
const op: Field = { kind: "enum", values: { UnknownComparator: 0, GreaterThan: 19, Equal: 23 }, doc };
const FIELDS = {
  name: { kind: "string", required: true, doc },
  on: { kind: "boolean", doc },
  status: { kind: "integer", min: 400, max: 599, doc },
  size: { kind: "integer", min: 0, doc },
  most: { kind: "integer", max: 9, doc },
  count: { kind: "integer", doc },
  ratio: { kind: "number", doc },
  op,
  mode: { kind: "word", words: ["fail", "keep"], doc },
  paths: { kind: "list", of: text, max: 2, doc },
  headers: { kind: "map", of: text, doc },
  key: { kind: "secret", doc },
  body: { kind: "json", doc },
  replace: { kind: "any", doc },
  soon: { kind: "later", doc },
  condition: { kind: "named", name: "condition", doc },
  rule: {
    kind: "object",
    exclusive: ["mask", "drop", "value"],
    fields: { mask: text, drop: { kind: "boolean", doc }, value: { kind: "any", doc }, note: text },
    doc,
  },
  args: { kind: "oneOf", members: { left: text, right: text }, doc },
} satisfies Fields;

const NAMED: { [name: string]: Field } = {
  condition: {
    kind: "oneOf",
    members: {
      not: { kind: "named", name: "condition", doc },
      all: { kind: "list", of: { kind: "named", name: "condition", doc }, doc },
      op,
    },
    doc,
  },
};

function run(
  json: string,
  more: Partial<CheckContext> = {},
  fields: Fields = FIELDS,
): { value: unknown; said: string[]; report: Report } {
  const report = newReport();
  const value = checkFields(fields, readDocument(json, "x.json").value, [], { report, named: NAMED, ...more });
  const said = report.diagnostics.map(({ code, path, message, remedy }) => {
    return `${code} ${jsonPath(path)}: ${message}${remedy === "" ? "" : `; ${remedy}`}`;
  });
  return { value, said, report };
}

/** field, as written, as checked */
const GOOD: readonly [string, string, unknown][] = [
  ["on", "true", true],
  ["on", "null", undefined],
  ["status", "404", 404],
  ["status", '"404"', 404],
  ["status", "404.0", 404],
  ["count", "-0", 0],
  ["count", '"-7"', -7],
  ["count", "null", undefined],
  ["ratio", "2.5", 2.5],
  ["ratio", '"2.5e3"', 2500],
  ["op", '"Equal"', 23],
  ["op", "19", 19],
  ["op", "null", undefined],
  ["mode", '"keep"', "keep"],
  ["paths", '["a", "b"]', ["a", "b"]],
  ["paths", "[]", []],
  ["headers", '{"x-a": "1", "__proto__": "2"}', JSON.parse('{"x-a": "1", "__proto__": "2"}')],
  ["key", '"${env:HMAC_KEY}"', "${env:HMAC_KEY}"],
  ["key", '"${file:/run/secrets/hmac key}"', "${file:/run/secrets/hmac key}"],
  ["body", '{"a": [1, {"b": null}]}', { a: [1, { b: null }] }],
  ["replace", "null", null],
  ["replace", "[1]", [1]],
  ["soon", "null", undefined],
  ["condition", "{}", {}],
  ["condition", '{"all": [{"op": "Equal"}, {"not": {}}]}', { all: [{ op: 23 }, { not: {} }] }],
  ["rule", '{"mask": "x", "drop": null, "note": "n"}', { mask: "x", note: "n" }],
  ["args", "{}", {}],
  ["args", '{"left": "l", "right": null}', { left: "l" }],
];

test.each(GOOD)("%s: %s is taken as %j", (field, written, expected) => {
  const { value, said } = run(`{"name": "n", "${field}": ${written}}`);
  expect(said).toEqual([]);
  expect(value).toEqual(expected === undefined ? { name: "n" } : { name: "n", [field]: expected });
});

const SECRET_REMEDY = 'write "${env:NAME}" or "${file:/path}" and nothing around it';
/** field, as written, what is said of it */
const BAD: readonly [string, string, string][] = [
  ["on", '"yes"', 'E_TYPE on: expected true or false, found "yes"'],
  ["on", '"true"', 'E_TYPE on: expected true or false, found "true"; write it without quotes'],
  ["on", "1", "E_TYPE on: expected true or false, found 1"],
  ["name", "5", 'E_TYPE name: expected a string, found 5; write it in quotes: "5"'],
  ["name", "[]", "E_TYPE name: expected a string, found an array"],
  ["status", "200", "E_VALUE status: expected a whole number from 400 to 599, found 200"],
  ["status", '"600"', 'E_VALUE status: expected a whole number from 400 to 599, found "600"'],
  ["size", "-1", "E_VALUE size: expected a whole number of at least 0, found -1"],
  ["most", "10", "E_VALUE most: expected a whole number of at most 9, found 10"],
  ["count", "2.5", "E_VALUE count: expected a whole number, found 2.5"],
  ["count", '"2.0"', 'E_TYPE count: expected a whole number, found "2.0"'],
  ["count", '" 2"', 'E_TYPE count: expected a whole number, found " 2"'],
  ["count", '""', 'E_TYPE count: expected a whole number, found ""'],
  ["count", "9007199254740993", "E_VALUE count: expected a whole number, found 9007199254740992"],
  ["ratio", '"0x10"', 'E_TYPE ratio: expected a number, found "0x10"'],
  ["ratio", '"1e999"', 'E_VALUE ratio: expected a number, found "1e999"'],
  [
    "ratio",
    '"NaN"',
    'E_TYPE ratio: expected a number, found "NaN"; no event can be compared or computed with it: write a real bound',
  ],
  [
    "ratio",
    '"-Infinity"',
    'E_TYPE ratio: expected a number, found "-Infinity"; no event can be compared or computed with it: write a real bound',
  ],
  [
    "op",
    '"Greater"',
    'E_VALUE op: expected one of UnknownComparator, GreaterThan, Equal, found "Greater"; did you mean "GreaterThan"?',
  ],
  [
    "op",
    '"equal"',
    'E_VALUE op: expected one of UnknownComparator, GreaterThan, Equal, found "equal"; did you mean "Equal"?',
  ],
  ["op", '"19"', 'E_VALUE op: expected one of UnknownComparator, GreaterThan, Equal, found "19"'],
  ["op", '"constructor"', 'E_VALUE op: expected one of UnknownComparator, GreaterThan, Equal, found "constructor"'],
  ["op", "7", "E_VALUE op: expected one of UnknownComparator, GreaterThan, Equal, found 7"],
  ["op", "true", "E_TYPE op: expected one of UnknownComparator, GreaterThan, Equal, found true"],
  ["mode", '"Fail"', 'E_VALUE mode: expected one of fail, keep, found "Fail"; did you mean "fail"?'],
  ["mode", "1", "E_TYPE mode: expected one of fail, keep, found 1"],
  ["paths", '"a"', "E_TYPE paths: expected an array, found a string; put it in brackets: […]"],
  ["paths", '["a", "b", "c"]', "E_VALUE paths: expected at most 2 elements, found 3"],
  ["paths", '["a", null]', "E_TYPE paths[1]: expected a string, found null; take it out"],
  ["headers", '{"x.y": 1}', 'E_TYPE headers["x.y"]: expected a string, found 1; write it in quotes: "1"'],
  ["headers", '{"a": null}', "E_TYPE headers.a: expected a string, found null; take it out"],
  ["headers", "[]", "E_TYPE headers: expected an object, found an array"],
  ["body", '"hunter2"', "E_TYPE body: expected an object, found a string"],
  ["key", '"hunter2"', `E_SECRET key: expected a reference to a secret, found something else; ${SECRET_REMEDY}`],
  ["key", '"x${env:A}"', `E_SECRET key: expected a reference to a secret, found something else; ${SECRET_REMEDY}`],
  [
    "key",
    '"${env:A}${env:B}"',
    `E_SECRET key: expected a reference to a secret, found something else; ${SECRET_REMEDY}`,
  ],
  ["key", '"${env:}"', `E_SECRET key: expected a reference to a secret, found something else; ${SECRET_REMEDY}`],
  [
    "key",
    '"${file:relative}"',
    `E_SECRET key: expected a reference to a secret, found something else; ${SECRET_REMEDY}`,
  ],
  ["key", "1234", `E_SECRET key: expected a reference to a secret, found a number; ${SECRET_REMEDY}`],
  ["soon", "{}", 'E_NOT_YET soon: "soon" is not there yet; take it out'],
  [
    "rule",
    '{"mask": "x", "drop": false, "value": null}',
    'E_ONE_OF rule: expected at most one of mask, drop, value, found "mask" and "drop" and "value"; keep one of them',
  ],
  [
    "args",
    '{"left": "a", "right": "b"}',
    'E_ONE_OF args: expected at most one of left, right, found "left" and "right"; keep one of them',
  ],
  ["args", '{"lefft": "a"}', 'E_UNKNOWN_FIELD args.lefft: no such field; did you mean "left"?'],
  ["args", '{"middle": "a"}', "E_UNKNOWN_FIELD args.middle: no such field; known here: left, right"],
  [
    "condition",
    '{"not": {"all": [{"op": "Equl"}]}}',
    'E_VALUE condition.not.all[0].op: expected one of UnknownComparator, GreaterThan, Equal, found "Equl"; did you mean "Equal"?',
  ],
  ["condition", '"a > 1"', "E_TYPE condition: expected an object, found a string"],
  [
    "__proto__",
    "1",
    "E_UNKNOWN_FIELD __proto__: no such field; known here: name, on, status, size, most, count, ratio, op, mode, paths, headers, key, body, replace, condition, rule, args",
  ],
];

test.each(BAD)("%s: %s is refused", (field, written, expected) => {
  const { value, said } = run(field === "name" ? `{"name": ${written}}` : `{"name": "n", "${field}": ${written}}`);
  expect(said).toEqual([expected]);
  expect(value).toBeUndefined();
});

test("a grammar with a text form takes a string or its object", () => {
  const field: Field = { kind: "oneOf", text: "an expression", members: { op: FIELDS.op as Field }, doc };
  const fields: Fields = { when: field };
  expect(run('{"when": "a > 1"}', {}, fields).value).toEqual({ when: "a > 1" });
  expect(run('{"when": ""}', {}, fields).value).toEqual({ when: "" });
  expect(run('{"when": {"op": "Equal"}}', {}, fields).value).toEqual({ when: { op: 23 } });
  expect(run('{"when": null}', {}, fields).value).toEqual({});
  expect(run('{"when": 1}', {}, fields).said).toEqual(["E_TYPE when: expected a string or an object, found a number"]);
  expect(run('{"when": []}', {}, fields).said).toEqual(["E_TYPE when: expected a string or an object, found an array"]);
});

test("the root must be an object", () => {
  expect(run("[]").said).toEqual(["E_TYPE : expected an object, found an array"]);
});

test("a required field that is missing, or null, is pointed at where it should be", () => {
  for (const json of ["{}", '{"name": null}']) {
    expect(run(json).said).toEqual(['E_MISSING_FIELD name: expected a string, found nothing; add "name"']);
  }
});

test("a required field that is there but misspelt is one complaint", () => {
  expect(run('{"nmae": "n"}').said).toEqual(['E_UNKNOWN_FIELD nmae: no such field; did you mean "name"?']);
});

test("an unknown field points at its key", () => {
  expect(run('{"name": "n", "x": 1}').report.diagnostics).toMatchObject([
    { path: ["x"], atKey: true, severity: "error" },
  ]);
});

test("everything wrong is said at once", () => {
  const { said } = run('{"on": 1, "paths": [1, 2], "rule": {"nope": 1, "note": 2}, "kye": "x"}');
  expect(said.map((line) => line.split(":")[0])).toEqual([
    "E_TYPE on",
    "E_TYPE paths[0]",
    "E_TYPE paths[1]",
    "E_UNKNOWN_FIELD rule.nope",
    "E_TYPE rule.note",
    "E_UNKNOWN_FIELD kye",
    "E_MISSING_FIELD name",
  ]);
});

test("leniently, unknown fields are warnings and left out", () => {
  const { value, report } = run('{"name": "n", "args": {"lefft": "a"}, "x": 1}', { lenient: true });
  expect(report.diagnostics).toMatchObject([
    { code: "E_UNKNOWN_FIELD", severity: "warning" },
    { code: "E_UNKNOWN_FIELD", severity: "warning" },
  ]);
  expect(value).toEqual({ name: "n", args: {} });
});

test("leniently, a misspelt required field is missing nevertheless", () => {
  const { value, said } = run('{"nmae": "n"}', { lenient: true });
  expect(said.map((line) => line.split(" ")[0])).toEqual(["E_UNKNOWN_FIELD", "E_MISSING_FIELD"]);
  expect(value).toBeUndefined();
});

test("in part, what is right is given back with its indexes kept, and isClean tells which parts are", () => {
  const fields: Fields = {
    list: { kind: "list", doc, of: { kind: "object", doc, fields: { a: text } } },
    on: FIELDS.on,
  };
  const { value, report } = run('{"list": [{"a": 1}, null, {"a": "x"}], "on": true}', { partial: true }, fields);
  expect(value).toEqual({ list: [{}, null, { a: "x" }], on: true });
  expect([0, 1, 2].map((i) => isClean(report, ["list", i]))).toEqual([false, false, true]);
  expect(isClean(report, ["on"])).toBe(true);
  expect(isClean(report, [])).toBe(false);
});

test("checked objects take __proto__ for a key", () => {
  const { value } = run('{"name": "n", "headers": {"__proto__": "x"}}');
  const { headers } = value as { headers: object };
  expect(Object.keys(headers)).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
});

test("long or odd values are quoted short and harmless", () => {
  const [said] = run(JSON.stringify({ name: "n", on: `\u001b[2J${"x".repeat(500)}` })).said;
  expect(said).toContain("\\u001b[2Jxxx");
  expect((said ?? "").length).toBeLessThan(140);
});

test("a value from elsewhere that nests without end is refused, not followed", () => {
  const report = newReport();
  const endless: { not?: unknown } = {};
  endless.not = endless;
  const field: Field = { kind: "named", name: "condition", doc };
  expect(checkField(field, endless, [], { report, named: NAMED })).toBeUndefined();
  expect(report.diagnostics).toMatchObject([
    { code: "E_VALUE", message: "expected at most 200 levels of nesting, found more" },
  ]);
});

test("a grammar that nobody wrote is our own bug and throws", () => {
  const field: Field = { kind: "named", name: "toString", doc };
  expect(() => checkField(field, {}, [], { report: newReport(), named: {} })).toThrow(
    'no grammar is called "toString"',
  );
});

const keys = fc.oneof(
  fc.constantFrom(...Object.keys(FIELDS), "not", "all", "mask", "drop", "left", "__proto__"),
  fc.string(),
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    tie("leaf"),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(keys, tie("tree"), { maxKeys: 6 }),
  ),
  leaf: fc.oneof(
    fc.string(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom("Equal", "keep", "${env:A}", "5"),
  ),
}));

test("no document makes it throw; each complaint has a place in the text; what passes passes again", () => {
  fc.assert(
    fc.property(fc.dictionary(keys, tree), (value) => {
      const document = readDocument(JSON.stringify(value), "x.json");
      const report = newReport();
      const checked = checkFields(FIELDS, document.value, [], { report, named: NAMED });
      for (const { path, atKey } of report.diagnostics) {
        const place = document.locate(path, atKey);
        expect(place.line).toBe(1);
        expect(place.column + place.length - 1).toBeLessThanOrEqual(JSON.stringify(value).length);
      }
      expect(checked === undefined).toBe(report.diagnostics.length > 0);
      if (checked === undefined) return;
      const again = newReport();
      expect(checkFields(FIELDS, checked, [], { report: again, named: NAMED })).toEqual(checked);
      expect(again.diagnostics).toEqual([]);
    }),
    { numRuns: 2000 },
  );
});

test("no secret written out ever stands in a complaint", () => {
  const secret = fc.stringMatching(/^[a-z0-9$\\"]{6,30}$/).map((letters) => `S3CR3T${letters}`);
  fc.assert(
    fc.property(secret, fc.constantFrom("key", "body", "headers", "paths", "kye", "rule"), (literal, field) => {
      const { said } = run(JSON.stringify({ name: "n", [field]: literal }));
      expect(said).toHaveLength(1);
      expect(said[0]).not.toContain("S3CR3T");
    }),
  );
});

test("a slip of the hand in a field's name always finds the field", () => {
  const names = ["status", "condition", "replace", "headers", "paths", "ratio"] as const;
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.nat(), (name, seed) => {
      const at = seed % name.length;
      const typo = `${name.slice(0, at)}q${name.slice(at)}`;
      expect(run(JSON.stringify({ name: "n", [typo]: 1 })).said).toEqual([
        `E_UNKNOWN_FIELD ${typo}: no such field; did you mean "${name}"?`,
      ]);
    }),
  );
});
