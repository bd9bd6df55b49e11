import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SystemError, TeeTarget } from "../core/ports.ts";
import { deliverTo } from "../systems/direct-tees.ts";
import { isSystemError } from "../systems/failure.ts";
import { newMemory } from "../systems/memory.ts";
import { findSystem } from "../systems/registry.ts";
import type { Sent } from "../systems/send.ts";
import { newCounters } from "./counters.ts";
import { nodeTimers, type Timers } from "./ports.ts";
import { newTeeQueue, queuedTees, type TeeQueue, type TeeQueueOptions } from "./tee-queue.ts";

function targetOf(name: string): TeeTarget {
  return { type: "ExternalHttp", name, outputType: "web", connectionString: `http://${name}/` };
}

const SENT: Sent = { reply: "" };
const DOWN: SystemError = { code: "http503", message: "error status 503 at http://u:pw@host/", retryable: true };
const WRONG: SystemError = { code: "http400", message: "error status 400\nforged line", retryable: false };

/** Time that passes when a test says so. */
class FakeTimers implements Timers {
  nowMs = 1_000_000;
  private soonCallbacks: (() => void)[] = [];
  private waiting: { atMs: number; callback: () => void }[] = [];

  soon(callback: () => void): void {
    this.soonCallbacks.push(callback);
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.waiting.push(timer);
    return () => {
      this.waiting = this.waiting.filter((other) => other !== timer);
    };
  }

  /** Runs what is due now, and what promises and callbacks bring about. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      const callbacks = this.soonCallbacks.splice(0);
      for (const callback of callbacks) callback();
      for (let i = 0; i < 5; i++) await Promise.resolve();
      if (callbacks.length > 0) quiet = -1;
    }
  }

  async advance(delayMs: number): Promise<void> {
    const untilMs = this.nowMs + delayMs;
    for (;;) {
      const next = this.waiting.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.waiting = this.waiting.filter((other) => other !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
      await this.settle();
    }
    this.nowMs = untilMs;
    await this.settle();
  }

  timerCount(): number {
    return this.waiting.length;
  }
}

type Call = { target: string; id: string; answer: (answer: Sent | SystemError) => void };
type Rig = {
  queue: TeeQueue;
  timers: FakeTimers;
  /** deliveries under way, in the order of their starts */
  calls: Call[];
  /** `target id` of every attempt */
  attempts: string[];
  lines: { atMs: number; line: string }[];
  count(name: string, label: string): number;
};

function newRig(changes: Partial<TeeQueueOptions> = {}): Rig {
  const timers = new FakeTimers();
  const counters = newCounters();
  const calls: Call[] = [];
  const attempts: string[] = [];
  const lines: Rig["lines"] = [];
  const queue = newTeeQueue({
    deliver: (target, id) =>
      new Promise((resolve) => {
        attempts.push(`${target.name} ${id}`);
        const call: Call = {
          target: target.name,
          id,
          answer(answer) {
            calls.splice(calls.indexOf(call), 1);
            resolve(answer);
          },
        };
        calls.push(call);
      }),
    budgetBytes: 1000,
    eventsMax: 100,
    targetBytes: 500,
    targetEvents: 50,
    concurrency: 2,
    retriesMax: 3,
    backoff: { firstMs: 100, maxMs: 1000 },
    random: () => 0,
    nowMs: () => timers.nowMs,
    timers,
    log: (line) => lines.push({ atMs: timers.nowMs, line }),
    counters,
    ...changes,
  });
  const count = (name: string, label: string): number =>
    counters.snapshot().find((row) => row.name === name && row.label === label)?.value ?? 0;
  return { queue, timers, calls, attempts, lines, count };
}

describe("an offered event", () => {
  test("is sent after the caller is done, not before", async () => {
    const rig = newRig();
    rig.queue.offer(targetOf("a"), "1", '{"é":1}');
    expect(rig.attempts).toEqual([]);
    expect(rig.queue.gauges()).toEqual({ events: 1, bytes: 8 });
    await rig.timers.settle();
    expect(rig.attempts).toEqual(["a 1"]);
    rig.calls[0]?.answer(SENT);
    await rig.timers.settle();
    expect(rig.queue.gauges()).toEqual({ events: 0, bytes: 0 });
    expect(rig.count("teeSent", "a")).toBe(1);
    expect(rig.lines).toEqual([]);
  });

  test("starts in the order of the offers, with no more under way than allowed", async () => {
    const rig = newRig();
    for (const id of ["1", "2", "3", "4"]) rig.queue.offer(targetOf("a"), id, "{}");
    await rig.timers.settle();
    expect(rig.calls.map((call) => call.id)).toEqual(["1", "2"]);
    rig.calls[1]?.answer(SENT);
    await rig.timers.settle();
    expect(rig.calls.map((call) => call.id)).toEqual(["1", "3"]);
  });

  test("is sent again after 100, 200, 400 ms, then lost, and the line masks the password", async () => {
    const rig = newRig();
    rig.queue.offer(targetOf("a"), "1", '{"card":"4111"}');
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
    expect(rig.count("teeDropped", "a|failed")).toBe(1);
    expect(rig.count("teeRetried", "a")).toBe(3);
    expect(rig.lines.map((entry) => entry.line)).toEqual([
      'tee to "a": 1 lost since the last line (failed 1); last error: error status 503 at http://***@host/',
    ]);
  });

  test("waits no longer than the cap, and up to half of it less", async () => {
    const rig = newRig({ retriesMax: 20, random: () => 1 });
    rig.queue.offer(targetOf("a"), "1", "{}");
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
    rig.queue.offer(targetOf("a"), "1", "{}");
    await rig.timers.settle();
    rig.calls[0]?.answer(WRONG);
    await rig.timers.settle();
    expect(rig.attempts).toHaveLength(1);
    expect(rig.lines.map((entry) => entry.line)).toEqual([
      'tee to "a": 1 lost since the last line (failed 1); last error: error status 400\\nforged line',
    ]);
  });

  test("whose delivery rejects, which is our own bug, is accounted for", async () => {
    const rig = newRig({ deliver: () => Promise.reject(new Error("bug")) });
    rig.queue.offer(targetOf("a"), "1", "{}");
    await rig.timers.settle();
    expect(rig.count("teeDropped", "a|failed")).toBe(1);
    expect(rig.queue.gauges()).toEqual({ events: 0, bytes: 0 });
  });
});

describe("a queue", () => {
  test("that is full loses what comes, counts it and says so at most once a second", async () => {
    const rig = newRig({ targetEvents: 3 });
    for (let i = 0; i < 3; i++) rig.queue.offer(targetOf("a"), `${i}`, "{}");
    for (let tenth = 0; tenth < 25; tenth++) {
      rig.queue.offer(targetOf("a"), `x${tenth}`, "{}");
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
    const rig = newRig();
    for (let i = 0; i < 200; i++) rig.queue.offer(targetOf("dead"), `${i}`, "x".repeat(20));
    rig.queue.offer(targetOf("alive"), "1", "x".repeat(500));
    await rig.timers.settle();
    expect(rig.queue.gauges()).toEqual({ events: 26, bytes: 1000 });
    rig.calls.find((call) => call.target === "alive")?.answer(SENT);
    await rig.timers.settle();
    expect(rig.count("teeSent", "alive")).toBe(1);
    expect(rig.count("teeDropped", "dead|full")).toBe(175);
  });

  test("tells two systems of one name and different types apart", async () => {
    const rig = newRig({ concurrency: 1 });
    rig.queue.offer(targetOf("a"), "1", "{}");
    rig.queue.offer({ ...targetOf("a"), type: "ExternalKVStore", connectionString: "inMemStore" }, "2", "{}");
    await rig.timers.settle();
    expect(rig.calls.map((call) => call.id)).toEqual(["1", "2"]);
  });

  test("lets go of thousands of events in order", async () => {
    const rig = newRig({ eventsMax: 5000, targetEvents: 5000, budgetBytes: 1e6, targetBytes: 1e6 });
    for (let i = 0; i < 5000; i++) rig.queue.offer(targetOf("a"), `${i}`, "{}");
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
    for (const id of ["1", "2", "3"]) rig.queue.offer(targetOf("a"), id, "{}");
    const drained = rig.queue.drain(1000);
    rig.queue.offer(targetOf("a"), "late", "{}");
    await rig.timers.settle();
    while (rig.calls.length > 0) {
      rig.calls[0]?.answer(SENT);
      await rig.timers.settle();
    }
    await drained;
    expect(rig.count("teeSent", "a")).toBe(3);
    expect(rig.count("teeDropped", "a|closed")).toBe(1);
    expect(rig.timers.timerCount()).toBe(0);
  });

  test("that takes too long drops the rest as closed, once, whatever is answered later", async () => {
    const rig = newRig();
    for (const id of ["1", "2", "3"]) rig.queue.offer(targetOf("a"), id, "{}");
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
    expect(rig.count("teeDropped", "a|closed")).toBe(3);
    expect(rig.queue.gauges()).toEqual({ events: 0, bytes: 0 });
    expect(rig.lines.map((entry) => entry.line)).toEqual(['tee to "a": 3 lost since the last line (closed 3)']);
  });

  test("says what was lost before the process ends, without waiting for the second to be over", async () => {
    const rig = newRig({ targetEvents: 0 });
    for (const id of ["1", "2", "3"]) rig.queue.offer(targetOf("a"), id, "{}");
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

const LIMITS = { eventsMax: 12, budgetBytes: 120, targetEvents: 6, targetBytes: 60 };
const NAMES = ["a", "b", "c"];

/** What a queue with LIMITS must hold, worked out anew from what went in and came out. */
type Model = { held: Map<string, { name: string; bytes: number }>; offered: number; full: number; closed: number };

function modelOffer(model: Model, draining: boolean, name: string, id: string, bytes: number): void {
  const all = [...model.held.values()];
  const own = all.filter((item) => item.name === name);
  const sum = (items: { bytes: number }[]): number => items.reduce((total, item) => total + item.bytes, bytes);
  model.offered++;
  if (draining) model.closed++;
  else if (all.length >= LIMITS.eventsMax || sum(all) > LIMITS.budgetBytes) model.full++;
  else if (own.length >= LIMITS.targetEvents || sum(own) > LIMITS.targetBytes) model.full++;
  else model.held.set(id, { name, bytes });
}

function totalOf(rig: Rig, name: string, suffix = ""): number {
  return NAMES.reduce((total, target) => total + rig.count(name, target + suffix), 0);
}

function checkAccounts(rig: Rig, model: Model): void {
  const dropped = ["full", "failed", "closed"].map((reason) => totalOf(rig, "teeDropped", `|${reason}`));
  const lost = dropped.reduce((total, count) => total + count, 0);
  const { events, bytes } = rig.queue.gauges();
  expect(totalOf(rig, "teeOffered")).toBe(model.offered);
  expect(totalOf(rig, "teeSent") + lost + events).toBe(model.offered);
  expect(dropped[0]).toBe(model.full);
  expect(events).toBe(model.held.size);
  expect(bytes).toBe([...model.held.values()].reduce((total, item) => total + item.bytes, 0));
  expect(bytes).toBeLessThanOrEqual(LIMITS.budgetBytes);
  for (const name of NAMES) {
    expect(rig.calls.filter((call) => call.target === name).length).toBeLessThanOrEqual(2);
    const own = [...model.held.values()].filter((item) => item.name === name).length;
    const ownLost = ["full", "failed", "closed"].reduce(
      (sum, reason) => sum + rig.count("teeDropped", `${name}|${reason}`),
      0,
    );
    expect(rig.count("teeSent", name) + ownLost + own).toBe(rig.count("teeOffered", name));
  }
}

function checkLog(rig: Rig, drainedAtMs: number): void {
  let told = 0;
  const lastMs = new Map<string, number>();
  for (const { atMs, line } of rig.lines) {
    expect(line).not.toContain("SECRET");
    const [, name = "", lost] = /^tee to "(.)": (\d+) lost/.exec(line) ?? [];
    told += Number(lost);
    if (atMs !== drainedAtMs) expect(atMs - (lastMs.get(name) ?? 0)).toBeGreaterThanOrEqual(1000);
    lastMs.set(name, atMs);
  }
  expect(told).toBe(
    ["full", "failed", "closed"].reduce((sum, reason) => sum + totalOf(rig, "teeDropped", `|${reason}`), 0),
  );
}

type Action =
  | { kind: "offer"; name: string; bytes: number }
  | { kind: "answer"; call: number; answer: Sent | SystemError }
  | { kind: "advance"; ms: number };

const actions: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("offer" as const),
      name: fc.constantFrom(...NAMES),
      bytes: fc.integer({ min: 6, max: 70 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      call: fc.nat(5),
      answer: fc.constantFrom(SENT, DOWN, WRONG),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 1500 }) }) },
);

test("whatever fails, offered = sent + dropped + queued, limits hold, order holds, each loss is told once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(actions, { maxLength: 60 }),
      fc.integer({ min: 0, max: 2000 }),
      async (script, drainMs) => {
        const rig = newRig({ ...LIMITS, retriesMax: 1 });
        const model: Model = { held: new Map(), offered: 0, full: 0, closed: 0 };
        const retried = new Set<string>();
        for (const [i, action] of script.entries()) {
          if (action.kind === "offer") {
            const id = String(i);
            rig.queue.offer(targetOf(action.name), id, "SECRET".padEnd(action.bytes, "x"));
            modelOffer(model, false, action.name, id, action.bytes);
          } else if (action.kind === "advance") {
            await rig.timers.advance(action.ms);
          } else {
            const call = rig.calls[action.call];
            if (call === undefined) continue;
            call.answer(action.answer);
            const again = isSystemError(action.answer) && action.answer.retryable && !retried.has(call.id);
            if (again) retried.add(call.id);
            else model.held.delete(call.id);
          }
          await rig.timers.settle();
          checkAccounts(rig, model);
        }
        let drainedAtMs = 0;
        const drained = rig.queue.drain(drainMs).then(() => {
          drainedAtMs = rig.timers.nowMs;
        });
        rig.queue.offer(targetOf("a"), "late", "SECRET");
        modelOffer(model, true, "a", "late", 6);
        await rig.timers.settle();
        await rig.timers.advance(drainMs);
        await drained;
        model.held.clear();
        checkAccounts(rig, model);
        await rig.timers.advance(2000);
        checkLog(rig, drainedAtMs);
        const firsts = [...new Set(rig.attempts)]
          .filter((attempt) => attempt.startsWith("a "))
          .map((a) => Number(a.slice(2)));
        expect(firsts).toEqual([...firsts].sort((x, y) => x - y));
      },
    ),
    { numRuns: 1000 },
  );
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
    const tees = queuedTees(rig.queue, deliver, counters);
    expect(tees.waits).toBe(false);
    for (const id of ["a", "b"]) tees.offer(target, id, `{"id":"${id}"}`);
    tees.offer({ ...target, name: "gone" }, "c", "{}");
    await rig.queue.drain(10_000);
    expect((await readdir(directory)).sort()).toEqual(["a.json", "b.json"]);
    expect(await readFile(join(directory, "a.json"), "utf8")).toBe('{"id":"a"}');
    expect(counters.snapshot()).toContainEqual({ name: "teeDropped", label: "gone|failed", value: 1 });
    await rm(directory, { recursive: true });
  });
});
