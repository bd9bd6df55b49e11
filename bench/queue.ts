/**
 * What the durable log does alone: `npm run bench:queue`. Events of 1 KB, 64 in flight, acknowledged when they are on disk,
 * taken and acked beside it; and how often the same disk syncs in the same seconds, an append of 1 KB each time, as a log
 * without group commit would. Both take turns, so that a neighbour's load meets both.
 *
 *   --events N   one long run instead, with the memory of the process over time
 *   --dir DIR    where; a folder of the system's temporary one when left out
 */
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type DurableLog, openLog } from "../engine/runtime/durable-log/log.ts";
import { isLogFailure } from "../engine/runtime/durable-log/log-failure.ts";
import { nodeDisk } from "../engine/runtime/durable-log/node-disk.ts";
import { nodeTimers } from "../engine/runtime/ports.ts";

const IN_FLIGHT = 64;
const EVENT_BYTES = 1024;
const ROUNDS = 9;
const ROUND_MS = 1000;
const TARGET = 32;

const event = Buffer.alloc(EVENT_BYTES, '{"a":"b"}');

async function openQueue(dir: string): Promise<DurableLog> {
  const log = await openLog({ dir, disk: nodeDisk(), nowMs: Date.now, timers: nodeTimers(), onProblem: complain });
  if (isLogFailure(log)) throw new Error(log.message);
  return log;
}

function complain(line: string): void {
  throw new Error(line);
}

/** Takes and acks whatever comes, until taking ends. */
async function consume(log: DurableLog): Promise<void> {
  for (let entry = await log.take(); entry !== undefined; entry = await log.take()) log.ack(entry);
}

/** Appends with so many in flight while `goesOn`; how many were acknowledged. */
async function produce(log: DurableLog, goesOn: (acknowledged: number) => boolean): Promise<number> {
  let acknowledged = 0;
  const appendOn = async () => {
    while (goesOn(acknowledged)) {
      const answer = await log.append(event);
      if (isLogFailure(answer)) throw new Error(answer.message);
      acknowledged++;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, appendOn));
  return acknowledged;
}

async function queueRate(log: DurableLog): Promise<number> {
  const start = performance.now();
  const acknowledged = await produce(log, () => performance.now() - start < ROUND_MS);
  return (acknowledged / (performance.now() - start)) * 1000;
}

async function syncRate(dir: string): Promise<number> {
  const path = join(dir, "syncs");
  const file = await open(path, "w");
  const start = performance.now();
  let syncs = 0;
  while (performance.now() - start < ROUND_MS) {
    await file.write(event, 0, EVENT_BYTES, syncs * EVENT_BYTES);
    await file.datasync();
    syncs++;
  }
  const rate = (syncs / (performance.now() - start)) * 1000;
  await file.close();
  rmSync(path);
  return rate;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

const whole = (value: number) => Math.round(value).toLocaleString("en");

async function compare(dir: string): Promise<void> {
  const log = await openQueue(join(dir, "log"));
  const consuming = consume(log);
  const rounds: { events: number; syncs: number; ratio: number }[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const syncs = await syncRate(dir);
    const events = await queueRate(log);
    rounds.push({ events, syncs, ratio: events / syncs });
    process.stdout.write(`${whole(events).padStart(9)} events/s acknowledged, ${whole(syncs).padStart(7)} syncs/s\n`);
  }
  log.endTaking();
  await consuming;
  await log.close();
  const ratio = median(rounds.map((one) => one.ratio));
  const met = ratio >= TARGET;
  process.stdout.write(
    `\nmedian ${whole(median(rounds.map((one) => one.events)))} events/s, ` +
      `${whole(median(rounds.map((one) => one.syncs)))} syncs/s\n` +
      `${met ? "met   " : "MISSED"} events acknowledged for each of the disk's own syncs: ${ratio.toFixed(1)} (≥ ${TARGET})\n`,
  );
  if (!met) process.exitCode = 1;
}

/** What memory may grow by after the first third of the events, which V8 takes to find the size of its heap. */
const GROWTH_MIB_MAX = 32;
const LINES = 20;
const WARM_LINES = 7;

async function soak(dir: string, events: number): Promise<void> {
  const log = await openQueue(join(dir, "log"));
  const consuming = consume(log);
  const start = performance.now();
  const rssMib = () => process.memoryUsage().rss / 1024 / 1024;
  let total = 0;
  let early = 0;
  for (let line = 1; line <= LINES; line++) {
    const until = Math.round((events * line) / LINES);
    const already = total;
    let given = 0;
    total += await produce(log, () => given++ < until - already);
    if (line === WARM_LINES) early = rssMib();
    const { depth, bytes, segments } = log.state();
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    process.stdout.write(
      `${seconds.padStart(5)} s ${whole(total).padStart(11)} events, RSS ${rssMib().toFixed(0).padStart(4)} MiB, ` +
        `${whole(depth)} queued, ${whole(bytes / 1024 / 1024)} MiB in ${segments} segments\n`,
    );
  }
  const growth = rssMib() - early;
  log.endTaking();
  await consuming;
  await log.close();
  const met = growth <= GROWTH_MIB_MAX;
  process.stdout.write(
    `\n${met ? "met   " : "MISSED"} MiB gained after the first third: ${growth.toFixed(0)} (≤ ${GROWTH_MIB_MAX})\n`,
  );
  if (!met) process.exitCode = 1;
}

const { values } = parseArgs({ options: { events: { type: "string" }, dir: { type: "string" } } });
const dir = mkdtempSync(join(values.dir ?? tmpdir(), "agglo-queue-"));
try {
  process.stdout.write(`Node ${process.version}, events of ${EVENT_BYTES} bytes, ${IN_FLIGHT} in flight\n\n`);
  if (values.events === undefined) await compare(dir);
  else await soak(dir, Number(values.events));
} finally {
  rmSync(dir, { recursive: true, force: true });
}
