import { describe, expect, test } from "vitest";
import type { JsonValue } from "../event/json.ts";
import { testRegexps } from "../testing.ts";
import { type Argument, Transformation, transformValue } from "./transformation.ts";

const argument: Argument = { given: true, number: 2, pattern: 0, template: "_" };
const patterns = [testRegexps.compile("o")] as never;
const ERROR = Symbol("error");

describe("the table of agglo-behaviour 3.6, with its faults mended", () => {
  const cases: [keyof typeof Transformation, JsonValue, JsonValue | typeof ERROR][] = [
    ["copy", { a: 1 }, { a: 1 }],
    ["copy", null, null],
    ["unknown", 5, 5],
    ["sum", [1, 2.5], 3.5],
    ["sum", [], 0],
    ["sum", [1, "2"], ERROR],
    ["sum", { a: 1 }, ERROR],
    ["sum", null, ERROR],
    ["sum", [1.7e308, 1.7e308], ERROR],
    ["count", [1, 2], 2],
    ["count", [], 0],
    ["count", "ab", ERROR],
    ["mapAdd", [1, 2], [3, 4]],
    ["mapAdd", { a: 1 }, { a: 3 }],
    ["mapAdd", 1, 3],
    ["mapAdd", [], []],
    ["mapAdd", null, null],
    ["mapAdd", "1", ERROR],
    ["mapMult", [3], [6]],
    ["mapMult", 1.7e308, ERROR],
    ["mapRegex", "foo", "f__"],
    ["mapRegex", ["o", "x"], ["_", "x"]],
    ["mapRegex", { a: "o" }, { a: "_" }],
    ["mapRegex", 5, ERROR],
    ["mapRegex", [5], ERROR],
    ["popHead", [1, 2], 1],
    ["popTail", [1, 2], 2],
    ["popHead", [], null],
    ["popHead", {}, ERROR],
    ["popTail", "x", ERROR],
  ];
  test.each(cases)("%s of %j", (type, source, expected) => {
    const made = transformValue(Transformation[type], argument, source, patterns);
    if (expected === ERROR) expect(made.error).not.toBe("");
    else expect(made).toEqual({ value: expected, error: "" });
  });

  test("an error names types, never values", () => {
    expect(transformValue(Transformation.sum, argument, ["4111111111111111"], patterns).error).not.toContain("4111");
  });
});
