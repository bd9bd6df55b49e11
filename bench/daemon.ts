/**
 * What a daemon takes: `npm run bench:daemon [-- --quick]`. 1 KB events posted by 64 connections to a bare node:http server
 * that parses and answers, to binge serve and to binge serve --durable, in turn; ratios are taken within a round. Exit 1
 * when a bound is missed.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cpuUs, rssMib } from "./rig/accounting.ts";
import { orderText } from "./rig/bodies.ts";
import { type Figure, figure } from "./rig/figures.ts";
import { findLoader, type Loaded, type Loader } from "./rig/load.ts";
import { type Running, scratchFolder, startProcess, stopEverything } from "./rig/processes.ts";

const isQuick = process.argv.includes("--quick");
const ROUNDS = isQuick ? 1 : 5;
const SECONDS = isQuick ? 2 : 6;
const WARMUP_SECONDS = isQuick ? 1 : 3;
const CONNECTIONS = 64;

const STATELESS_SHARE = 0.8;
const DURABLE_SHARE = 0.5;

type Subject = { name: string; path: string; running: Running; target: string; admin: string | undefined };
type Measured = Loaded & { perSecond: number; cpuUs: number; mib: number };

const CONFIG = {
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  pipelines: [{ name: "mark", processes: [{ name: "mark" }] }],
  processDefinitions: [
    { annotator: { name: "mark", annotations: [{ fieldKey: "priority", value: "high" }], onExists: "overwrite" } },
  ],
};

async function startBare(): Promise<Subject> {
  const { running, found } = await startProcess(
    process.execPath,
    ["bench/rig/bare-server.ts"],
    (said) => /listening (\S+)/.exec(said)?.[1],
  );
  return { name: "node:http, parse and answer", path: "/", running, target: found, admin: undefined };
}

async function startDaemon(name: string, args: readonly string[]): Promise<Subject> {
  const config = join(scratchFolder(), "daemon.json");
  writeFileSync(config, JSON.stringify(CONFIG));
  const doors = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "text"];
  const { running, found } = await startProcess(
    process.execPath,
    ["cli/binge.ts", "serve", "--config", config, ...doors, ...args],
    (said) => /events on (\S+),[\s\S]*admin on (\S+)/.exec(said) ?? undefined,
  );
  return { name, path: "/binge", running, target: found[1] as string, admin: found[2] as string };
}

async function measure(loader: Loader, { path, running, target, admin }: Subject): Promise<Measured> {
  const body = orderText(1024);
  const work = { name: "daemon", method: "POST", path, contentType: "application/json", body, ...ANSWERS } as const;
  const load = { target, work, expect: ANSWERS.done, connections: CONNECTIONS };
  await loader.run({ ...load, seconds: WARMUP_SECONDS });
  const before = cpuUs(running.pid);
  const loaded = await loader.run({ ...load, seconds: SECONDS });
  const used = cpuUs(running.pid) - before;
  if (loaded.failures > 0) throw new Error(`${target}: ${JSON.stringify(loaded.reasons)}`);
  const mib = rssMib(running.pid);
  if (admin !== undefined) await workedOff(admin);
  return { ...loaded, perSecond: loaded.requests / loaded.seconds, cpuUs: used / loaded.requests, mib };
}

const SUCCESS = { status: 200, body: "Success" };
const ANSWERS = { untouched: SUCCESS, done: SUCCESS, config: "" };

/** What one round has left in a queue is not the next one's work. */
async function workedOff(admin: string): Promise<void> {
  for (;;) {
    const text = await (await fetch(`http://${admin}/metrics`)).text();
    const depth = /^agglo_queue_depth (\d+)$/m.exec(text)?.[1] ?? "0";
    if (depth === "0") return;
    await delay(50);
  }
}

const SYNCS = 200;

/** How often a second this disk can be asked for what one event takes: a write and an fdatasync. */
function syncsPerSecond(): number {
  const file = openSync(join(scratchFolder(), "syncs"), "w");
  const block = randomBytes(1024);
  const since = performance.now();
  for (let i = 0; i < SYNCS; i++) {
    writeSync(file, block);
    fdatasyncSync(file);
  }
  closeSync(file);
  return (1000 * SYNCS) / (performance.now() - since);
}

function show(name: string, rounds: readonly Measured[]): void {
  const cell = (pick: (one: Measured) => number, digits: number) => rangeText(rounds.map(pick), digits).padEnd(28);
  const cells = [
    cell((one) => one.perSecond, 0),
    cell((one) => one.latencyUs.p99 / 1000, 1),
    cell((one) => one.cpuUs, 1),
    cell((one) => one.mib, 0),
  ];
  process.stdout.write(`${name.padEnd(28)} ${cells.join(" ")}\n`);
}

function rangeText(values: readonly number[], digits: number): string {
  const { median, min, max } = figure(values) as Figure;
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}

function judge(name: string, ratios: readonly number[], bound: number): boolean {
  const met = (figure(ratios) as Figure).median >= bound;
  process.stdout.write(`${met ? "met   " : "MISSED"} ${name}: ${rangeText(ratios, 2)}, at least ${bound}\n`);
  return met;
}

async function main(): Promise<void> {
  const loader = await findLoader(undefined, (line) => process.stderr.write(`${line}\n`));
  const subjects = [
    await startBare(),
    await startDaemon("binge serve", []),
    await startDaemon("binge serve --durable", ["--durable", scratchFolder()]),
  ];
  const rounds: Measured[][] = subjects.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, subject] of subjects.entries()) rounds[i]?.push(await measure(loader, subject));
  }
  await stopEverything();
  process.stdout.write(
    `Node ${process.version}, 1 KB events, ${CONNECTIONS} connections, median of ${ROUNDS} rounds\n`,
  );
  process.stdout.write(`the disk alone: ${syncsPerSecond().toFixed(0)} times write and fdatasync a second\n\n`);
  const heads = ["requests/s", "p99, ms", "CPU per request, µs", "RSS, MiB"].map((head) => head.padEnd(28));
  process.stdout.write(`${"".padEnd(28)} ${heads.join(" ")}\n`);
  for (const [i, { name }] of subjects.entries()) show(name, rounds[i] as Measured[]);
  process.stdout.write("\n");
  const [bare = [], stateless = [], durable = []] = rounds;
  const ratios = (of: Measured[], to: Measured[]) => of.map((one, i) => one.perSecond / (to[i] as Measured).perSecond);
  const met = [
    judge("stateless, of the bare server", ratios(stateless, bare), STATELESS_SHARE),
    judge("durable, of stateless", ratios(durable, stateless), DURABLE_SHARE),
  ];
  if (met.includes(false)) process.exitCode = 1;
}

await main();
