/** Large bodies on threads of the pool: as on the event loop, and nobody else waits for them. */
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { newSimulatedDisk } from "../engine/runtime/durable-log/testing/simulated-disk.ts";
import { openPool, type Pool, type PoolOptions } from "../engine/runtime/pool.ts";
import type { ServeOptions } from "./serve.ts";
import { annotate, type Daemon, metric, startDaemon, startTarget, teeTo } from "./testing.ts";

/** Everything above 1 KB goes to a thread. */
const NS_PER_BYTE = 1000;

async function startPooled(
  config: object,
  { pool: poolOptions, ...options }: Partial<Omit<ServeOptions, "pool">> & { pool?: Partial<PoolOptions> } = {},
): Promise<{ daemon: Daemon; pool: Pool; crashes: Error[] }> {
  const crashes: Error[] = [];
  const pool = openPool({
    nsPerByte: NS_PER_BYTE,
    onCrash: (error) => crashes.push(error),
    file: new URL("../engine/runtime/testing/pool-worker.ts", import.meta.url),
    ...poolOptions,
    limits: { waitMs: 15_000, ...poolOptions?.limits },
  });
  onTestFinished(() => pool.close());
  const daemon = await startDaemon(config, { ...options, pool });
  await pool.warm();
  return { daemon, pool, crashes };
}

/** How what went to threads ended: `post|treated`. */
function pooled({ metrics }: Daemon): { [label: string]: number } {
  const samples = metrics().find(({ name }) => name === "agglo_pool_messages_total")?.samples ?? [];
  return Object.fromEntries(
    samples.map(({ labels, value }) => [
      labels
        .slice(1)
        .map(([, text]) => text)
        .join("|"),
      value,
    ]),
  );
}

const CHECK = {
  pipelines: [
    { name: "mark", processes: [{ name: "m" }] },
    { name: "check", processes: [{ name: "needs-id" }] },
    { name: "sum", processes: [{ name: "add" }] },
  ],
  processDefinitions: [
    annotate("m", "mark", "yes"),
    { filter: { name: "needs-id", unless: "has(event.id)", reject: { status: 422 } } },
    {
      transformer: {
        name: "add",
        specs: [
          {
            sourceField: "n",
            targetField: "n",
            transformation: { transformationType: "TransformSum" },
          },
        ],
      },
    },
  ],
};

const pad = `"pad":"${"ü".repeat(1000)}"`;
const NDJSON = { "content-type": "application/x-ndjson" };

describe("on a thread a body is answered as on the event loop", () => {
  test.each([
    ["an object", `{"id":1,"n":[1.50],${pad}}`, {}],
    ["an array", `[{"id":1,"n":[2],${pad}}, {"id":2,"n":[3]}]`, {}],
    ["NDJSON", `{"id":1,"n":[2],${pad}}\n{"id":2,"n":[3]}\n`, NDJSON],
    ["NDJSON that does not call itself so", `{"id":1,"n":[1],${pad}}\n{"id":2,"n":[2]}\n`, {}],
    ["an empty array", `[${" ".repeat(2000)}]`, {}],
    ["a refusal", `{"n":[1],${pad}}`, {}],
    ["a refusal, as a problem", `[{"n":[1],${pad}},{"id":1,"n":[1]},{"n":[1]}]`, { accept: "application/json" }],
    ["failures", `[{"id":1,"n":{},${pad}},{"id":2,"n":"x"}]`, { accept: "application/json" }],
    ["trailing data", `{"id":1,${pad}} 7`, {}],
    ["a key twice", `{"id":1,${pad},"id":2}`, {}],
    ["no object", `[{"id":1,${pad}},null]`, {}],
    ["no UTF-8", Buffer.concat([Buffer.from(`{"id":1,${pad}`), Buffer.from([0xff])]), {}],
    ["too many events", "{}\n".repeat(10_001), NDJSON],
    ["more than is answered in one piece", `[${`{"id":1,"n":[1]},`.repeat(5000)}{"id":1,"n":[1]}]`, {}],
  ])("%s", async (_what, body, headers) => {
    const here = await startDaemon(CHECK);
    const { daemon } = await startPooled(CHECK);
    const answers: unknown[] = [];
    for (const query of ["", "?output=1"]) {
      for (const { post } of [here, daemon]) {
        const answer = await post(body, { query, headers });
        const id = answer.headers.get("x-agglo-message-id");
        const text = Buffer.from(await answer.arrayBuffer()).toString("latin1");
        const kept = ["content-type", "content-length"].map((name) => answer.headers.get(name));
        answers.push([answer.status, kept, id !== null, id === null ? text : text.replaceAll(id, "ID")]);
      }
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[3]).toEqual(answers[2]);
    expect(pooled(daemon)).toEqual({ "post|treated": 2 });
    const events = ({ metrics }: Daemon) => metrics().find(({ name }) => name === "agglo_daemon_events_total")?.samples;
    expect(events(daemon)).toEqual(events(here));
    expect([...here.bugs, ...daemon.bugs]).toEqual([]);
  });

  test("coded, and larger than what is copied", async () => {
    const { daemon } = await startPooled(CHECK);
    const large = `{"id":1,"n":[1],"x":"${"y".repeat(90_000)}"}`;
    expect(await (await daemon.post(large)).text()).toBe("Success");
    const noise = Buffer.from(Uint8Array.from({ length: 70_000 }, (_, i) => (i * i * 31) >> 3)).toString("base64");
    const coded = gzipSync(`{"id":1,"n":[1],"x":"${noise}"}`, { level: 0 });
    expect(await (await daemon.post(coded, { headers: { "content-encoding": "gzip" } })).text()).toBe("Success");
    expect(pooled(daemon)).toEqual({ "post|treated": 2 });
  });

  test("a tee is waited for, and its target's answer counts", async () => {
    const target = await startTarget();
    const { daemon } = await startPooled(teeTo(target.url));
    target.holds = true;
    let isAnswered = false;
    const held = daemon.post(`{"a":1,${pad}}`).finally(() => {
      isAnswered = true;
    });
    await vi.waitFor(() => expect(target.got).toHaveLength(1), 10_000);
    expect(await (await fetch(daemon.url)).text()).toContain("POST");
    expect(isAnswered).toBe(false);
    target.release();
    expect(await (await held).text()).toBe("Success");
    target.holds = false;
    target.status = 400;
    const failed = await daemon.post(`{"a":1,${pad}}`);
    expect([failed.status, await failed.text()]).toEqual([500, expect.stringMatching(/^event 1: mirror, tee: .*400/)]);
    expect(pooled(daemon)).toEqual({ "post|treated": 2 });
  });
});

describe("while a thread has a body", () => {
  test("others are answered, and leaving waits for it", async () => {
    const { daemon, pool } = await startPooled(CHECK, { pool: { limits: { threadsMax: 1 } }, drainMs: 20_000 });
    const slow = daemon.post(`{"id":1,"n":[1],${pad}}`, { headers: { "content-type": "test/slow" } });
    await vi.waitFor(() => expect(pool.gauges().alone?.running).toBe(1), 10_000);
    for (let i = 0; i < 20; i++) expect((await daemon.post('{"id":1,"n":[1]}')).status).toBe(200);
    expect(pool.gauges().alone?.running).toBe(1);
    const drained = daemon.drain();
    expect((await slow).status).toBe(200);
    await drained;
  });

  test("its end is that body's alone: 500 with the id of its events", async () => {
    const { daemon, crashes } = await startPooled(CHECK);
    const others = Array.from({ length: 10 }, () => daemon.post(`{"id":1,"n":[1],${pad}}`));
    const ended = await daemon.post(`{"id":1,${pad}}`, { headers: { "content-type": "test/exit" } });
    expect([ended.status, await ended.text()]).toEqual([500, "the thread that treated it ended\n"]);
    expect(ended.headers.get("x-agglo-message-id")).not.toBeNull();
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(pooled(daemon)).toEqual({ "post|treated": 10, "post|error": 1 });
    expect(crashes).toHaveLength(1);
  });

  test("one that finds none in time hears when to come again", async () => {
    const { daemon, pool } = await startPooled(CHECK, {
      pool: { limits: { threadsMax: 1, waitMs: 50 } },
      drainMs: 500,
    });
    const never = daemon.post(`{"id":1,${pad}}`, { headers: { "content-type": "test/never" } }).catch(() => undefined);
    await vi.waitFor(() => expect(pool.gauges().alone?.running).toBe(1), 10_000);
    const answer = await daemon.post(`{"id":1,${pad}}`);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    await daemon.drain();
    await never;
  });
});

describe("with a queue", () => {
  test("a large body is split on a thread, and each large event run on one", async () => {
    const target = await startTarget();
    const queue = { dir: "/q", disk: newSimulatedDisk(() => 0.3), workers: 2, retries: 2, pauseMs: 1 };
    const { daemon } = await startPooled(teeTo(target.url), { queue });
    const answer = await daemon.post(`[{"a":1,${pad}},{"a":2},{"a":3,${pad}}]`);
    expect([answer.status, await answer.text()]).toEqual([200, "Success"]);
    await vi.waitFor(() => expect(metric(daemon, "agglo_queue_depth")).toBe(0), 10_000);
    expect(target.got.map((body) => (JSON.parse(body) as { a: number }).a).sort()).toEqual([1, 2, 3]);
    const id = answer.headers.get("x-agglo-message-id");
    expect(target.got.map((body) => (JSON.parse(body) as object)["internal:messageID" as never]).sort()).toEqual([
      `${id}.1`,
      `${id}.2`,
      `${id}.3`,
    ]);
    expect(pooled(daemon)).toEqual({ "split|treated": 1, "event|treated": 2 });
    const bad = await daemon.post(`{"a":1,${pad},"a":2}`);
    expect([bad.status, await bad.text()]).toEqual([400, expect.stringContaining("a key stands twice")]);
  });
});
