import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  type BatchLimits,
  CODECS,
  type Codec,
  type SystemError,
  type SystemType,
  type TeeSending,
  type TeeTarget,
} from "../core/ports.ts";
import { deliverTo, directTees } from "../systems/direct-tees.ts";
import { isSystemError } from "../systems/failure.ts";
import { newMemory } from "../systems/memory.ts";
import { findSystem } from "../systems/registry.ts";
import type { Outgoing } from "../systems/send.ts";
import { newCounters } from "./counters.ts";
import { newMemoryBudget } from "./memory-budget.ts";
import { nodeTimers } from "./ports.ts";
import { queuedTees } from "./tee-queue.ts";
import { chargeOf, DOWN, newRig, ONE_BY_ONE, type Rig, SENT, targetOf, WRONG } from "./testing/tee-rig.ts";

describe("an offered event", () => {
  test("is sent after the caller is done, not before", async () => {
    const rig = newRig();
    rig.offer("a", "1", '{"é":1}');
    expect(rig.attempts).toEqual([]);
    expect(rig.queue.gauges()).toMatchObject({ events: 1, bytes: chargeOf(8) });
    await rig.timers.settle();
    expect(rig.attempts).toEqual(["a 1"]);
    rig.calls[0]?.answer(SENT);
    await rig.timers.settle();
    expect(rig.queue.gauges()).toMatchObject({ events: 0, bytes: 0 });
    expect(rig.count("teeSent", "a")).toBe(1);
    expect(rig.lines).toEqual([]);
  });

  test("starts in the order of the offers, with no more under way than allowed", async () => {
    const rig = newRig();
    for (const id of ["1", "2", "3", "4"]) rig.offer("a", id, "{}");
    await rig.timers.settle();
    expect(rig.calls.map((call) => call.id)).toEqual(["1", "2"]);
    rig.calls[1]?.answer(SENT);
    await rig.timers.settle();
    expect(rig.calls.map((call) => call.id)).toEqual(["1", "3"]);
  });

  test("is sent again after 100, 200, 400 ms, then lost, and the line masks the password", async () => {
    const rig = newRig();
    rig.offer("a", "1", '{"card":"4111"}');
    await rig.timers.settle();
    for (const waitMs of [100, 200, 400]) {
      rig.calls[0]?.answer(DOWN);
      await rig.timers.settle();
      await rig.timers.advance(waitMs - 1);
      expect(rig.calls).toEqual([]);
      await rig.timers.advance(1);
    }
    rig.calls[0]?.answer(DOWN);
    await rig.timers.settle();
    expect(rig.attempts).toHaveLength(4);
    expect(rig.count("teeDropped", "a|retries")).toBe(1);
    expect(rig.count("teeRetried", "a")).toBe(3);
    expect(rig.lines.map((entry) => entry.line)).toEqual([
      'tee to "a": 1 lost since the last line (retries 1); last error: error status 503 at http://***@host/',
    ]);
  });

  test("waits no longer than the cap, and up to half of it less", async () => {
    const rig = newRig({ retriesMax: 20, random: () => 1 });
    rig.offer("a", "1", "{}");
    await rig.timers.settle();
    for (let i = 0; i < 10; i++) {
      rig.calls[0]?.answer(DOWN);
      await rig.timers.settle();
      await rig.timers.advance(500);
    }
    expect(rig.attempts).toHaveLength(11);
  });

  test("that its target refuses for good is lost at once, in one line of log", async () => {
    const rig = newRig();
    rig.offer("a", "1", "{}");
    await rig.timers.settle();
    rig.calls[0]?.answer(WRONG);
    await rig.timers.settle();
    expect(rig.attempts).toHaveLength(1);
    expect(rig.lines.map((entry) => entry.line)).toEqual([
      'tee to "a": 1 lost since the last line (retries 1); last error: error status 400\\nforged line',
    ]);
  });

  test("whose delivery rejects, which is our own bug, is accounted for", async () => {
    const rig = newRig({ deliver: () => Promise.reject(new Error("bug")) });
    rig.offer("a", "1", "{}");
    await rig.timers.settle();
    expect(rig.count("teeDropped", "a|retries")).toBe(1);
    expect(rig.queue.gauges()).toMatchObject({ events: 0, bytes: 0 });
  });
});

describe("a batch that is refused for what is in it", () => {
  const BAD: SystemError = { code: "http422", message: "", retryable: false, divisible: true };
  const eventsIn = async ({ body, codec }: Outgoing): Promise<number[]> => {
    const text = (codec === "ndjson.gz" ? gunzipSync(body) : Buffer.from(body)).toString();
    const lines = codec === "json" ? (JSON.parse(text) as { n: number }[]) : text.trimEnd().split("\n");
    return lines.map((line) => (typeof line === "string" ? (JSON.parse(line) as { n: number }) : line).n);
  };

  /** A queue whose target refuses whatever the one bad event is in; which events came in each call. */
  function newPicky(codec: Codec, type: SystemType, bad: (n: number) => boolean) {
    const calls: number[][] = [];
    const rig = newRig({
      deliver: async (_target, outgoing) => {
        const events = await eventsIn(outgoing);
        calls.push(events);
        return events.some(bad) ? BAD : SENT;
      },
      timers: nodeTimers(),
      memory: newMemoryBudget(40_000_000, newCounters()),
      eventsMax: 10_000,
      targetEvents: 10_000,
      targetBytes: 8_000_000,
    });
    const sending: TeeSending = {
      tee: "t",
      keyPrefix: "",
      spool: "",
      batch: { events: 1000, bytes: 200_000, ms: 60_000, codec },
    };
    const offer = (count: number) => {
      const target = { ...targetOf("a"), type };
      for (let n = 0; n < count; n++) rig.queue.offer(target, sending, `id-${n}`, JSON.stringify({ n, é: "\u00e9" }));
    };
    return { ...rig, calls, offer };
  }

  test.each(CODECS)("loses the bad one alone, as %s, and the rest comes once and in order", async (codec) => {
    const rig = newPicky(codec, "ExternalHttp", (n) => n === 5);
    rig.offer(8);
    await rig.queue.drain(10_000);
    expect(rig.calls).toEqual([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [6, 7]]);
    expect(rig.count("teeSent", "a")).toBe(7);
    expect(rig.count("teeDropped", "a|retries")).toBe(1);
    expect(rig.queue.gauges()).toMatchObject({ events: 0, bytes: 0 });
    expect(rig.lines.map(({ line }) => line)).toEqual([
      expect.stringContaining("1 lost since the last line (retries 1)"),
    ]);
  });

  test("is not taken apart without end: where all are bad, the calls are bounded, and all are counted", async () => {
    const rig = newPicky("ndjson", "ExternalPubSub", () => true);
    rig.offer(1000);
    await rig.queue.drain(10_000);
    expect(rig.calls.length).toBe(2 * 128 + 1);
    expect(rig.count("teeDropped", "a|retries")).toBe(1000);
    expect(rig.queue.gauges()).toMatchObject({ events: 0, bytes: 0 });
  });

  test("is one object for good where it goes to an object store", async () => {
    const rig = newPicky("ndjson", "ExternalObjectStore", (n) => n === 5);
    rig.offer(8);
    await rig.queue.drain(10_000);
    expect(rig.calls).toHaveLength(1);
    expect(rig.count("teeDropped", "a|retries")).toBe(8);
  });

  test("is counted whole as lost when the end comes before its halves are sent", async () => {
    const rig = newRig();
    const batch: BatchLimits = { events: 4, bytes: 1000, ms: 1000, codec: "ndjson" };
    for (let n = 0; n < 4; n++)
      rig.queue.offer(targetOf("a"), { tee: "t", keyPrefix: "", spool: "", batch }, `${n}`, `{"n":${n}}`);
    await rig.timers.settle();
    rig.calls[0]?.answer(BAD);
    await rig.timers.settle();
    expect(rig.calls).toHaveLength(1);
    expect(rig.queue.gauges().events).toBe(4);
    const drained = rig.queue.drain(100);
    await rig.timers.advance(100);
    await drained;
    expect(rig.count("teeDropped", "a|shutdown")).toBe(4);
    expect(rig.queue.gauges()).toMatchObject({ events: 0, bytes: 0 });
  });
});

describe("a queue", () => {
  test("that is full loses what comes, counts it and says so at most once a second", async () => {
    const rig = newRig({ targetEvents: 3 });
    for (let i = 0; i < 3; i++) rig.offer("a", `${i}`, "{}");
    for (let tenth = 0; tenth < 25; tenth++) {
      rig.offer("a", `x${tenth}`, "{}");
      await rig.timers.advance(100);
    }
    await rig.timers.advance(5000);
    expect(rig.count("teeDropped", "a|full")).toBe(25);
    expect(rig.lines).toEqual([
      { atMs: 1_000_000, line: 'tee to "a": 1 lost since the last line (full 1)' },
      { atMs: 1_001_000, line: 'tee to "a": 9 lost since the last line (full 9)' },
      { atMs: 1_002_000, line: 'tee to "a": 10 lost since the last line (full 10)' },
      { atMs: 1_003_000, line: 'tee to "a": 5 lost since the last line (full 5)' },
    ]);
  });

  test("keeps room for the others when one target is dead", async () => {
    const rig = newRig(); // 10,000 bytes, half of them for each
    for (let i = 0; i < 200; i++) rig.offer("dead", `${i}`, "x".repeat(20));
    rig.offer("alive", "1", "x".repeat(500));
    await rig.timers.settle();
    expect(rig.queue.gauges()).toMatchObject({ events: 10, bytes: 9 * chargeOf(20) + chargeOf(500) });
    rig.calls.find((call) => call.target === "alive")?.answer(SENT);
    await rig.timers.settle();
    expect(rig.count("teeSent", "alive")).toBe(1);
    expect(rig.count("teeDropped", "dead|full")).toBe(191);
  });

  test("takes its memory from the process, gives it back, and is refused where others hold it", async () => {
    const rig = newRig();
    rig.memory.tryTake("bodies", 39_000);
    rig.offer("a", "1", "x".repeat(300));
    rig.offer("a", "2", "x".repeat(300));
    await rig.timers.settle();
    expect(rig.count("teeDropped", "a|full")).toBe(1);
    expect(rig.memory.gauges().uses[3]).toEqual({ use: "tees", bytes: chargeOf(300) });
    rig.calls[0]?.answer(SENT);
    await rig.timers.settle();
    expect(rig.memory.gauges().uses[3]?.bytes).toBe(0);
  });

  test("has no place at all for an event over its share, which is said apart from a full one", () => {
    const rig = newRig();
    rig.offer("a", "1", "x".repeat(5000));
    expect(rig.count("teeDropped", "a|tooLarge")).toBe(1);
  });

  test("counts what its target finds too large", async () => {
    const rig = newRig();
    rig.offer("a", "1", "{}");
    await rig.timers.settle();
    rig.calls[0]?.answer({ code: "http413", message: "error status 413", retryable: false });
    await rig.timers.settle();
    expect(rig.count("teeDropped", "a|tooLarge")).toBe(1);
  });

  test("tells two systems of one name and different types apart", async () => {
    const rig = newRig({ concurrency: 1 });
    rig.offer("a", "1", "{}");
    rig.queue.offer(
      { ...targetOf("a"), type: "ExternalKVStore", connectionString: "inMemStore" },
      ONE_BY_ONE,
      "2",
      "{}",
    );
    await rig.timers.settle();
    expect(rig.calls.map((call) => call.id)).toEqual(["1", "2"]);
  });

  test("lets go of thousands of events in order", async () => {
    const rig = newRig({ eventsMax: 5000, targetEvents: 5000 }, 1e9);
    for (let i = 0; i < 5000; i++) rig.offer("a", `${i}`, "{}");
    await rig.timers.settle();
    while (rig.calls.length > 0) {
      for (const call of [...rig.calls]) call.answer(SENT);
      await rig.timers.settle();
    }
    expect(rig.attempts).toEqual(Array.from({ length: 5000 }, (_, i) => `a ${i}`));
    expect(rig.count("teeSent", "a")).toBe(5000);
  });
});

describe("draining", () => {
  test("sends what is left, takes no more, and leaves no timer behind", async () => {
    const rig = newRig();
    for (const id of ["1", "2", "3"]) rig.offer("a", id, "{}");
    const drained = rig.queue.drain(1000);
    rig.offer("a", "late", "{}");
    await rig.timers.settle();
    while (rig.calls.length > 0) {
      rig.calls[0]?.answer(SENT);
      await rig.timers.settle();
    }
    await drained;
    expect(rig.count("teeSent", "a")).toBe(3);
    expect(rig.count("teeDropped", "a|shutdown")).toBe(1);
    expect(rig.timers.timerCount()).toBe(0);
  });

  test("that takes too long drops the rest as shutdown, once, whatever is answered later", async () => {
    const rig = newRig();
    for (const id of ["1", "2", "3"]) rig.offer("a", id, "{}");
    await rig.timers.settle();
    rig.calls[1]?.answer(DOWN);
    await rig.timers.settle();
    const drained = rig.queue.drain(50);
    expect(rig.queue.drain(9999)).toBe(drained);
    await rig.timers.advance(50);
    await drained;
    rig.calls[0]?.answer(SENT);
    await rig.timers.advance(5000);
    expect(rig.attempts).toEqual(["a 1", "a 2"]);
    expect(rig.count("teeSent", "a")).toBe(0);
    expect(rig.count("teeDropped", "a|shutdown")).toBe(3);
    expect(rig.queue.gauges()).toMatchObject({ events: 0, bytes: 0 });
    expect(rig.lines.map((entry) => entry.line)).toEqual(['tee to "a": 3 lost since the last line (shutdown 3)']);
  });

  test("says what was lost before the process ends, without waiting for the second to be over", async () => {
    const rig = newRig({ targetEvents: 0 });
    for (const id of ["1", "2", "3"]) rig.offer("a", id, "{}");
    await rig.queue.drain(1000);
    expect(rig.lines.map((entry) => entry.line)).toEqual([
      'tee to "a": 1 lost since the last line (full 1)',
      'tee to "a": 2 lost since the last line (full 2)',
    ]);
    expect(rig.timers.timerCount()).toBe(0);
  });

  test("an empty queue is done at once", async () => {
    const rig = newRig();
    await rig.queue.drain(1000);
    expect(rig.timers.timerCount()).toBe(0);
  });
});

describe("a target that is down", () => {
  const circuit = { failuresMax: 3, waitMs: 1000, waitMaxMs: 4000 };

  /** Three events failed: the circuit is open. */
  async function down() {
    const rig = newRig({ circuit, concurrency: 3, retriesMax: 99 });
    for (const id of ["1", "2", "3", "4"]) rig.offer("a", id, "{}");
    await rig.timers.settle();
    for (const call of [...rig.calls]) call.answer(DOWN);
    await rig.timers.settle();
    expect(rig.queue.gauges().targets).toMatchObject([{ target: "a", events: 4, down: true }]);
    return rig;
  }

  test("is left alone but for one try after each wait, which doubles to its longest", async () => {
    const rig = await down();
    for (const waitMs of [1000, 2000, 4000, 4000]) {
      const before = rig.attempts.length;
      await rig.timers.advance(waitMs - 1);
      expect(rig.attempts).toHaveLength(before);
      await rig.timers.advance(1);
      expect(rig.attempts).toHaveLength(before + 1);
      rig.calls[0]?.answer(DOWN);
      await rig.timers.settle();
    }
    expect(rig.queue.gauges().events).toBe(4);
  });

  test("gets everything once a try succeeds, and both are said once", async () => {
    const rig = await down();
    await rig.timers.advance(1000);
    rig.calls[0]?.answer(DOWN);
    await rig.timers.advance(2000);
    while (rig.calls.length > 0) {
      rig.calls[0]?.answer(SENT);
      await rig.timers.settle();
    }
    expect(rig.count("teeSent", "a")).toBe(4);
    expect(rig.queue.gauges().targets).toMatchObject([{ events: 0, down: false }]);
    expect(rig.lines.map((entry) => entry.line)).toEqual([
      'tee to "a": down, copies wait; error status 503 at http://***@host/',
      'tee to "a": back after 3 s',
    ]);
  });

  test("takes up work again when an answer to an older try arrives", async () => {
    const rig = newRig({ circuit: { ...circuit, failuresMax: 1 }, concurrency: 2 });
    for (const id of ["1", "2", "3"]) rig.offer("a", id, "{}");
    await rig.timers.settle();
    rig.calls[1]?.answer(DOWN);
    await rig.timers.settle();
    expect(rig.queue.gauges().targets[0]?.down).toBe(true);
    rig.calls[0]?.answer(SENT);
    await rig.timers.settle();
    expect(rig.calls.map((call) => call.id)).toEqual(["3"]);
  });

  test("that went down again meanwhile has its whole wait: the first one's end is not its", async () => {
    const rig = newRig({ circuit: { ...circuit, failuresMax: 1 }, concurrency: 3, retriesMax: 99 });
    for (const id of ["1", "2", "3"]) rig.offer("a", id, "{}");
    await rig.timers.settle();
    rig.calls[0]?.answer(DOWN); // its wait would end at 1000
    await rig.timers.advance(600);
    rig.calls[0]?.answer(SENT);
    await rig.timers.advance(100);
    while (rig.calls.length > 0) {
      rig.calls[0]?.answer(DOWN); // the next begins at 700
      await rig.timers.settle();
    }
    const before = rig.attempts.length;
    await rig.timers.advance(999);
    expect(rig.attempts).toHaveLength(before);
    await rig.timers.advance(1);
    expect(rig.attempts).toHaveLength(before + 1);
  });

  test("is tried once more at once when the process ends, and no timer is left behind", async () => {
    const rig = await down();
    await rig.timers.advance(500); // the retries' own waits are over
    const drained = rig.queue.drain(1000);
    await rig.timers.settle();
    expect(rig.calls).toHaveLength(1);
    while (rig.calls.length > 0) {
      rig.calls[0]?.answer(SENT);
      await rig.timers.settle();
    }
    await drained;
    expect(rig.count("teeSent", "a")).toBe(4);
    expect(rig.timers.timerCount()).toBe(0);
  });

  test("that stays down when the process ends costs what waits, and leaves no timer behind either", async () => {
    const rig = await down();
    await rig.timers.advance(500);
    const drained = rig.queue.drain(200);
    await rig.timers.settle();
    rig.calls[0]?.answer(DOWN);
    await rig.timers.advance(200);
    await drained;
    expect(rig.count("teeDropped", "a|shutdown")).toBe(4);
    expect(rig.timers.timerCount()).toBe(0);
  });

  test("does not keep one event for ever: its tries are counted all the same", async () => {
    const rig = newRig({ circuit, concurrency: 1, retriesMax: 5 });
    rig.offer("a", "1", "{}");
    for (let tries = 0; tries < 6; tries++) {
      await rig.timers.advance(4000);
      rig.calls[0]?.answer(DOWN);
      await rig.timers.settle();
    }
    expect(rig.count("teeDropped", "a|retries")).toBe(1);
  });
});

test("a target that limps gets no more retries than a share of what it takes: the others come late", async () => {
  const rig = newRig({ concurrency: 20, backoff: { firstMs: 100, maxMs: 60_000 } }, 1e6);
  for (let i = 0; i < 15; i++) rig.offer("a", `${i}`, "{}");
  await rig.timers.settle();
  for (const call of [...rig.calls]) call.answer(DOWN);
  await rig.timers.advance(100);
  expect(rig.calls).toHaveLength(10); // as many as are free
  for (const call of [...rig.calls]) call.answer(SENT);
  await rig.timers.advance(60_000);
  expect(rig.calls).toHaveLength(5);
  for (const call of [...rig.calls].slice(0, 4)) call.answer(DOWN);
  await rig.timers.advance(200);
  expect(rig.calls).toHaveLength(1 + 2); // ten that were sent paid for two
});

describe("a batch", () => {
  const batch = (changes: Partial<BatchLimits> = {}, keyPrefix = ""): TeeSending => ({
    tee: JSON.stringify(changes),
    keyPrefix,
    spool: "",
    batch: { events: 3, bytes: 1000, ms: 500, codec: "ndjson", ...changes },
  });
  const bodies = (rig: Rig) => rig.calls.map((call) => Buffer.from(call.outgoing.body).toString());

  test("goes when it has its events, under an id that is the same in every try", async () => {
    const rig = newRig();
    const sending = batch();
    for (const id of ["1", "2", "3", "4"]) rig.queue.offer(targetOf("a"), sending, id, `{"id":${id}}`);
    await rig.timers.settle();
    expect(bodies(rig)).toEqual(['{"id":1}\n{"id":2}\n{"id":3}\n']);
    const first = rig.calls[0]?.id;
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    rig.calls[0]?.answer(DOWN);
    await rig.timers.advance(100);
    expect(rig.calls[0]).toMatchObject({ id: first, outgoing: { codec: "ndjson" } });
    expect(bodies(rig)).toEqual(['{"id":1}\n{"id":2}\n{"id":3}\n']);
    rig.calls[0]?.answer(SENT);
    await rig.timers.settle();
    expect(rig.count("teeSent", "a")).toBe(3);
    expect(rig.queue.gauges().events).toBe(1);
  });

  test("goes when its time is over", async () => {
    const rig = newRig();
    rig.queue.offer(targetOf("a"), batch(), "1", "{}");
    await rig.timers.advance(499);
    expect(rig.calls).toEqual([]);
    await rig.timers.advance(1);
    expect(bodies(rig)).toEqual(["{}\n"]);
  });

  test("goes before an event that would make it too large, and such an event by itself", async () => {
    const rig = newRig({ concurrency: 9 });
    const sending = batch({ bytes: 20, events: 9, codec: "json" });
    for (const size of [8, 8, 3, 50, 1]) rig.queue.offer(targetOf("a"), sending, `${size}`, "1".repeat(size));
    await rig.timers.settle();
    expect(bodies(rig)).toEqual(["[11111111,11111111]", "[111]", `[${"1".repeat(50)}]`]);
  });

  test("holds what belongs under one key only: at midnight another begins", async () => {
    const rig = newRig();
    const sending = batch({}, "orders/dt={date}/");
    rig.timers.nowMs = Date.UTC(2026, 10, 24, 23, 59, 59, 900);
    rig.queue.offer(targetOf("a"), sending, "1", "{}");
    await rig.timers.advance(200);
    rig.queue.offer(targetOf("a"), sending, "2", "{}");
    await rig.timers.advance(500);
    expect(rig.calls.map((call) => call.outgoing.keyPrefix)).toEqual([
      "orders/dt=2026-11-24/",
      "orders/dt=2026-11-25/",
    ]);
  });

  test("is one tee's: another with the same target fills its own", async () => {
    const rig = newRig();
    rig.queue.offer(targetOf("a"), batch(), "1", "{}");
    rig.queue.offer(targetOf("a"), batch({ codec: "json" }), "2", "{}");
    await rig.timers.advance(500);
    expect(bodies(rig).sort()).toEqual(["[{}]", "{}\n"]);
  });

  test("goes as it is where there is no room for more, and when the process ends", async () => {
    const rig = newRig({ eventsMax: 2 });
    const sending = batch();
    for (const id of ["1", "2", "3"]) rig.queue.offer(targetOf("a"), sending, id, "{}");
    await rig.timers.settle();
    expect(bodies(rig)).toEqual(["{}\n{}\n"]);
    rig.calls[0]?.answer(SENT);
    await rig.timers.settle();
    rig.queue.offer(targetOf("a"), sending, "4", "{}");
    const drained = rig.queue.drain(1000);
    await rig.timers.settle();
    rig.calls[0]?.answer(SENT);
    await drained;
    expect(rig.count("teeSent", "a")).toBe(3);
    expect(rig.count("teeDropped", "a|full")).toBe(1);
    expect(rig.timers.timerCount()).toBe(0);
  });

  test("goes with a quarter of its target's share, however large the file lets it grow", async () => {
    const rig = newRig({ concurrency: 9, targetBytes: 4 * chargeOf(300) });
    for (const id of ["1", "2"]) rig.queue.offer(targetOf("a"), batch({ bytes: 1e6 }), id, "x".repeat(300));
    await rig.timers.settle();
    expect(rig.calls).toHaveLength(2);
    const few = newRig({ concurrency: 9, targetEvents: 8 });
    const sending = batch({ events: 100 });
    for (const id of ["1", "2", "3", "4"]) few.queue.offer(targetOf("a"), sending, id, "{}");
    await few.timers.settle();
    expect(bodies(few)).toEqual(["{}\n{}\n", "{}\n{}\n"]);
  });

  test("that is lost loses all its events", async () => {
    const rig = newRig();
    const sending = batch();
    for (const id of ["1", "2", "3"]) rig.queue.offer(targetOf("a"), sending, id, "{}");
    await rig.timers.settle();
    rig.calls[0]?.answer(WRONG);
    await rig.timers.settle();
    expect(rig.count("teeDropped", "a|retries")).toBe(3);
    expect(rig.queue.gauges()).toMatchObject({ events: 0, bytes: 0 });
  });
});

describe("a proxy's tees", () => {
  test("are queued on Node's own timers and arrive in a folder", async () => {
    const directory = await mkdtemp(join(tmpdir(), "agglo-tee-"));
    const connection = findSystem("ExternalLocalFile", directory);
    if ("error" in connection) throw new Error(connection.error);
    const opened = await connection.open({ name: "folder", memory: newMemory() });
    if (isSystemError(opened)) throw new Error(opened.message);
    const { outputType, connectionString } = connection;
    const target: TeeTarget = { type: "ExternalLocalFile", name: "folder", outputType, connectionString };
    const deliver = deliverTo((wanted) => (wanted.name === "folder" ? opened.port : undefined));
    const counters = newCounters();
    const rig = newRig({ deliver, timers: nodeTimers(), counters });
    const tees = queuedTees(rig.queue, directTees(deliver, Date.now, counters));
    expect(tees.waits).toBe(false);
    for (const id of ["a", "b"]) tees.offer(target, ONE_BY_ONE, id, `{"id":"${id}"}`);
    tees.offer({ ...target, name: "gone" }, ONE_BY_ONE, "c", "{}");
    await rig.queue.drain(10_000);
    expect((await readdir(directory)).sort()).toEqual(["a.json", "b.json"]);
    expect(await readFile(join(directory, "a.json"), "utf8")).toBe('{"id":"a"}');
    expect(counters.snapshot()).toContainEqual({ name: "teeDropped", label: "gone|retries", value: 1 });
    await rm(directory, { recursive: true });
  });
});
