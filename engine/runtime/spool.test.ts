import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { loadConfig } from "../config/load.ts";
import { newRunContext } from "../core/context.ts";
import { newEvent } from "../core/event/event.ts";
import { runPipelines } from "../core/pipeline.ts";
import { findSystem } from "../systems/registry.ts";
import { newCounters } from "./counters.ts";
import { newSimulatedDisk, type SimulatedDisk } from "./durable-log/testing/simulated-disk.ts";
import { newMemoryBudget } from "./memory-budget.ts";
import { re2Regexps } from "./regexps.ts";
import { newRuntime, type Runtime, StartError } from "./runtime.ts";
import type { SpoolRoute } from "./spool.ts";
import { newSpools, type SpoolLease } from "./spools.ts";
import { newStanding, type Standing } from "./standing.ts";
import { newRig, type Rig, SENT, targetOf, WRONG } from "./testing/tee-rig.ts";

async function startTarget(status: number) {
  const state = { status };
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (state.status === 200) bodies.push(Buffer.concat(chunks).toString());
      response.writeHead(state.status).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, bodies, state };
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "agglo-spool-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function planOf(spool: string, url: string, sending: object = {}) {
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: [{ name: "mirror", processes: [{ name: "tee" }] }],
    processDefinitions: [{ tee: { name: "tee", outputConnectorRef: "target", spool, ...sending } }],
    externalSystems: [{ externalType: "ExternalHttp", name: "target", connectionString: url }],
  };
  const loaded = loadConfig(JSON.stringify(config), { file: "test", regexps: re2Regexps(), systemForm: findSystem });
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  return { plan: loaded.plan, systems: loaded.systems };
}

type Started = { standing: Standing; runtime: Runtime; lines: string[] };

async function start(spool: string, url: string, sending: object = {}): Promise<Started> {
  const lines: string[] = [];
  const standing = newStanding({ log: (_level, line) => lines.push(line) });
  const { plan, systems } = planOf(spool, url, sending);
  return { standing, runtime: await newRuntime(plan, systems, standing), lines };
}

function mirror(runtime: Runtime, ...texts: string[]): void {
  for (const text of texts) {
    const event = newEvent(JSON.parse(text), text, 0, text.length);
    void runPipelines(runtime.pipelines, newRunContext(event, runtime.ports), 0);
  }
}

function counted(runtime: Runtime, name: string): number {
  const rows = runtime.counters.snapshot().filter((row) => row.name === name);
  return rows.reduce((sum, row) => sum + row.value, 0);
}

const isEmpty = (runtime: Runtime) => vi.waitFor(() => expect(runtime.queued().events).toBe(0), { timeout: 5000 });

it("keeps copies while the target is down and the process is gone, and sends them at the next start", async () => {
  const target = await startTarget(503);
  const dir = folder();
  const first = await start(dir, target.url);
  mirror(first.runtime, '{"n": 1.50}', '{"n":2}', '{"n":3}');
  await vi.waitFor(() => expect(counted(first.runtime, "teeRetried")).toBeGreaterThan(0));
  expect(first.runtime.queued().events).toBe(3);
  await first.runtime.close(100);
  expect(first.lines).toContain(`spool ${dir}: 3 copies stay for the next start`);
  expect(counted(first.runtime, "teeDropped")).toBe(0);
  target.state.status = 200;
  const second = await start(dir, target.url);
  await isEmpty(second.runtime);
  expect(target.bodies.toSorted()).toEqual(['{"n": 1.50}', '{"n":2}', '{"n":3}']);
  expect(counted(second.runtime, "teeOffered")).toBe(3);
  expect(counted(second.runtime, "teeSent")).toBe(3);
  await second.runtime.close(1000);
  const third = await start(dir, target.url);
  expect(third.runtime.queued().events).toBe(0);
  await third.runtime.close(0);
});

it("gathers copies of a spool in batches", async () => {
  const target = await startTarget(200);
  const { runtime } = await start(folder(), target.url, { batch: { events: 3, seconds: 900 } });
  mirror(runtime, '{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}');
  await vi.waitFor(() => expect(target.bodies).toEqual(['{"n":1}\n{"n":2}\n{"n":3}\n']));
  await runtime.close(5000);
  expect(target.bodies[1]).toBe('{"n":4}\n');
  expect(counted(runtime, "teeSent")).toBe(4);
});

it("puts what the target refuses for good to the dead letters, counted as lost", async () => {
  const target = await startTarget(400);
  const dir = folder();
  const { runtime, standing } = await start(dir, target.url);
  mirror(runtime, '{"n":1}');
  await isEmpty(runtime);
  const letter = readFileSync(join(dir, "0", "dead-letters.ndjson"), "utf8");
  expect(JSON.parse(letter)).toMatchObject({ event: { n: 1 }, reason: expect.stringContaining("400") });
  expect(counted(runtime, "teeDropped")).toBe(1);
  const families = standing.spools.families().map(({ name, samples }) => [name, samples[0]?.value]);
  expect(families).toContainEqual(["agglo_spool_dead_letters", 1]);
  await runtime.close(0);
});

it("sends what it holds where the newest configuration says", async () => {
  const [old, next] = [await startTarget(503), await startTarget(200)];
  const dir = folder();
  const { standing, runtime } = await start(dir, old.url);
  mirror(runtime, '{"n":1}', '{"n":2}');
  await vi.waitFor(() => expect(counted(runtime, "teeRetried")).toBeGreaterThan(0));
  const { plan, systems } = planOf(dir, next.url);
  const reloaded = await newRuntime(plan, systems, standing);
  await runtime.close(50);
  await isEmpty(reloaded);
  expect(next.bodies.toSorted()).toEqual(['{"n":1}', '{"n":2}']);
  await reloaded.close(0);
});

it("gives each process a folder of its own, and says why where there is none to be had", async () => {
  const target = await startTarget(503);
  const dir = folder();
  const started = [await start(dir, target.url), await start(dir, target.url)];
  for (const { runtime } of started) mirror(runtime, '{"n":1}');
  expect(readdirSync(dir).sort()).toEqual(["0", "1"]);
  for (const { runtime } of started) await runtime.close(0);
  writeFileSync(join(dir, "file"), "");
  const failing = start(join(dir, "file"), target.url);
  await expect(failing).rejects.toThrow(StartError);
  await expect(failing).rejects.toThrow('spool of tee "tee": ENOTDIR');
});

/** Spools on a disk that does as it is told, in front of a queue on a clock. */
async function simulate(disk: SimulatedDisk = newSimulatedDisk(() => 0.3)) {
  const rig = newRig();
  const counters = newCounters();
  const lines: string[] = [];
  const spools = newSpools({
    disk,
    memory: newMemoryBudget(1e6, counters),
    counters,
    nowMs: () => rig.timers.nowMs,
    timers: rig.timers,
    log: (line) => lines.push(line),
  });
  const sending = { tee: "t", keyPrefix: "", batch: null, spool: "/spool" };
  const route: SpoolRoute = { queue: rig.queue, target: targetOf("a"), sending };
  const [lease] = await Promise.all([spools.acquire([route]), settle(rig)]);
  if ("errors" in lease) throw new Error(lease.errors.join());
  const count = (name: string, label: string) =>
    counters.snapshot().find((row) => row.name === name && row.label === label)?.value ?? 0;
  const queued = () => spools.queued().reduce((sum, { events }) => sum + events, 0);
  return { rig, disk, lease, lines, count, queued };
}

/** As long as a simulated disk takes, in turns. */
async function settle(rig: Rig): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await rig.timers.settle();
}

async function offer(rig: Rig, lease: SpoolLease, ...ids: string[]): Promise<void> {
  for (const id of ids) lease.offer("/spool", id, `{"id":"${id}"}`);
  await settle(rig);
}

async function closeAll(rig: Rig, lease: SpoolLease): Promise<void> {
  lease.end();
  const drained = rig.queue.drain(0);
  await rig.timers.advance(0);
  await Promise.all([drained, lease.close(), settle(rig)]);
}

it("sends in the order of offering, and forgets what the target has taken", async () => {
  const { rig, lease, count, queued } = await simulate();
  await offer(rig, lease, "1", "2", "3");
  expect(rig.calls.map(({ id }) => id)).toEqual(["1", "2"]); // so many at a time
  rig.calls[0]?.answer(SENT);
  await settle(rig);
  expect(rig.attempts).toEqual(["a 1", "a 2", "a 3"]);
  expect([count("teeOffered", "a"), count("teeSent", "a"), queued()]).toEqual([3, 1, 2]);
  rig.calls[0]?.answer(WRONG);
  await settle(rig);
  expect([count("teeDropped", "a|retries"), queued()]).toEqual([1, 1]);
  await closeAll(rig, lease);
});

it("loses copies while its disk is full, and counts them; the rest arrives", async () => {
  const { rig, disk, lease, count, queued, lines } = await simulate();
  await offer(rig, lease, "1");
  disk.faults.capacityBytes = 0;
  await offer(rig, lease, "2", "3");
  expect([count("teeOffered", "a"), count("teeDropped", "a|spool"), queued()]).toEqual([3, 2, 1]);
  disk.faults.capacityBytes = 1e6;
  await rig.timers.advance(1000);
  await offer(rig, lease, "4");
  expect(rig.attempts).toEqual(["a 1", "a 4"]);
  expect(lines).toContainEqual(expect.stringContaining("1 lost since the last line (spool 1)"));
  await closeAll(rig, lease);
});

it("sends what processes that are no more have left in folders of theirs", async () => {
  const first = await simulate();
  const second = await simulate(first.disk); // beside it: in folder 1
  await offer(second.rig, second.lease, "left");
  await closeAll(second.rig, second.lease);
  expect(first.disk.files().some((path) => path.startsWith("/spool/1/"))).toBe(true);
  await first.rig.timers.advance(5000);
  await settle(first.rig);
  expect(first.rig.attempts).toEqual(["a left"]);
  expect(first.count("teeOffered", "a")).toBe(1);
  first.rig.calls[0]?.answer(SENT);
  await settle(first.rig);
  expect(first.queued()).toBe(0);
  await closeAll(first.rig, first.lease);
});
