import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newCounters } from "./counters.ts";
import { MEMORY_USES, newMemoryBudget } from "./memory-budget.ts";

describe("a memory budget", () => {
  test("is one for all uses, and tells at once when it is spent", () => {
    const budget = newMemoryBudget(1000, newCounters());
    expect(budget.tryTake("bodies", 600)).toBe(true);
    expect(budget.tryTake("decoded", 400)).toBe(true);
    expect(budget.tryTake("reads", 1)).toBe(false);
    budget.give("bodies", 100);
    expect(budget.tryTake("reads", 100)).toBe(true);
  });

  test("keeps three quarters from the tees, whatever is free", () => {
    const budget = newMemoryBudget(1000, newCounters());
    expect(budget.bytesMax("tees")).toBe(250);
    expect(budget.tryTake("tees", 251)).toBe(false);
    expect(budget.tryTake("tees", 250)).toBe(true);
    expect(budget.tryTake("bodies", 750)).toBe(true);
  });

  test("shows what each use holds and counts how often it was refused", () => {
    const counters = newCounters();
    const budget = newMemoryBudget(1000, counters);
    budget.tryTake("bodies", 10);
    budget.tryTake("tees", 400);
    expect(budget.gauges()).toEqual({
      bytesMax: 1000,
      uses: [
        { use: "reads", bytes: 0 },
        { use: "bodies", bytes: 10 },
        { use: "decoded", bytes: 0 },
        { use: "tees", bytes: 0 },
      ],
    });
    expect(counters.snapshot()).toEqual([{ name: "memoryRefused", label: "tees", value: 1 }]);
  });

  test("throws when more is given back than was taken: somebody's account is wrong", () => {
    const budget = newMemoryBudget(1000, newCounters());
    budget.tryTake("bodies", 10);
    expect(() => budget.give("tees", 1)).toThrow("1 bytes given back for tees, 0 were taken");
  });

  test("is never exceeded, and everything comes back", () => {
    const take = fc.record({ use: fc.constantFrom(...MEMORY_USES), bytes: fc.nat(400), give: fc.boolean() });
    fc.assert(
      fc.property(fc.array(take, { maxLength: 100 }), (script) => {
        const budget = newMemoryBudget(1000, newCounters());
        const held: { use: (typeof MEMORY_USES)[number]; bytes: number }[] = [];
        for (const { use, bytes, give } of script) {
          const oldest = give ? held.shift() : undefined;
          if (oldest !== undefined) budget.give(oldest.use, oldest.bytes);
          const sum = held.reduce((total, other) => total + other.bytes, 0);
          const taken = budget.tryTake(use, bytes);
          if (taken) held.push({ use, bytes });
          else expect(sum + bytes > 1000 || use === "tees").toBe(true);
          expect(held.reduce((total, other) => total + other.bytes, 0)).toBeLessThanOrEqual(1000);
        }
        for (const { use, bytes } of held) budget.give(use, bytes);
        for (const use of MEMORY_USES) {
          expect(budget.tryTake(use, budget.bytesMax(use))).toBe(true);
          budget.give(use, budget.bytesMax(use));
        }
      }),
    );
  });
});
