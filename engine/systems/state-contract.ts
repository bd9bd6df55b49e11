/** What every store of counts and joins keeps, as a suite: exact sums under any order, once per id, one completion. */
import { beforeEach, describe, expect, test } from "vitest";
import { type JsonObject, newObject } from "../core/event/json.ts";
import type { StateStore } from "../core/ports.ts";
import type { Fold, Join, NumberUpdate, StateAnswer, StateUpdate } from "../core/state/update.ts";

const KEY = "u:p:as";
let ids = 0;

function fold(path: string[], operator: NumberUpdate["operator"], operand: number, id = `auto-${++ids}`): Fold {
  return { kind: "fold", id, key: KEY, path, numbers: [{ name: "value", operator, operand }], reads: false };
}

function joinOf(key: string, joinKey: string, id = `auto-${++ids}`, timeoutMs = 0): Join {
  return { kind: "join", id, key, joinKeys: ["a", "b"], joinKey, timeoutMs };
}

/** `open` gives a store without any state. */
export function keepsState(name: string, open: () => StateStore | Promise<StateStore>): void {
  describe(`${name} counts:`, () => counts(newAsk(open)));
  describe(`${name} counts once:`, () => countsOnce(newAsk(open)));
  describe(`${name} joins:`, () => joins(newAsk(open)));
}

type Ask = {
  /** an update that must succeed */
  update(change: StateUpdate): Promise<StateAnswer>;
  shown(): Promise<JsonObject>;
};

function newAsk(open: () => StateStore | Promise<StateStore>): Ask {
  let store: StateStore;
  beforeEach(async () => {
    store = await open();
  });
  const update = async (change: StateUpdate): Promise<StateAnswer> => {
    const answer = await store.update(change);
    expect(answer.error).toBe("");
    return answer;
  };
  const read: Fold = { kind: "fold", id: "", key: KEY, path: [], numbers: [], reads: true };
  return { update, shown: async () => (await update(read)).values ?? newObject() };
}

function counts({ update, shown }: Ask): void {
  test("nothing is shown of what nobody counted", async () => {
    expect(await shown()).toEqual({});
  });

  test("sums, extremes and averages, by groups of any name", async () => {
    const groups = ["", "a", "a:b", "a%3Ab", "__proto__", "constructor", "é😀", "\ud800", "x".repeat(1024), "nil"];
    for (const group of groups) await update(fold(["n:AggSum", group], "add", 1.5));
    await update(fold(["n:AggSum", "a"], "add", -0.25));
    for (const operand of [-3, -1, -2]) {
      await update(fold(["n:AggMax"], "max", operand));
      await update(fold(["n:AggMin"], "min", operand));
    }
    const average = fold(["n:AggAvg"], "add", 1);
    average.numbers = [
      { name: "num", operator: "add", operand: 1 },
      { name: "sum", operator: "add", operand: 12.75 },
    ];
    await update(average);
    const expected = Object.fromEntries(groups.map((group) => [group, { value: group === "a" ? 1.25 : 1.5 }]));
    // Not toEqual: it does not see an own __proto__.
    expect(entriesOf((await shown())["n:AggSum"] as JsonObject)).toEqual(entriesOf(expected));
    expect(await shown()).toMatchObject({
      "n:AggMax": { value: -1 },
      "n:AggMin": { value: -3 },
      "n:AggAvg": { num: 1, sum: 12.75 },
    });
  });

  test("buckets of any name beside each other", async () => {
    const buckets = ["true", "Path", "IdsNew", "n:value", "__proto__", ""];
    for (const bucket of [...buckets, "true"]) {
      await update({
        ...fold(["n:AggDiscreteHistogram", "buckets"], "add", 1),
        numbers: [{ name: bucket, operator: "add", operand: 1 }],
      });
    }
    const { buckets: found } = (await shown())["n:AggDiscreteHistogram"] as { buckets: JsonObject };
    expect(entriesOf(found)).toEqual(buckets.map((bucket) => [bucket, bucket === "true" ? 2 : 1]).sort());
  });

  test("one pipeline's aggregations are not another's, whatever they are called", async () => {
    const others = ["u:p:as:g", "u:p2:as", "u:p:asx", "u:p%3Aas:as"];
    for (const key of others) await update({ ...fold(["n:AggSum"], "add", 1), key });
    await update(joinOf("u:p:as:c:s:x", "a"));
    await update(fold(["n:AggSum"], "add", 5));
    expect(await shown()).toEqual({ "n:AggSum": { value: 5 } });
  });
}

function countsOnce({ update, shown }: Ask): void {
  test("an id that comes again is not counted again, also beside others", async () => {
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => update(fold(["n"], "add", 1, `same-${i}`))));
    }
    expect(await shown()).toEqual({ n: { value: 20 } });
  });

  test("of many that count at once every one is counted, once", { timeout: 60_000 }, async () => {
    await Promise.all(
      Array.from({ length: 64 }, async (_, worker) => {
        for (let i = 0; i < 5; i++) await update(fold(["n", `${i % 2}`], "add", 1, `${worker}-${i}`));
      }),
    );
    expect(await shown()).toEqual({ n: { "0": { value: 192 }, "1": { value: 128 } } });
  });
}

function joins({ update }: Ask): void {
  test("a value is complete once it was seen under every join key, then starts over", async () => {
    const statuses: (string | undefined)[] = [];
    for (const joinKey of ["a", "a", "b", "b", "a"]) statuses.push((await update(joinOf("u:p:c:c:v", joinKey))).status);
    expect(statuses).toEqual(["triggered", "triggered", "complete", "triggered", "complete"]);
  });

  test("values of any name are values of their own", async () => {
    const values = [
      "s:1",
      "n:1",
      "s:a",
      "s:a:b",
      "s:abcd",
      "s:\ud800",
      "s:\ud801",
      `s:${"x".repeat(1500)}`,
      `s:${"x".repeat(1501)}`,
    ];
    for (const value of values) expect((await update(joinOf(`u:p:c:c:${value}`, "a"))).status).toBe("triggered");
    for (const value of values) expect((await update(joinOf(`u:p:c:c:${value}`, "b"))).status).toBe("complete");
  });

  test("who asks again with his id gets the same answer, also when he completed it", async () => {
    expect((await update(joinOf("k:c:v", "a", "first"))).status).toBe("triggered");
    expect((await update(joinOf("k:c:v", "a", "first"))).status).toBe("triggered");
    expect((await update(joinOf("k:c:v", "b", "second"))).status).toBe("complete");
    expect((await update(joinOf("k:c:v", "b", "second"))).status).toBe("complete");
    expect((await update(joinOf("k:c:v", "a", "third"))).status).toBe("triggered");
  });

  test("who comes after the deadline is told, once", async () => {
    const late = async () => {
      const { status, deadlineMs } = await update(joinOf("k:c:v", "a", undefined, 30));
      while (Date.now() <= deadlineMs) await new Promise(setImmediate);
      return status;
    };
    expect([await late(), await late(), await late()]).toEqual(["triggered", "timedout", "triggered"]);
  });

  test("of many that come at once exactly one completes each value", { timeout: 60_000 }, async () => {
    const sightings = Array.from({ length: 20 }, (_, value) =>
      ["a", "b"].map((key) => joinOf(`k:c:${value}`, key)),
    ).flat();
    const answers = await Promise.all(sightings.map(update));
    const completes = answers.filter(({ status }) => status === "complete").length;
    expect([completes, answers.length - completes]).toEqual([20, 20]);
  });
}

function entriesOf(object: JsonObject): [string, unknown][] {
  return Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
}
