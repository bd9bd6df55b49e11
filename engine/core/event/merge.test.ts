import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "./json.ts";
import { merge } from "./merge.ts";

describe("merging (agglo-behaviour 3.7)", () => {
  const cases: [string, JsonObject, JsonObject, JsonObject][] = [
    ["adds what is new", { a: 1 }, { b: { c: 2 } }, { a: 1, b: { c: 2 } }],
    ["joins arrays", { a: [1, [2]] }, { a: [[2], 3] }, { a: [1, [2], [2], 3] }],
    [
      "goes into objects",
      { a: { b: { c: [1] }, d: 1 } },
      { a: { b: { c: [2], e: null } } },
      { a: { b: { c: [1, 2], e: null }, d: 1 } },
    ],
    ["of nothing changes nothing", { a: [1] }, {}, { a: [1] }],
    [
      "takes __proto__ for a key",
      {},
      JSON.parse('{"__proto__":{"x":1}}') as JsonObject,
      JSON.parse('{"__proto__":{"x":1}}') as JsonObject,
    ],
  ];
  test.each(cases)("%s", (_title, base, addition, expected) => {
    const merged = merge(base, addition);
    expect(merged.conflict).toBe("");
    expect(JSON.parse(JSON.stringify(merged.value))).toEqual(expected);
  });

  const conflicts: [JsonObject, JsonObject, string][] = [
    [{ a: 1 }, { a: 1 }, "a"],
    [{ a: null }, { a: null }, "a"],
    [{ a: [1] }, { a: { b: 1 } }, "a"],
    [{ a: { b: [] } }, { x: 1, a: { b: "s" } }, "a.b"],
  ];
  test.each(conflicts)("of %j and %j is a conflict", (base, addition, conflict) => {
    expect(merge(base, addition)).toEqual({ value: base, conflict });
  });

  test("changes neither side, and shares what it did not touch", () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const object = fc.dictionary(fc.constantFrom("a", "b", "c"), json) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(object, object, (base, addition) => {
        const before = JSON.stringify([base, addition]);
        const merged = merge(base, addition).value;
        expect(JSON.stringify([base, addition])).toBe(before);
        for (const key of Object.keys(base)) if (!(key in addition)) expect(merged[key]).toBe(base[key]);
      }),
    );
  });
});
