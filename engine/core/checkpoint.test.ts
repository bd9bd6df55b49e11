import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fault, newRunContext, type RunContext } from "./context.ts";
import { eventOf, newEvent } from "./event/event.ts";
import { copyObject, type JsonObject, setOwn } from "./event/json.ts";
import { parseText } from "./event/parse.ts";
import { writeEvent } from "./event/write.ts";
import { Outcome } from "./outcome.ts";
import { runPipeline } from "./pipeline.ts";
import type { SystemError, TeeTarget } from "./ports.ts";
import { type TestPorts, testOptions, testPipeline, testPorts } from "./testing.ts";

const STORE: TeeTarget = {
  type: "ExternalKVStore",
  name: "store",
  outputType: "kvstore",
  connectionString: "inMemStore",
};
const OPTIONS = testOptions({ checkpoint: STORE });

type Run = (context: RunContext) => Outcome;

/** Adds its letter to `done` and to a reserved key, as long as `works` says so. */
function adds(letter: string, works: { [letter: string]: boolean }): Run {
  return (context) => {
    if (works[letter] === false) return fault(context, "error", "no");
    const copy = copyObject(context.event.value);
    setOwn(copy, "done", `${String(copy.done ?? "")}${letter}`);
    context.event.value = copy;
    setOwn(context.event.side, "internal:last", letter);
    setOwn(context.event.side, `internal:by:${letter}`, true);
    return Outcome.next;
  };
}

async function run(runs: Run[], ports: TestPorts, id: string | undefined = "m1", value: JsonObject = { id: 1 }) {
  const context = newRunContext(eventOf(value), ports);
  if (id !== undefined) setOwn(context.event.side, "internal:messageID", id);
  const outcome = await runPipeline(testPipeline("p", runs, OPTIONS), context, 0);
  return { outcome, value: context.event.value, side: context.event.side, detail: context.faultDetail };
}

describe("a pipeline with a checkpoint", () => {
  test("goes on at the first unfinished process when the event is given again (B24)", async () => {
    const ports = testPorts();
    const works: { [letter: string]: boolean } = { c: false };
    const runs = ["a", "b", "c", "d"].map((letter) => adds(letter, works));
    expect((await run(runs, ports)).outcome).toBe(Outcome.fault);
    expect(JSON.parse(ports.records["p:m1"] ?? "")).toMatchObject({
      "internal:checkpoint:idx": 2,
      "internal:checkpoint:data": { id: 1, done: "ab" },
    });
    works.c = true;
    const again = await run(runs, ports);
    expect(again.outcome).toBe(Outcome.next);
    expect(again.value).toEqual({ id: 1, done: "abcd" });
    expect(again.side).toMatchObject({ "internal:last": "d", "internal:by:a": true, "internal:by:d": true });
    expect(again.side["internal:messageID"]).toBe("m1");
    expect(ports.records).toEqual({});
  });

  const ENDS: [string, Outcome, boolean][] = [
    ["success", Outcome.next, false],
    ["a continuation's stop", Outcome.stop, false],
    ["a refusal", Outcome.refuse, false],
    ["a fault", Outcome.fault, true],
  ];
  test.each(ENDS)("that ends with %s keeps its record: %j %j", async (_title, end, kept) => {
    const ports = testPorts();
    const { outcome } = await run([adds("a", {}), () => end], ports);
    expect(outcome).toBe(end);
    expect(Object.keys(ports.records)).toEqual(kept ? ["p:m1"] : []);
  });

  test("and no processes passes the event and touches nothing (B25)", async () => {
    const ports = testPorts();
    ports.checkpoints.remove = () => Promise.reject(new Error("nothing was kept"));
    expect(await run([], ports)).toMatchObject({ outcome: Outcome.next, value: { id: 1 } });
  });

  test("runs without records where the host gives the event no id (B25)", async () => {
    const ports = testPorts();
    ports.checkpoints.read = () => Promise.reject(new Error("nobody can ask for it"));
    const pipeline = testPipeline("p", [adds("a", {})], OPTIONS);
    expect(runPipeline(pipeline, newRunContext(eventOf({}), ports), 0)).toBe(Outcome.next);
    expect(ports.records).toEqual({});
  });

  test("resumes only its own event, and only its own pipeline's", async () => {
    const ports = testPorts();
    await run([adds("a", {}), adds("b", { b: false })], ports, "m1");
    expect((await run([adds("a", {}), adds("b", {})], ports, "m2", { id: 2 })).value).toEqual({ id: 2, done: "ab" });
    expect(Object.keys(ports.records)).toEqual(["p:m1"]);
  });

  test("a body key that is spelled like a reserved one stays in the body", async () => {
    const ports = testPorts();
    const body = { "internal:last": "forged", "internal:http": { path: "/" } };
    await run([adds("a", {}), adds("b", { b: false })], ports, "m1", body);
    const again = await run([adds("a", {}), adds("b", {})], ports, "m1", body);
    expect(again.value).toEqual({ ...body, done: "ab" });
    expect(again.side["internal:http"]).toBeUndefined();
    expect(again.side["internal:last"]).toBe("b");
  });

  test("whose record is damaged is a fault, and the record stays for whoever looks into it", async () => {
    for (const record of [
      "",
      "[]",
      "{",
      '{"internal:checkpoint:idx":-1,"internal:checkpoint:data":{}}',
      "null",
      '{"internal:checkpoint:idx":1,"internal:checkpoint:data":5}',
    ]) {
      const ports = testPorts();
      ports.records["p:m1"] = record;
      expect(await run([adds("a", {})], ports)).toMatchObject({ outcome: Outcome.fault, value: { id: 1 } });
      expect(ports.records["p:m1"]).toBe(record);
    }
  });

  test("a record of a longer pipeline ends this one", async () => {
    const ports = testPorts();
    ports.records["p:m1"] = '{"internal:checkpoint:idx":9,"internal:checkpoint:data":{"old":true}}';
    expect(await run([adds("a", {})], ports)).toMatchObject({ outcome: Outcome.next, value: { old: true } });
    expect(ports.records).toEqual({});
  });

  const BROKEN: SystemError = { code: "x", message: "the store is down", retryable: true };
  test.each(["read", "write", "remove"] as const)(
    "whose store cannot %s is a fault that says so",
    async (operation) => {
      const ports = testPorts();
      ports.checkpoints[operation] = () => Promise.resolve(BROKEN);
      expect(await run([adds("a", {})], ports)).toMatchObject({
        outcome: Outcome.fault,
        detail: "checkpoint: the store is down",
      });
    },
  );

  test("numbers that a double does not hold survive a crash", async () => {
    const text = '{"n": 12345678901234567890, "one": 1.0}';
    const ports = testPorts();
    let value = "";
    for (const b of [false, true]) {
      const parsed = parseText(text, 0, text.length, 10).value as JsonObject;
      const context = newRunContext(newEvent(parsed, text, 0, text.length), ports);
      setOwn(context.event.side, "internal:messageID", "m1");
      await runPipeline(testPipeline("p", [adds("a", {}), adds("b", { b })], OPTIONS), context, 0);
      value = writeEvent(context.event);
    }
    expect(JSON.parse(value)).toMatchObject({ done: "ab" });
    expect(value).toContain("12345678901234567890");
    expect(value).toContain("1.0");
  });

  test("crashes anywhere: every process runs at least once, in order, and none twice that was recorded", async () => {
    // A crash: nothing is answered any more. Which call of the store it is, chance decides.
    await fc.assert(
      fc.asyncProperty(fc.nat(8), fc.nat(4), async (first, second) => {
        const ports = testPorts();
        const ran: string[] = [];
        const runs = ["a", "b", "c"].map(
          (letter): Run =>
            (context) => {
              ran.push(letter);
              return adds(letter, {})(context);
            },
        );
        const { write, remove } = ports.checkpoints;
        ports.checkpoints.write = (target, pipeline, id, record) => {
          ran.push(`saved ${(JSON.parse(record) as JsonObject)["internal:checkpoint:idx"]}`);
          return write(target, pipeline, id, record);
        };
        ports.checkpoints.remove = (...args) => {
          ran.push("removed");
          return remove(...args);
        };
        for (const crashAt of [first, second]) await runUntilCrash(runs, ports, crashAt);
        const last = await run(runs, ports);
        expect(last.outcome).toBe(Outcome.next);
        expect(last.value.done).toBe("abc");
        expect(ports.records).toEqual({});
        let finished = 0;
        for (const step of ran) {
          const saved = /^saved (\d)$/.exec(step)?.[1];
          if (saved !== undefined) finished = Number(saved);
          else if (step === "removed") finished = 0;
          else expect(["a", "b", "c"].indexOf(step), ran.join(" ")).toBeGreaterThanOrEqual(finished);
        }
        expect([...new Set(ran.filter((step) => step.length === 1))]).toEqual(["a", "b", "c"]);
      }),
      { numRuns: 60 },
    );
  });
});

/** Runs until the store's call number `crashAt`, which never answers; done or crashed, comes back. */
async function runUntilCrash(runs: Run[], ports: TestPorts, crashAt: number): Promise<void> {
  const real = { ...ports.checkpoints };
  let calls = 0;
  await new Promise<void>((resolve) => {
    const crashes = (): boolean => {
      if (calls++ < crashAt) return false;
      resolve();
      return true;
    };
    const never = new Promise<never>(() => undefined);
    ports.checkpoints.read = (...args) => (crashes() ? never : real.read(...args));
    ports.checkpoints.write = (...args) => (crashes() ? never : real.write(...args));
    ports.checkpoints.remove = (...args) => (crashes() ? never : real.remove(...args));
    void run(runs, ports).then(() => resolve());
  });
  Object.assign(ports.checkpoints, real);
}
