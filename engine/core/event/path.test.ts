import { describe, expect, test } from "vitest";
import { eventOf } from "./event.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { compilePath, lookup, withValueAt } from "./path.ts";
import { parseSelection, rewrite } from "./select.ts";

function at(value: JsonObject, path: string) {
  return lookup(eventOf(value), compilePath(path));
}

describe("a plain path", () => {
  const value: JsonObject = {
    a: "foo",
    b: { c: 5, d: [3, 4, 5] },
    "x.y": 1,
    deep: { "p.q": { r: 2 } },
    both: { z: "nested" },
    "both.z": "literal",
    none: null,
    "internal:name": "forged",
  };
  const cases: [string, JsonValue | undefined][] = [
    ["a", "foo"],
    ["b.c", 5],
    ["b.d.1", 4],
    ["b.d.3", undefined],
    ["b.d.01", undefined],
    ["x.y", 1],
    ["deep.p.q.r", 2],
    ["both.z", "nested"],
    ["none", null],
    ["a.b", undefined],
    ["toString", undefined],
    ["b.d.length", undefined],
    ["__proto__", undefined],
    ["internal:name", undefined],
  ];
  test.each(cases)("%s", (path, expected) => {
    expect(at(value, path)).toEqual(expected);
  });

  test("a reserved path reads the side object and nothing of the body", () => {
    const event = eventOf(value);
    event.side["internal:name"] = "ours";
    expect(lookup(event, compilePath("internal:name"))).toBe("ours");
  });
});

describe("writing at a path", () => {
  test("makes objects on the way and shares the rest", () => {
    const root: JsonObject = { a: { x: 1 }, b: {} };
    const written = withValueAt(root, ["a", "y", "z"], 2).value;
    expect(written).toEqual({ a: { x: 1, y: { z: 2 } }, b: {} });
    expect(written.b).toBe(root.b);
    expect(root).toEqual({ a: { x: 1 }, b: {} });
  });

  test("is blocked by anything that is no object", () => {
    expect(withValueAt({ a: [1] }, ["a", "0"], 2).blockedAt).toBe("a");
  });

  test("__proto__ is a key like any other", () => {
    const written = withValueAt({}, ["__proto__", "polluted"], 1).value;
    expect(Object.keys(written)).toEqual(["__proto__"]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe("a selecting path", () => {
  const cases: [string, JsonObject, JsonObject][] = [
    ["a", { a: 1, b: 2 }, { a: "*", b: 2 }],
    ["items[*].card", { items: [{ card: 1 }, { x: 2 }, 3] }, { items: [{ card: "*" }, { x: 2 }, 3] }],
    ["items[1]", { items: [1, 2] }, { items: [1, "*"] }],
    ["**.email", { email: 1, u: [{ email: { email: 2 } }] }, { email: "*", u: [{ email: "*" }] }],
    ["**.a.b", { a: { b: 1, a: { b: 2 } } }, { a: { b: "*", a: { b: "*" } } }],
    ["a.*", { a: { x: 1, y: [2] } }, { a: { x: "*", y: "*" } }],
    ["a.b", { a: { b: 1 }, "a.b": 2 }, { a: { b: "*" }, "a.b": "*" }],
    ['a["x.y"].z', { a: { "x.y": { z: 1 } } }, { a: { "x.y": { z: "*" } } }],
    ["list[*]", { list: [[1], "x"] }, { list: ["*", "*"] }],
    ["missing[*].x", { a: 1 }, { a: 1 }],
  ];
  test.each(cases)("%s", (text, input, expected) => {
    const parsed = parseSelection(text);
    expect(parsed.error).toBe("");
    expect(rewrite(input, parsed.path, { visit: () => "*", matches: 0, matchesMax: 100 })).toEqual(expected);
  });

  test("leaves the very same object when nothing is selected", () => {
    const input: JsonObject = { a: [{ b: 1 }] };
    expect(rewrite(input, parseSelection("**.c").path, { visit: () => "*", matches: 0, matchesMax: 9 })).toBe(input);
  });

  test("takes members and elements away", () => {
    const drop = { visit: () => undefined, matches: 0, matchesMax: 9 };
    expect(rewrite({ l: [{ p: 1, q: 2 }, { p: 3 }] }, parseSelection("l[*].p").path, drop)).toEqual({
      l: [{ q: 2 }, {}],
    });
    expect(rewrite({ l: [1, 2], m: 3 }, parseSelection("l[*]").path, drop)).toEqual({ l: [], m: 3 });
  });

  test("visits no more than its bound and says so", () => {
    const visitor = { visit: () => "*", matches: 0, matchesMax: 3 };
    rewrite({ l: [1, 2, 3, 4, 5] }, parseSelection("l[*]").path, visitor);
    expect(visitor.matches).toBeGreaterThan(3);
  });

  test.each(["", "a.", ".a", "a[", "a[x]", "**", "a.**", "a]b", 'a["x'])("%j is refused", (text) => {
    expect(parseSelection(text).error).not.toBe("");
  });
});
