import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { nodeDisk } from "../engine/runtime/durable-log/node-disk.ts";
import { newSimulatedDisk } from "../engine/runtime/durable-log/testing/simulated-disk.ts";
import { metric, startDaemon, startTarget, teeTo } from "./testing.ts";

const DIR = "/queue";
const simulated = () => newSimulatedDisk(() => 0.3);
const queueOn = (disk = simulated(), of: object = {}) => ({
  queue: { dir: DIR, disk, workers: 4, retries: 2, pauseMs: 1, ...of },
});

const ids = (bodies: string[]) => bodies.map((body) => (JSON.parse(body) as { id: number }).id);

type Shown = { id: string; idx: number; data: object; queueTime: number; inflightTime?: number; attempts: number };
async function shown(daemon: Awaited<ReturnType<typeof startDaemon>>, query = "") {
  const answer = await daemon.pages["/queue"]?.(new URLSearchParams(query));
  return JSON.parse(answer?.text ?? "") as { inflight: Shown[]; unprocessed: Shown[]; next?: number };
}

test("200 comes after the write and the sync, and then every pipeline runs", async () => {
  const target = await startTarget();
  const disk = simulated();
  const { post } = await startDaemon(teeTo(target.url), queueOn(disk));
  await post('{"id":-1}'); // a segment begins
  const before = disk.journal.length;
  const one = await post('{"id":0}');
  const written = disk.journal.slice(before).filter((entry) => entry.includes(".log"));
  expect(written.map((entry) => entry.split(" ")[0])).toEqual(["write", "sync"]);
  expect([one.status, await one.text()]).toEqual([200, "Success"]);
  await vi.waitFor(() => expect(messageIds(target.got)).toContain(one.headers.get("x-agglo-message-id")));
  const two = (await post('[{"id":1},{"id":2}]')).headers.get("x-agglo-message-id");
  await vi.waitFor(() => expect(messageIds(target.got)).toEqual(expect.arrayContaining([`${two}.1`, `${two}.2`])));
});

const messageIds = (bodies: string[]) =>
  bodies.map((body) => (JSON.parse(body) as { [key: string]: string })["internal:messageID"]);

test("a full disk is 503 with Retry-After, keeps nothing of the request, and is over by itself", async () => {
  const target = await startTarget();
  const disk = simulated();
  const daemon = await startDaemon(teeTo(target.url), queueOn(disk));
  expect((await daemon.post('{"id":1}')).status).toBe(200);
  disk.faults.capacityBytes = 0;
  const full = await daemon.post('{"id":2}');
  expect([full.status, full.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(metric(daemon, "agglo_queue_full")).toBe(1);
  disk.faults.capacityBytes = Number.POSITIVE_INFINITY;
  await vi.waitFor(async () => expect((await daemon.post('{"id":3}')).status).toBe(200), 10_000);
  await vi.waitFor(() => expect(metric(daemon, "agglo_queue_depth")).toBe(0));
  const seen = new Set(ids(target.got));
  expect([...seen].sort()).toEqual([1, 3]);
}, 30_000);

test("a disk that fails is 503, never a yes", async () => {
  const disk = simulated();
  const daemon = await startDaemon(teeTo((await startTarget()).url), queueOn(disk));
  disk.faults.failingSyncs = 1;
  expect((await daemon.post('{"id":1}')).status).toBe(503);
  await vi.waitFor(async () => expect((await daemon.post('{"id":2}')).status).toBe(200), 10_000);
}, 30_000);

test("there are no final events to ask for", async () => {
  const { post } = await startDaemon(teeTo((await startTarget()).url), queueOn());
  const answer = await post("{}", { query: "?output=1" });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("no final events")]);
});

describe("what fails", () => {
  test("is tried again, then lies in the dead-letter file with the reason", async () => {
    const target = await startTarget();
    target.status = 500;
    const disk = simulated();
    const daemon = await startDaemon(teeTo(target.url), queueOn(disk));
    await daemon.post('{"id":1}');
    await vi.waitFor(() => expect(metric(daemon, "agglo_queue_dead_letters")).toBe(1), 10_000);
    expect(ids(target.got)).toEqual([1, 1, 1]);
    expect([metric(daemon, "agglo_queue_depth"), metric(daemon, "agglo_queue_retried_total")]).toEqual([0, 2]);
    const letters = disk.files().filter((name) => name.includes("dead"));
    expect(disk.bytesOf(letters[0] as string).toString("latin1")).toMatch(/mirror, tee: .*500/);
  }, 30_000);

  test("because a filter refuses it is not tried again", async () => {
    const config = {
      pipelines: [{ name: "check", processes: [{ name: "f" }] }],
      processDefinitions: [{ filter: { name: "f", unless: "has(event.id)", reject: { status: 422 } } }],
    };
    const daemon = await startDaemon(config, queueOn());
    expect((await daemon.post("{}")).status).toBe(200);
    await vi.waitFor(() => expect(metric(daemon, "agglo_queue_dead_letters")).toBe(1));
    expect(metric(daemon, "agglo_queue_retried_total")).toBe(0);
  });

  test("is not overtaken where there is one worker", async () => {
    const target = await startTarget();
    target.status = 500;
    const { post } = await startDaemon(teeTo(target.url), queueOn(simulated(), { workers: 1, retries: 1000 }));
    for (const id of [1, 2, 3]) await post(`{"id":${id}}`);
    await vi.waitFor(() => expect(target.got.length).toBeGreaterThan(2));
    target.status = 200;
    await vi.waitFor(() => expect(new Set(ids(target.got))).toContain(3), 10_000);
    expect(ids(target.got)).toEqual(ids(target.got).toSorted((a, b) => a - b));
  }, 30_000);
});

test("the page of the queue: the original's shape, true times, [] for nothing", async () => {
  const target = await startTarget();
  const daemon = await startDaemon(teeTo(target.url), queueOn(simulated(), { workers: 1 }));
  expect(await shown(daemon)).toEqual({ inflight: [], unprocessed: [] });
  target.holds = true;
  const beforeNs = Date.now() * 1e6;
  for (const id of [1, 2, 3]) await daemon.post(`{"id":${id}}`);
  await vi.waitFor(() => expect(target.got).toHaveLength(1));
  const { inflight, unprocessed } = await shown(daemon);
  expect(inflight).toMatchObject([{ data: { id: 1 }, idx: 1, attempts: 0 }]);
  expect(unprocessed.map(({ data, idx }) => [data, idx])).toEqual([
    [{ id: 2 }, 2],
    [{ id: 3 }, 3],
  ]);
  expect(inflight[0]?.queueTime).toBeGreaterThanOrEqual(beforeNs);
  expect(inflight[0]?.inflightTime).toBeGreaterThanOrEqual(inflight[0]?.queueTime as number);
  const first = await shown(daemon, "limit=1");
  expect([first.inflight.length, first.unprocessed.length, first.next]).toEqual([1, 0, 2]);
  expect((await shown(daemon, "from=3")).unprocessed).toHaveLength(1);
  expect((await daemon.pages["/queue"]?.(new URLSearchParams("limit=x")))?.status).toBe(400);
  target.release();
  target.holds = false;
});

describe("what outlives", () => {
  test("a reload: the queue stays open, the new configuration takes what is queued", async () => {
    const one = await startTarget();
    const two = await startTarget();
    one.holds = true;
    let url = one.url;
    const daemon = await startDaemon(() => teeTo(url), queueOn(simulated(), { workers: 1 }));
    for (const id of [1, 2]) await daemon.post(`{"id":${id}}`);
    await vi.waitFor(() => expect(one.got).toHaveLength(1));
    url = two.url;
    expect((await daemon.reload()).outcome).toBe("applied");
    one.release();
    await vi.waitFor(() => expect(ids(two.got)).toEqual([2]));
    expect(ids(one.got)).toEqual([1]);
  });

  test("leaving: what is in flight ends, the rest is there at the next start (B39, B40)", async () => {
    const folder = mkdtempSync(join(tmpdir(), "agglo-queue-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const target = await startTarget();
    const queue = { dir: folder, disk: nodeDisk(), workers: 1, retries: 2, pauseMs: 1 };
    const first = await startDaemon(teeTo(target.url), { queue });
    await expect(startDaemon(teeTo(target.url), { queue })).rejects.toThrow(/in use by/);
    target.holds = true;
    for (const id of [1, 2, 3]) await first.post(`{"id":${id}}`);
    await vi.waitFor(() => expect(target.got).toHaveLength(1));
    const drained = first.drain();
    await vi.waitFor(() => expect(first.isReady()).toBe(false));
    target.release();
    await drained;
    target.holds = false;
    expect(ids(target.got)).toEqual([1]);
    await startDaemon(teeTo(target.url), { queue });
    await vi.waitFor(() => expect(ids(target.got)).toEqual([1, 2, 3]));
    expect(readFileSync(join(folder, "lock"), "utf8")).toContain(String(process.pid));
  });

  test("a step that does not come back: leaving gives it up, and it is run again", async () => {
    const target = await startTarget();
    target.holds = true;
    const disk = simulated();
    const first = await startDaemon(teeTo(target.url), { ...queueOn(disk), drainMs: 300 });
    await first.post('{"id":1}');
    await vi.waitFor(() => expect(target.got).toHaveLength(1));
    await first.drain();
    target.holds = false;
    await startDaemon(teeTo(target.url), queueOn(disk.processDies()));
    await vi.waitFor(() => expect(ids(target.got)).toEqual([1, 1]));
    target.release();
  });
});
