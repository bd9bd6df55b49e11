/**
 * What keeps the copies of one tee on disk until their target has them:
 *
 *   offer ─▶ log ─▶ taken in order ─▶ the target's queue (tee-queue.ts) ─▶ sent: forgotten
 *             ▲                                │ └─▶ refused for good: its dead letters
 *             └──── kept at the end ───────────┘
 *
 * The folder has a log for each server process, in folders that are numbers: a process takes the first that nobody holds.
 * How many there are may change from one start to the next, so what lies in the others is sent by whoever finds it.
 */
import { join } from "node:path";
import type { Counters, SystemError, TeeSending, TeeTarget } from "../core/ports.ts";
import { refusalReason } from "../systems/direct-tees.ts";
import { type LossLog, newLossLog } from "./counters.ts";
import type { Disk } from "./durable-log/disk.ts";
import { type DurableLog, type Entry, openLog } from "./durable-log/log.ts";
import { isLogFailure, type LogFailure } from "./durable-log/log-failure.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { Timers } from "./ports.ts";
import { EVENT_OVERHEAD_BYTES } from "./tee-batch.ts";
import type { TeeQueue } from "./tee-queue.ts";

export type SpoolOptions = {
  disk: Disk;
  memory: MemoryBudget;
  counters: Counters;
  nowMs(): number;
  timers: Timers;
  log(line: string): void;
};

/** Where its copies go: of the configuration that came last. */
export type SpoolRoute = { queue: TeeQueue; target: TeeTarget; sending: TeeSending };

export type Spool = {
  folder: string;
  options: SpoolOptions;
  route: SpoolRoute;
  /** what this process appends to */
  own: DurableLog;
  /** `own`, and those of processes that are no more, until they are empty */
  logs: Set<DurableLog>;
  /** copies on their way to the disk */
  appending: number;
  /** copies that the queue has and that it has not settled */
  ahead: number;
  /** called when there are fewer */
  onFewer: (() => void)[];
  closing: boolean;
  /** ends the wait for the next look around */
  cancelLook: (() => void) | undefined;
  losses: LossLog;
};

/** More server processes than anybody starts. */
const LOGS_MAX = 256;
/** Brothers that start with us have theirs by then. */
const FIRST_LOOK_MS = 5000;
const LOOK_EVERY_MS = 30_000;

/** A string: why it cannot be opened. */
export async function openSpool(folder: string, route: SpoolRoute, options: SpoolOptions): Promise<Spool | string> {
  const own = await openFree(folder, options);
  if (isLogFailure(own)) return own.message;
  const spool: Spool = {
    folder,
    options,
    route,
    own,
    logs: new Set(),
    appending: 0,
    ahead: 0,
    onFewer: [],
    closing: false,
    cancelLook: undefined,
    losses: newLossLog(`spool ${folder}`, options),
  };
  begin(spool, own);
  lookLater(spool, FIRST_LOOK_MS);
  return spool;
}

async function openFree(folder: string, options: SpoolOptions): Promise<DurableLog | LogFailure> {
  let number = 0;
  let opened = await openNumbered(folder, number, options);
  while (isLogFailure(opened) && opened.code === "locked" && ++number < LOGS_MAX) {
    opened = await openNumbered(folder, number, options);
  }
  return opened;
}

function openNumbered(folder: string, number: number, options: SpoolOptions): Promise<DurableLog | LogFailure> {
  const { disk, nowMs, timers, log } = options;
  const onProblem = (line: string) => log(`spool: ${line}`);
  return openLog({ dir: join(folder, String(number)), disk, nowMs, timers, onProblem });
}

/** What was left before counts as offered now, or else more would be sent than was offered. */
function begin(spool: Spool, log: DurableLog): void {
  spool.logs.add(log);
  const { depth } = log.state();
  if (depth > 0) spool.options.counters.add("teeOffered", spool.route.target.name, depth);
  void sendOn(spool, log);
}

/** Takes a copy and returns at once; it is lost, and counted, where the disk does not take it. */
export function offerToSpool(spool: Spool, id: string, payload: string): void {
  const { memory, counters } = spool.options;
  const { name } = spool.route.target;
  counters.add("teeOffered", name, 1);
  const bytes = Buffer.from(payload);
  const charge = bytes.byteLength + EVENT_OVERHEAD_BYTES;
  if (!memory.tryTake("tees", charge)) {
    lose(spool, name, "full", "");
    return;
  }
  spool.appending++;
  void spool.own.append(bytes, id).then((answer) => {
    spool.appending--;
    memory.give("tees", charge);
    if (isLogFailure(answer)) lose(spool, name, "spool", answer.message);
  });
}

function lose(spool: Spool, target: string, reason: string, error: string): void {
  spool.options.counters.add("teeDropped", `${target}|${reason}`, 1);
  spool.losses.add(reason, 1, error);
}

/** Copies that the queue may have at a time: enough for its connections, or for two batches. */
const AHEAD_EVENTS = 256;
/** How long a queue without room is left alone. */
const NO_ROOM_MS = 50;
/** How long an entry waits whose dead letter could not be written. */
const AGAIN_MS = 5000;

/** Gives one entry after the other to the queue, until its log gives out no more. Never rejects. */
async function sendOn(spool: Spool, log: DurableLog): Promise<void> {
  for (let entry = await log.take(); entry !== undefined; entry = await log.take()) {
    spool.ahead++;
    const taken = entry;
    const event = Buffer.from(entry.payload.buffer, entry.payload.byteOffset, entry.payload.byteLength);
    const returned = (outcome: "sent" | "kept" | SystemError) => settle(spool, log, taken, outcome);
    const copy = { id: entry.id, event, madeAtMs: entry.queuedAtMs, returned };
    while (!offerTo(spool.route, copy)) {
      if (spool.closing) return;
      await new Promise<void>((resolve) => spool.options.timers.after(NO_ROOM_MS, resolve));
    }
    while (spool.ahead >= aheadMax(spool)) await new Promise<void>((resolve) => spool.onFewer.push(resolve));
  }
}

function offerTo({ queue, target, sending }: SpoolRoute, copy: Parameters<TeeQueue["offerSpooled"]>[2]): boolean {
  return queue.offerSpooled(target, sending, copy);
}

function aheadMax({ route }: Spool): number {
  return Math.max(AHEAD_EVENTS, 2 * (route.sending.batch?.events ?? 0));
}

function settle(spool: Spool, log: DurableLog, entry: Entry, outcome: "sent" | "kept" | SystemError): void {
  if (outcome === "sent") {
    log.ack(entry);
    spool.options.counters.add("teeSent", spool.route.target.name, 1);
  } else if (outcome === "kept") log.release(entry, spool.options.nowMs(), entry.attempts);
  else void giveUp(spool, log, entry, outcome);
  spool.ahead--;
  for (const resume of spool.onFewer.splice(0)) resume();
  if (log !== spool.own && log.state().depth === 0) void close(spool, log);
}

async function giveUp(spool: Spool, log: DurableLog, entry: Entry, error: SystemError): Promise<void> {
  const failure = await log.deadLetter(entry, error.message);
  if (failure === undefined) lose(spool, spool.route.target.name, refusalReason(error), error.message);
  else log.release(entry, spool.options.nowMs() + AGAIN_MS, entry.attempts + 1);
}

function lookLater(spool: Spool, delayMs: number): void {
  spool.cancelLook = spool.options.timers.after(delayMs, () => void lookAround(spool));
}

/** Finds what processes have left that are no more, and sends it. Never rejects. */
async function lookAround(spool: Spool): Promise<void> {
  const names = await spool.options.disk.list(spool.folder).catch(() => []);
  for (const name of names) {
    if (!/^\d{1,3}$/.test(name) || spool.closing) continue;
    const log = await openNumbered(spool.folder, Number(name), spool.options);
    if (isLogFailure(log)) continue; // somebody has it, we ourselves too
    if (log.state().depth === 0 || spool.closing) await log.close();
    else begin(spool, log);
  }
  if (!spool.closing) lookLater(spool, LOOK_EVERY_MS);
}

async function close(spool: Spool, log: DurableLog): Promise<void> {
  if (!spool.logs.delete(log)) return;
  await log.close();
}

/** Takes no more out of its logs: what the queue has is still settled. */
export function endSpool(spool: Spool): void {
  spool.closing = true;
  spool.cancelLook?.();
  for (const log of spool.logs) log.endTaking();
  for (const resume of spool.onFewer.splice(0)) resume();
}

/** After endSpool, when the queue has settled what it had or will not: what is left stays on disk. Never rejects. */
export async function closeSpool(spool: Spool): Promise<void> {
  const { depth } = spoolState(spool);
  for (const log of [...spool.logs]) await close(spool, log);
  spool.losses.flush();
  if (depth > 0) spool.options.log(`spool ${spool.folder}: ${depth} copies stay for the next start`);
}

export type SpoolState = {
  folder: string;
  target: string;
  /** on disk or on their way there */
  depth: number;
  appending: number;
  bytes: number;
  deadLetters: number;
  oldestAtMs: number | undefined;
};

export function spoolState(spool: Spool): SpoolState {
  const sum: SpoolState = {
    folder: spool.folder,
    target: spool.route.target.name,
    depth: spool.appending,
    appending: spool.appending,
    bytes: 0,
    deadLetters: 0,
    oldestAtMs: undefined,
  };
  for (const log of spool.logs) {
    const { depth, bytes, deadLetters, oldestAtMs } = log.state();
    sum.depth += depth;
    sum.bytes += bytes;
    sum.deadLetters += deadLetters;
    if (oldestAtMs !== undefined) sum.oldestAtMs = Math.min(oldestAtMs, sum.oldestAtMs ?? oldestAtMs);
  }
  return sum;
}
