import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newRawNumber } from "../event/json.ts";
import { advance, type Pending } from "./completion.ts";
import { aggregationKey, completionKey, joinText } from "./key.ts";
import { type Join, updateNumber } from "./update.ts";

describe("keys", () => {
  test("are the original's layout, with the pipeline in both", () => {
    expect(aggregationKey("u", "orders")).toBe("u:orders:as");
    expect(completionKey("u", "orders", "paid", "s:k:1")).toBe("u:orders:paid:c:s:k:1");
  });

  const alike: [[string, string, string], [string, string, string]][] = [
    [
      ["p", "a:c:b", "v"],
      ["p", "a", "b:c:v"],
    ],
    [
      ["p:a", "b", "v"],
      ["p", "a:b", "v"],
    ],
    [
      [":", "a", "v"],
      ["%3A", "a", "v"],
    ],
    [
      ["p", "a", "v:c:w"],
      ["p", "a:c:v", "w"],
    ],
  ];
  test.each(alike)("%j and %j are two (B34)", (a, b) => {
    expect(completionKey("u", ...a)).not.toBe(completionKey("u", ...b));
  });

  test("of different names and values never meet, whatever stands in them (B34)", () => {
    const name = fc.string({ unit: fc.constantFrom(":", "%", "a", "c", "3", "A", "s"), maxLength: 6 });
    const place = fc.tuple(name, name, name);
    fc.assert(
      fc.property(place, place, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        expect(completionKey("u", ...a) === completionKey("u", ...b)).toBe(same);
        expect(aggregationKey("u", a[0]) === aggregationKey("u", b[0])).toBe(a[0] === b[0]);
        expect(aggregationKey("u", a[0])).not.toBe(completionKey("u", ...b));
      }),
    );
  });

  test("tell a value's type and all of a number's digits (B15)", () => {
    const same = [5, newRawNumber("5.0"), newRawNumber("5e0")].map(joinText);
    expect(new Set(same)).toEqual(new Set(["n:5"]));
    const different = [5, "5", "5.000000", true, "true", newRawNumber("12345678901234567890"), 12345678901234567000];
    expect(new Set(different.map(joinText)).size).toBe(different.length);
    expect([null, undefined, {}, []].map(joinText)).toEqual(["", "", "", ""]);
  });
});

describe("a number", () => {
  const cases: ["add" | "max" | "min", number[], number][] = [
    ["add", [1, 5, -2], 4],
    ["max", [-3, -1, -2], -1],
    ["min", [3, 1, 2], 1],
    ["min", [7], 7],
  ];
  test.each(cases)("%s of %j is %d", (operator, operands, expected) => {
    let number: number | undefined;
    for (const operand of operands) number = updateNumber(number, { name: "value", operator, operand });
    expect(number).toBe(expected);
  });
});

describe("a completion", () => {
  const join = (joinKey: string, joinKeys = ["a", "b", "c"], timeoutMs = 10): Join => ({
    kind: "join",
    id: "",
    key: "k",
    joinKeys,
    joinKey,
    timeoutMs,
  });
  /** Runs sightings `<joinKey><time>` one after the other. */
  const run = (sightings: string, joinKeys?: string[], timeoutMs?: number) => {
    let pending: Pending | undefined;
    return sightings.split(" ").map((sighting) => {
      const advanced = advance(pending, join(sighting[0] as string, joinKeys, timeoutMs), Number(sighting.slice(1)));
      pending = advanced.pending;
      return advanced.answer.status;
    });
  };

  const cases: [string, string[]][] = [
    ["a0 b1 c2", ["triggered", "triggered", "complete"]],
    ["c0 c1 a2 b3", ["triggered", "triggered", "triggered", "complete"]],
    ["a0 b1 c2 a3", ["triggered", "triggered", "complete", "triggered"]],
    ["a0 b10 c10", ["triggered", "triggered", "complete"]],
    // Late: once timedout, then the value starts over (B16).
    ["a0 b1 c11 a12 b13 c14", ["triggered", "triggered", "timedout", "triggered", "triggered", "complete"]],
    ["a0 a11 a12", ["triggered", "timedout", "triggered"]],
    // The deadline counts from the first sighting.
    ["a0 b9 c11", ["triggered", "triggered", "timedout"]],
  ];
  test.each(cases)("%s: %j", (sightings, expected) => expect(run(sightings)).toEqual(expected));

  test("without a timeout is never late", () => {
    expect(run("a0 b1 c99999999999", undefined, 0)).toEqual(["triggered", "triggered", "complete"]);
  });

  test("of n join keys is triggered n - 1 times and complete once", () => {
    const names = ["a", "b", "c", "d", "e"];
    expect(run("a0 b0 c0 d0 e0", names)).toEqual([...Array(4).fill("triggered"), "complete"]);
  });

  test("survives a reload that takes a join key away", () => {
    const { pending } = advance(undefined, join("a"), 0);
    expect(advance(pending, join("b", ["b", "a"]), 1).answer.status).toBe("complete");
  });
});
