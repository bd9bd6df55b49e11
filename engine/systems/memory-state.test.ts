import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../core/event/json.ts";
import { testStore } from "../core/state/testing.ts";
import type { Fold, Join, StateUpdate } from "../core/state/update.ts";
import { newMemoryState, STATE_LIMITS, type StateLimits } from "./memory-state.ts";
import { keepsState } from "./state-contract.ts";

let ids = 0;
function add(path: string[], operand = 1, id = `auto-${++ids}`): Fold {
  const number = { name: "value", operator: "add", operand } as const;
  return { kind: "fold", id, key: "u:p:as", path, numbers: [number], reads: true };
}

function join(key: string, joinKey: string, timeoutMs = 0, id = `auto-${++ids}`): Join {
  return { kind: "join", id, key, joinKeys: ["a", "b"], joinKey, timeoutMs };
}

const READ: Fold = { kind: "fold", id: "", key: "u:p:as", path: ["n"], numbers: [], reads: true };

function setUp(limits: Partial<StateLimits> = {}) {
  const clock = { nowMs: 1000 };
  const state = newMemoryState({ ...STATE_LIMITS, ...limits }, () => clock.nowMs);
  return { clock, state };
}

keepsState("memory", () => newMemoryState(STATE_LIMITS, Date.now));

describe("what was shown stays as it was", () => {
  test("and what did not change since is shared", () => {
    const { state } = setUp();
    state.update(add(["n", "x"]));
    const before = state.update(add(["n", "y"])).values as { n: JsonObject };
    const after = state.update(add(["n", "y"])).values as { n: JsonObject };
    expect(before).toEqual({ n: { x: { value: 1 }, y: { value: 1 } } });
    expect(after).toEqual({ n: { x: { value: 1 }, y: { value: 2 } } });
    expect(after.n.x).toBe(before.n.x);
    expect(state.update(READ).values).toBe(after);
  });

  test("groups of any name are groups, also where a reload changed their depth", () => {
    const { state } = setUp();
    for (const path of [["n"], ["n", "__proto__"], ["n", "__proto__", "constructor"]]) state.update(add(path));
    expect(JSON.stringify(state.update(READ).values)).toBe(
      '{"n":{"value":1,"__proto__":{"value":1,"constructor":{"value":1}}}}',
    );
  });
});

describe("an id that comes again", () => {
  test("is answered as before and changes nothing", () => {
    const { state } = setUp();
    expect(state.update(add(["n"], 5, "1")).values).toEqual({ n: { value: 5 } });
    expect(state.update(add(["n"], 5, "1")).values).toEqual({ n: { value: 5 } });
    expect(state.update(add(["n"], 5, "2")).values).toEqual({ n: { value: 10 } });
    state.update(join("k", "a"));
    expect(state.update(join("k", "b", 0, "3")).status).toBe("complete");
    expect(state.update(join("k", "b", 0, "3")).status).toBe("complete");
    expect(state.size().pending).toBe(0);
  });

  test("is remembered for its time at least, and no more of them than twice the limit", () => {
    const { state, clock } = setUp({ idsMax: 100, idsMs: 1000 });
    state.update(add(["n"], 1, "first"));
    clock.nowMs += 1000;
    state.update(add(["n"], 1, "first"));
    expect(state.update(READ).values).toEqual({ n: { value: 1 } });
    clock.nowMs += 3000;
    state.update(add(["n"], 1, "second"));
    clock.nowMs += 3000;
    state.update(add(["n"], 1, "first"));
    expect(state.update(READ).values).toEqual({ n: { value: 3 } });
    for (let i = 0; i < 1000; i++) {
      state.update(add(["n"], 1, `${i}`));
      expect(state.size().ids).toBeLessThanOrEqual(200);
    }
    for (let i = 900; i < 1000; i++) state.update(add(["n"], 1, `${i}`));
    expect(state.update(READ).values).toEqual({ n: { value: 1003 } });
  });

  test("after a failure is done for the first time", () => {
    const { state, clock } = setUp({ pendingMax: 1 });
    state.update(join("k1", "a", 10));
    expect(state.update(join("k2", "a", 10, "x")).reason).toBe("overload");
    clock.nowMs += 5000;
    expect(state.update(join("k2", "a", 10, "x"))).toMatchObject({ error: "", status: "triggered" });
  });
});

describe("what clients can make grow is bounded:", () => {
  test("groups; those that are there go on counting", () => {
    const { state } = setUp({ numbersMax: 2 });
    state.update(add(["n", "x"]));
    state.update(add(["n", "y"]));
    const refused = state.update(add(["n", "z"]));
    expect(refused).toMatchObject({ reason: "overload", retryable: false });
    expect(refused.error).not.toContain("z");
    expect(state.update(add(["n", "x"])).values).toEqual({ n: { x: { value: 2 }, y: { value: 1 } } });
    expect(state.size().numbers).toBe(2);
  });

  test("their bytes", () => {
    const { state } = setUp({ bytesMax: 4000 });
    let taken = 0;
    while (state.update(add(["n", `${taken} ${"x".repeat(100)}`])).error === "") taken++;
    expect(taken).toBeGreaterThan(3);
    expect(taken).toBeLessThan(4000 / 200);
    expect(state.update(add(["n", `0 ${"x".repeat(100)}`])).error).toBe("");
  });

  test("buckets", () => {
    const { state } = setUp({ numbersMax: 3 });
    const bucket = (name: string): Fold => ({
      ...add(["n", "buckets"]),
      numbers: [{ name, operator: "add", operand: 1 }],
    });
    for (const name of ["a", "b", "c", "a"]) expect(state.update(bucket(name)).error).toBe("");
    expect(state.update(bucket("d")).reason).toBe("overload");
  });

  test("values that wait, where those past their deadline make room once a second", () => {
    const { state, clock } = setUp({ pendingMax: 2 });
    state.update(join("k1", "a", 10));
    state.update(join("k2", "a", 5000));
    expect(state.update(join("k3", "a", 10)).reason).toBe("overload");
    clock.nowMs += 1000;
    expect(state.update(join("k3", "a", 10)).status).toBe("triggered");
    expect(state.update(join("k2", "b", 5000)).status).toBe("complete");
    expect(state.size().pending).toBe(1);
  });

  test("the search for room is not made for each of many events", () => {
    const { state, clock } = setUp({ pendingMax: 1 });
    state.update(join("k1", "a", 500));
    expect(state.update(join("k2", "a", 500)).reason).toBe("overload");
    clock.nowMs += 600;
    expect(state.update(join("k2", "a", 500)).reason).toBe("overload");
    clock.nowMs += 400;
    expect(state.update(join("k2", "a", 500)).status).toBe("triggered");
  });

  test("the bytes of values that wait; those of complete ones are given back", () => {
    const { state } = setUp({ bytesMax: 2000 });
    for (let i = 0; i < 20; i++) {
      expect(state.update(join(`${i} ${"x".repeat(500)}`, "a")).status).toBe("triggered");
      expect(state.update(join(`${i} ${"x".repeat(500)}`, "b")).status).toBe("complete");
    }
    expect(state.update(join("x".repeat(500), "a")).status).toBe("triggered");
    expect(state.update(join("y".repeat(500), "a")).reason).toBe("overload");
  });

  test("values nobody asks for any more are gone after their time", () => {
    const { state, clock } = setUp({ keptMs: 100 });
    for (let i = 0; i < 50; i++) state.update(join(`old ${i}`, "a", i % 2 === 0 ? 10 : 0));
    clock.nowMs += 111;
    for (let i = 0; i < 60; i++) {
      state.update(join(`new ${i}`, "a"));
      state.update(join(`new ${i}`, "b"));
    }
    expect(state.size().pending).toBe(0);
  });

  test("a value past that time starts over, also when nobody has swept it yet", () => {
    const { state, clock } = setUp({ keptMs: 100 });
    state.update(join("late", "a", 10));
    state.update(join("late 2", "a", 10));
    for (let i = 0; i < 9; i++) state.update(join(`other ${i}`, "a"));
    clock.nowMs += 105;
    expect(state.update(join("late", "b", 10)).status).toBe("timedout");
    clock.nowMs += 10;
    expect(state.update(join("late 2", "b", 10)).status).toBe("triggered");
  });
});

test("a sum beyond any number is refused and stays as it was", () => {
  const { state } = setUp();
  state.update(add(["n"], 1e308));
  const average: Fold = {
    ...add(["n"]),
    numbers: [
      { name: "num", operator: "add", operand: 1 },
      { name: "value", operator: "add", operand: 1e308 },
    ],
  };
  expect(state.update(average)).toMatchObject({ error: "n would be beyond any number", reason: "error" });
  expect(state.update(READ).values).toEqual({ n: { value: 1e308 } });
});

test("any updates in any order give what a store that copies everything gives", () => {
  const name = fc.constantFrom("x", "y", "value", "__proto__");
  const operator = fc.constantFrom("add" as const, "max" as const, "min" as const);
  const fold = fc.record({
    kind: fc.constant("fold" as const),
    id: fc.nat(60).map(String),
    key: fc.constantFrom("u:p:as", "u:q:as"),
    // Of one length: numbers and groups of one name are not told apart where they are shown.
    path: fc.tuple(name, name),
    numbers: fc.array(fc.record({ name: fc.constantFrom("value", "num"), operator, operand: fc.integer() }), {
      maxLength: 1,
    }),
    reads: fc.boolean(),
  });
  const joins = fc.record({
    kind: fc.constant("join" as const),
    id: fc.nat(60).map((n) => `j${n}`),
    key: fc.constantFrom("k", "k:1"),
    joinKeys: fc.constant(["a", "b"]),
    joinKey: fc.constantFrom("a", "b"),
    timeoutMs: fc.constantFrom(0, 3),
  });
  const updates = fc.array(fc.tuple(fc.oneof(fold, joins) as fc.Arbitrary<StateUpdate>, fc.nat(2)), { maxLength: 60 });
  fc.assert(
    fc.property(updates, (list) => {
      const { state, clock } = setUp();
      const oracle = testStore(() => clock.nowMs);
      for (const [update, passed] of list) {
        clock.nowMs += passed;
        expect(JSON.stringify(state.update(update))).toBe(JSON.stringify(oracle.update(update)));
      }
    }),
  );
});
