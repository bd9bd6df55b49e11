import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { loadConfig } from "../config/load.ts";
import type { JsonObject } from "../core/event/json.ts";
import type { LinkedSection, Verdict } from "../core/routes/section.ts";
import type { Fold } from "../core/state/update.ts";
import { findSystem } from "../systems/registry.ts";
import { openPool, type Pool, type PoolOptions } from "./pool.ts";
import { re2Regexps } from "./regexps.ts";
import { type Runtime, startRuntime } from "./runtime.ts";
import { ajvSchemas } from "./schemas.ts";
import type { RuntimeOptions } from "./standing.ts";

const EVERYTHING = 1e9;

process.env.AGGLO_POOL_KEY = "a key for tests";

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

function open(options: Partial<PoolOptions> = {}): { pool: Pool; crashes: Error[] } {
  const crashes: Error[] = [];
  // However busy the machine is, a thread is waited for.
  const limits = { waitMs: 15_000, ...options.limits };
  const pool = openPool({ nsPerByte: EVERYTHING, onCrash: (error) => crashes.push(error), ...options, limits });
  opened.push(pool.close);
  return { pool, crashes };
}

async function start(
  config: object | string,
  pool: Pool | undefined,
  options: Partial<RuntimeOptions> = {},
  threads: "warm" | "cold" = "warm",
): Promise<Runtime> {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  const { plan, systems, diagnostics } = loadConfig(text, {
    file: "test.json",
    regexps: re2Regexps(),
    schemas: ajvSchemas(re2Regexps()),
    systemForm: findSystem,
  });
  if (plan === undefined) throw new Error(JSON.stringify(diagnostics));
  const given = pool === undefined ? {} : { pool };
  const runtime = await startRuntime(plan, systems, { log: () => undefined, ...given, ...options });
  opened.push(() => runtime.close(0));
  if (threads === "warm") await pool?.warm();
  return runtime;
}

function sectionOf(runtime: Runtime, route = 0, direction: "request" | "response" = "request"): LinkedSection {
  return runtime.routes[route]?.[direction] as LinkedSection;
}

const utf8 = (text: string): Uint8Array => Buffer.from(text, "utf8");

async function treated(
  runtime: Runtime,
  content: Uint8Array | string,
  contentType = "application/json",
  http?: JsonObject,
): Promise<Verdict> {
  const bytes = typeof content === "string" ? utf8(content) : content;
  return runtime.treat(sectionOf(runtime), bytes, http, contentType);
}

/** What can be compared: a thread gives bytes and no text. */
function comparable(verdict: Verdict): object {
  const bytes = verdict.bytes === undefined ? undefined : Buffer.from(verdict.bytes).toString("utf8");
  return { ...verdict, text: undefined, bytes };
}

/** Counters without those that say where messages were treated, and without times. */
function countsOf(runtime: Runtime): string[] {
  const rows = runtime.counters.snapshot().filter(({ name }) => !/^(treatment|pool)|LatencyNs$/.test(name));
  return rows.map(({ name, label, value }) => `${name} ${label} ${value}`).sort();
}

/** How messages of the pool ended, all sections together. */
function poolCounts(runtime: Runtime): { [outcome: string]: number } {
  const counts: { [outcome: string]: number } = {};
  for (const { name, label, value } of runtime.counters.snapshot()) {
    const outcome = label.slice(label.lastIndexOf("|") + 1);
    if (name === "poolMessages") counts[outcome] = (counts[outcome] ?? 0) + value;
  }
  return counts;
}

/** Everything that a process can do to a message, in one route; the state of the aggregations shows in its header. */
const KITCHEN = {
  pipelines: [
    { name: "judge", processes: [{ name: "no-bad" }, { name: "valid" }] },
    { name: "shape", processes: [{ name: "note" }, { name: "hide" }, { name: "mail" }, { name: "sum" }] },
    { name: "copy", processes: [{ name: "wanted" }, { name: "archive" }], enableMetrics: true },
  ],
  processDefinitions: [
    { filter: { name: "no-bad", condition: "has(event.bad)" } },
    { validator: { name: "valid", schema: { type: "object", properties: { n: { type: "number" } } } } },
    { annotator: { name: "note", onExists: "overwrite", annotations: [{ fieldKey: "seen", value: "yes" }] } },
    { redactor: { name: "hide", rules: [{ paths: ["**.card"], mask: { keepLast: 4 } }] } },
    { redactor: { name: "mail", rules: [{ detect: ["email"], hmac: { key: "${env:AGGLO_POOL_KEY}" } }] } },
    {
      aggregator: {
        name: "sum",
        stateStore: "state",
        aggregation: { key: "n", aggregationType: "AggSum", groupByKeys: ["g"] },
        forwardState: true,
      },
    },
    { continuation: { name: "wanted", condition: { exists: { ops: [{ key: "g", op: "Exists" }] } } } },
    { tee: { name: "archive", outputConnectorRef: "archive" } },
  ],
  externalSystems: [
    { externalType: "ExternalKVStore", name: "state", connectionString: "mem:state" },
    { externalType: "ExternalPubSub", name: "archive", connectionString: "mem:archive" },
  ],
  http: {
    version: 1,
    routes: [
      {
        name: "all",
        match: { paths: ["/**"] },
        request: {
          contentTypes: ["application/json", "application/x-ndjson"],
          pipelines: ["judge", "shape", "copy"],
          setHeaders: { "x-path": "{internal:http.path}" },
          limits: { deadlineMs: 0 },
        },
      },
    ],
  },
};

/** Never waits: each message has a thread for itself. */
const COVER = (limits: object = {}) => ({
  pipelines: [{ name: "cover", processes: [{ name: "cover-cards" }] }],
  processDefinitions: [{ redactor: { name: "cover-cards", rules: [{ paths: ["card"], mask: { keepLast: 4 } }] } }],
  http: {
    version: 1,
    routes: [
      {
        name: "cover",
        match: { paths: ["/**"] },
        request: { pipelines: ["cover"], limits: { deadlineMs: 0, ...limits } },
      },
    ],
  },
});

const CARD = '{"card":"4111111111111111"}';
const COVERED = '{"card":"************1111"}';

/** One of the examples, with what depends on the clock and the current folder taken out. */
function example(name: string): object {
  const file = new URL(`../../examples/${name}/${name}.json`, import.meta.url);
  const text = readFileSync(file, "utf8");
  const folder = mkdtempSync(join(tmpdir(), "agglo-pool-"));
  opened.push(async () => rmSync(folder, { recursive: true }));
  const config = JSON.parse(text.replace('"mirrored"', JSON.stringify(folder)), (key, value) =>
    key === "rate" ? undefined : value,
  );
  for (const { request, response } of config.http.routes) {
    for (const section of [request, response]) if (section) section.limits = { ...section.limits, deadlineMs: 0 };
  }
  return config;
}

const value = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom("4111111111111111", "ann@example.org", "roof-1", "2026-11-24T11:02:31Z", "call 030 5550 1234567"),
  fc.integer({ min: -50, max: 700 }),
);
const KEYS = [
  "items",
  "card",
  "total",
  "n",
  "g",
  "bad",
  "sensor",
  "at",
  "fahrenheit",
  "headers",
  "ip",
  "__proto__",
  "ü",
];
const event = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom(...KEYS), fc.string({ maxLength: 3 })), value), { maxLength: 8 })
  .map(
    (members) => `{${members.map(([key, member]) => `${JSON.stringify(key)}: ${JSON.stringify(member)}`).join(" ,")}}`,
  );
const reading = fc
  .record({ fahrenheit: fc.integer({ min: 0, max: 600 }), n: fc.integer(), g: fc.constantFrom("a", "b") })
  .map((members) =>
    JSON.stringify({ sensor: "roof-1", at: "2026-11-24T11:02:31Z", items: [{ card: "4111" }], ...members }),
  );
const content = fc.oneof(
  { weight: 3, arbitrary: reading.map(utf8) },
  { weight: 4, arbitrary: event.map(utf8) },
  { weight: 2, arbitrary: fc.array(event, { maxLength: 5 }).map((events) => utf8(`[${events.join(", ")}]`)) },
  { weight: 2, arbitrary: fc.array(event, { minLength: 1, maxLength: 5 }).map((events) => utf8(events.join("\n"))) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).map(utf8) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constant(utf8('{"n": 12345678901234567890, "g": 1.50}')) },
);
const message = fc.record({
  content,
  contentType: fc.constantFrom("application/json", "application/x-ndjson", "text/event-stream"),
  direction: fc.constantFrom("request" as const, "response" as const),
  http: fc.dictionary(fc.constantFrom("path", "__proto__", "method"), fc.string({ maxLength: 5 })),
});

describe.each(["kitchen", "orders", "telemetry"])("in the pool everything is as on the event loop: %s", (name) => {
  test("verdicts, bodies, counts, copies and state", async () => {
    const config = () => (name === "kitchen" ? KITCHEN : example(name));
    const { pool, crashes } = open();
    const runtimes = [await start(config(), undefined), await start(config(), pool)] as const;
    const copies = runtimes.map(({ memory }) => {
      const got: string[] = [];
      for (const topic of ["archive", "alarms"])
        memory.subscribe(topic, (_id, bytes) => got.push(`${topic} ${Buffer.from(bytes)}`));
      return got;
    });
    let pooled = 0;
    await fc.assert(
      fc.asyncProperty(message, async ({ content, contentType, direction, http }) => {
        const verdicts = runtimes.map((runtime) => {
          const section = sectionOf(runtime, 0, direction) ?? sectionOf(runtime);
          return runtime.treat(section, content, section.plan.readsHttp ? http : undefined, contentType);
        });
        expect(verdicts[1]).toBeInstanceOf(Promise);
        pooled++;
        const [here, there] = await Promise.all(verdicts);
        expect(comparable(there as Verdict)).toEqual(comparable(here as Verdict));
      }),
      { numRuns: 300 },
    );
    await vi.waitFor(() => expect(runtimes.map((runtime) => runtime.queued().events)).toEqual([0, 0]));
    const [here, there] = runtimes;
    expect(countsOf(there)).toEqual(countsOf(here));
    expect(copies[1]).toEqual(copies[0]);
    expect(poolCounts(there)).toEqual({ treated: pooled });
    const key = `:${name === "kitchen" ? "shape" : "count"}:as`;
    const read: Fold = { kind: "fold", id: "", key, path: [], numbers: [], reads: true };
    const states = await Promise.all(
      runtimes.map(({ ports }) => ports.states.update(name === "kitchen" ? "state" : "counts", read)),
    );
    if (name !== "orders") expect(Object.keys(states[0]?.values ?? {})).not.toEqual([]);
    expect(states[1]).toEqual(states[0]);
    expect(crashes).toEqual([]);
  });
});

const FAULTY = new URL("./testing/pool-worker.ts", import.meta.url);

/** Threads that can be made to fail, by the content type of a message. */
async function startFaulty(config: object = COVER(), lane: PoolOptions["limits"] = {}) {
  const { pool, crashes } = open({ file: FAULTY, limits: { threadsMax: 2, ...lane } });
  return { pool, crashes, runtime: await start(config, pool) };
}

async function covers(runtime: Runtime): Promise<void> {
  expect(comparable(await treated(runtime, CARD))).toMatchObject({ kind: "changed", bytes: COVERED });
}

describe("a thread that ends", () => {
  test.each(["test/exit", "test/throw", "test/bug", "test/memory"])(
    "by %s is its message's fault only",
    async (fault) => {
      const { runtime, crashes } = await startFaulty(COVER(), { heapMb: 64 });
      const others = Array.from({ length: 20 }, () => covers(runtime));
      const ended = await treated(runtime, CARD, fault);
      expect(ended).toMatchObject({ kind: "faulted", reason: "error", reply: { status: 500 } });
      await Promise.all([...others, ...Array.from({ length: 20 }, () => covers(runtime))]);
      expect(poolCounts(runtime)).toEqual({ treated: 40, error: 1 });
      expect(crashes).toHaveLength(1);
    },
  );

  test("is the fault of all that wait on it, and of no others", async () => {
    const commands = newCommands();
    const { pool, crashes } = open({ file: FAULTY, limits: { threadsMax: 1 } });
    const runtime = await start(commanding(commands), pool, { allowSpawn: true });
    const other = await start(COVER(), pool);
    const waiting = Array.from({ length: 3 }, () => treated(runtime, '{"n":"a"}'));
    const ended = [treated(runtime, CARD, "test/exit"), ...waiting];
    await covers(other);
    expect((await Promise.all(ended)).map(({ reason }) => reason)).toEqual(Array(4).fill("error"));
    expect(poolCounts(runtime)).toEqual({ error: 4 });
    expect(crashes).toHaveLength(1);
  });

  test("again and again is replaced each time: among 300 messages, 32 at a time, only those that end it are faults", async () => {
    const { runtime, crashes } = await startFaulty();
    let next = 0;
    const worker = async () => {
      while (next < 300) {
        const ends = next++ % 50 === 25;
        const { kind, reason } = await treated(runtime, CARD, ends ? "test/exit" : "application/json");
        expect(`${kind} ${reason}`).toBe(ends ? "faulted error" : "changed error");
      }
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    expect(poolCounts(runtime)).toEqual({ treated: 294, error: 6 });
    expect(crashes).toHaveLength(6);
  });

  test("while it starts keeps nobody from being treated", async () => {
    const { runtime, pool } = await startFaulty(COVER(), { threadsMax: 1 });
    await treated(runtime, CARD, "test/exit");
    // The next one is on its way up.
    await Promise.all([treated(runtime, CARD, "test/exit"), treated(runtime, CARD, "test/exit")]);
    await covers(runtime);
    expect(pool.gauges().alone).toMatchObject({ running: 0, waiting: 0, bytes: 0 });
  });
});

describe("a message", () => {
  test("over its deadline is answered, and then its thread ended, and no other", async () => {
    const { runtime, pool, crashes } = await startFaulty(COVER({ deadlineMs: 1000 }));
    const late = treated(runtime, CARD, "test/spin");
    await Promise.all([covers(runtime), covers(runtime), covers(runtime)]);
    expect(await late).toMatchObject({ kind: "faulted", reason: "timeout", detail: "the deadline has passed" });
    expect(pool.gauges().alone).toMatchObject({ running: 1 });
    await vi.waitFor(() => expect(pool.gauges().alone).toMatchObject({ running: 0 }), 10_000);
    await covers(runtime);
    expect(poolCounts(runtime)).toEqual({ treated: 4, timeout: 1 });
    expect(crashes).toEqual([]);
  });

  test("that comes back after its deadline keeps its thread, and what it did is done", async () => {
    const { runtime, pool, crashes } = await startFaulty(COVER({ deadlineMs: 100 }), { threadsMax: 1, endMs: 15_000 });
    expect(await treated(runtime, CARD, "test/slow")).toMatchObject({ kind: "faulted", reason: "timeout" });
    await vi.waitFor(() => expect(pool.gauges().alone).toMatchObject({ running: 0 }), 10_000);
    expect(countsOf(runtime)).toEqual(["redacted cover-cards[0] 1"]);
    expect(poolCounts(runtime)).toEqual({ timeout: 1 });
    expect(crashes).toEqual([]);
  });

  test("without a deadline takes as long as it takes", async () => {
    const { runtime } = await startFaulty();
    const never = treated(runtime, CARD, "test/never");
    for (let i = 0; i < 50; i++) await covers(runtime);
    await runtime.close(0);
    expect(await never).toMatchObject({ kind: "faulted", reason: "error", detail: "the server is ending" });
  });

  test("that finds no thread in time is too much", async () => {
    const { runtime } = await startFaulty(COVER(), { threadsMax: 1, waitMs: 50 });
    const first = treated(runtime, CARD, "test/never");
    expect(await treated(runtime, CARD)).toMatchObject({ reason: "overload", detail: "no thread was free for 50 ms" });
    await runtime.close(0);
    await first;
  });

  test("is too much where the line is full, and where too many bytes are held", async () => {
    const { runtime, pool } = await startFaulty(COVER(), { threadsMax: 1, waitingMax: 2, heldBytesMax: 1000 });
    const held = [treated(runtime, CARD, "test/never"), treated(runtime, CARD)];
    expect(await treated(runtime, `"${"x".repeat(1000)}"`)).toMatchObject({
      reason: "overload",
      reply: { status: 503 },
    });
    held.push(treated(runtime, CARD));
    expect(await treated(runtime, CARD)).toMatchObject({ reason: "overload" });
    expect(pool.gauges().alone).toMatchObject({ running: 1, waiting: 2, bytes: 3 * CARD.length });
    await runtime.close(0);
    expect((await Promise.all(held)).map(({ reason }) => reason)).toEqual(["error", "error", "error"]);
    expect(pool.gauges().alone).toMatchObject({ waiting: 0, bytes: 0 });
    expect(poolCounts(runtime)).toEqual({ overload: 2, error: 3 });
  });

  test("larger than everything that may be held still goes through alone", async () => {
    const { runtime } = await startFaulty(COVER(), { heldBytesMax: 10 });
    await covers(runtime);
  });
});

describe("with 64 messages under way", () => {
  test("sums are exact, and each message is counted and copied once", async () => {
    const { pool } = open({ limits: { threadsMax: 3 } });
    const runtime = await start(KITCHEN, pool);
    const copies: JsonObject[] = [];
    runtime.memory.subscribe("archive", (_id, bytes) => copies.push(JSON.parse(Buffer.from(bytes).toString())));
    let next = 0;
    const worker = async () => {
      while (next < 600) {
        const n = next++;
        const verdict = await treated(runtime, JSON.stringify({ n, g: `${n % 3}` }), "application/json", {
          path: `/${n}`,
        });
        expect(verdict).toMatchObject({ kind: "changed", setHeaders: [{ name: "x-path", value: `/${n}` }] });
      }
    };
    await Promise.all(Array.from({ length: 64 }, worker));
    await vi.waitFor(() => expect(copies).toHaveLength(600));
    const groups = [0, 1, 2].map((rest) => (200 * 199 * 3) / 2 + 200 * rest);
    const read: Fold = { kind: "fold", id: "", key: ":shape:as", path: [], numbers: [], reads: true };
    const { values } = await runtime.ports.states.update("state", read);
    expect(values).toEqual({
      "n:AggSum": { 0: { value: groups[0] }, 1: { value: groups[1] }, 2: { value: groups[2] } },
    });
    expect(copies.map(({ n }) => n).sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 600 }, (_, n) => n),
    );
    expect(poolCounts(runtime)).toEqual({ treated: 600 });
  });
});

/** Commands of a test: each runs until the file of its name is there. */
type Commands = { open(name: string): void; script(name: string, then: string): string };

function newCommands(): Commands {
  const folder = mkdtempSync(join(tmpdir(), "agglo-pool-"));
  opened.push(async () => rmSync(folder, { recursive: true }));
  return {
    open: (name) => writeFileSync(join(folder, name), ""),
    script(name, then) {
      const path = join(folder, `${name}.sh`);
      const wait = `while [ ! -e '${join(folder, name)}' ]; do sleep 0.02; done`;
      writeFileSync(path, `#!/bin/sh\n${wait}\n${then}\n`, { mode: 0o755 });
      return path;
    },
  };
}

/** Three commands: `start` that nobody waits for, `copy` that makes a copy later, `ask` that the message waits for. */
function commanding(commands: Commands, deadlineMs = 15_000) {
  const job = (name: string, then: string) => ({ runnable: { pathToExec: commands.script(name, then) } });
  const mapArgs = { path: commands.script("copy", "echo 5") };
  const transformation = { transformationType: "TransformMap", mapArgs };
  return {
    pipelines: [{ name: "run", processes: [{ name: "start" }, { name: "copy" }, { name: "ask" }] }],
    processDefinitions: [
      { spawner: { name: "start", job: job("start", "exit 1") } },
      { transformer: { name: "made", specs: [{ sourceField: "n", targetField: "n", transformation }] } },
      { tee: { name: "copy", outputConnectorRef: "archive", transformerRef: "made" } },
      { spawner: { name: "ask", doSync: true, job: job("ask", "cat") } },
    ],
    externalSystems: [{ externalType: "ExternalPubSub", name: "archive", connectionString: "mem:archive" }],
    http: {
      version: 1,
      routes: [{ name: "run", match: { paths: ["/**"] }, request: { pipelines: ["run"], limits: { deadlineMs } } }],
    },
  };
}

describe("commands of a message in the pool", () => {
  test("run on the main thread, and a close waits for what they do after the verdict", async () => {
    const commands = newCommands();
    const { pool } = open();
    const runtime = await start(commanding(commands), pool, { allowSpawn: true });
    const copies: string[] = [];
    runtime.memory.subscribe("archive", (_id, bytes) => copies.push(Buffer.from(bytes).toString()));
    commands.open("ask");
    expect(await treated(runtime, '{"n":"a"}')).toMatchObject({ kind: "passed", detail: "" });
    expect(copies).toEqual([]);
    const closed = runtime.close(15_000);
    commands.open("start");
    commands.open("copy");
    await closed;
    expect(copies).toEqual(['{"n":5}']);
    expect(countsOf(runtime)).toContain("teeSent archive 1");
    expect(countsOf(runtime)).toContain("spawned start|failed 1");
  });

  test("keep no other message from the same thread", async () => {
    const commands = newCommands();
    const { pool } = open({ limits: { threadsMax: 1 } });
    const runtime = await start(commanding(commands), pool, { allowSpawn: true });
    commands.open("copy");
    const waiting = Array.from({ length: 5 }, () => treated(runtime, '{"n":"a"}'));
    await vi.waitFor(() => expect(countsOf(runtime)).toContain("teeSent archive 5"), 10_000);
    expect(pool.gauges().shared).toMatchObject({ threads: 1, running: 5, waiting: 0 });
    commands.open("ask");
    expect((await Promise.all(waiting)).map(({ kind }) => kind)).toEqual(Array(5).fill("passed"));
  });

  test("that take too long are a timeout, at the deadline", async () => {
    const { pool } = open();
    const runtime = await start(commanding(newCommands(), 100), pool, { allowSpawn: true });
    expect(await treated(runtime, '{"n":"a"}')).toMatchObject({ kind: "faulted", reason: "timeout" });
  });
});

describe("a runtime that is closed", () => {
  test("waits for the messages it has and takes no more", async () => {
    const { pool } = open({ limits: { threadsMax: 1 } });
    const runtime = await start(COVER(), pool);
    const held = Array.from({ length: 20 }, () => covers(runtime));
    const closed = runtime.close(10_000);
    expect(await treated(runtime, CARD)).toMatchObject({ reason: "overload", detail: "the server is ending" });
    await closed;
    expect(poolCounts(runtime)).toEqual({ treated: 20 });
    await Promise.all(held);
  });

  test("leaves another plan in the same pool alone", async () => {
    const { pool } = open();
    const [before, after] = [await start(COVER(), pool), await start(KITCHEN, pool)];
    await covers(before);
    await before.close(0);
    expect(await treated(after, '{"n":1,"g":"a"}', "application/json", {})).toMatchObject({ kind: "changed" });
    const again = await start(COVER(), pool);
    await covers(again);
  });
});

describe("threads", () => {
  test("that a close meets while they start are no crash", async () => {
    const { pool, crashes } = open();
    await start(COVER(), pool, {}, "cold");
    const warm = pool.warm();
    await pool.close();
    await warm;
    expect(crashes).toEqual([]);
  });

  test("are there when a large message has come; until one is up it is treated here", async () => {
    const { pool } = open();
    const runtime = await start(COVER(), pool, {}, "cold");
    expect(pool.gauges()).toEqual({ alone: undefined, shared: undefined });
    const treat = () => runtime.treat(sectionOf(runtime), utf8(CARD), undefined, "application/json");
    const first = treat();
    expect(comparable(first as Verdict)).toMatchObject({ kind: "changed", bytes: COVERED });
    await vi.waitFor(() => expect(treat()).toBeInstanceOf(Promise), 10_000);
    expect(comparable(await treat())).toMatchObject({ kind: "changed", bytes: COVERED });
    expect(pool.gauges()).toMatchObject({ alone: { threads: 1 }, shared: undefined });
  });

  test("that cannot start leave everything on the event loop, and are said", async () => {
    const { pool, crashes } = open({ file: new URL("./testing/none.ts", import.meta.url) });
    const runtime = await start(COVER(), pool);
    expect(runtime.treat(sectionOf(runtime), utf8(CARD), undefined, "application/json")).toMatchObject({
      kind: "changed",
    });
    expect(crashes.length).toBeGreaterThan(0);
  });
});

describe("what goes to the pool", () => {
  const large = `{"card":"4111111111111111","items":[${'{"a":[1,2,3]},'.repeat(40_000)}0]}`;

  test("is what would hold the event loop; the rest is answered at once", async () => {
    const { pool } = open({ nsPerByte: undefined });
    const runtime = await start(COVER(), pool);
    const small = runtime.treat(sectionOf(runtime), utf8(CARD), undefined, "application/json");
    expect(small).not.toBeInstanceOf(Promise);
    expect(comparable(small as Verdict)).toMatchObject({ kind: "changed", bytes: COVERED });
    expect(await treated(runtime, large)).toMatchObject({ kind: "changed" });
    expect(poolCounts(runtime)).toEqual({ treated: 1 });
    const measured = runtime.counters.snapshot().filter(({ name }) => name.startsWith("treatment"));
    expect(measured).toMatchObject([
      { name: "treatmentNs", label: "cover|request" },
      { name: "treatmentBytes", label: "cover|request", value: large.length },
    ]);
    expect(measured[0]?.value).toBeGreaterThan(0);
  });

  test("may come in shared memory, as a part of it", async () => {
    const { pool } = open();
    const runtime = await start(COVER(), pool);
    const around = new Uint8Array(new SharedArrayBuffer(CARD.length + 10)).fill(0xff);
    around.set(utf8(CARD), 5);
    const verdict = await treated(runtime, around.subarray(5, 5 + CARD.length));
    expect(comparable(verdict)).toMatchObject({ kind: "changed", bytes: COVERED });
  });
});
