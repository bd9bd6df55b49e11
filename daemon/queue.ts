/** The queue of a durable daemon: opened, worked off, shown, counted, and left in order. */
import type { AdminPage } from "../engine/runtime/admin.ts";
import type { Disk } from "../engine/runtime/durable-log/disk.ts";
import { type DurableLog, type EntryView, type LogState, openLog } from "../engine/runtime/durable-log/log.ts";
import { isLogFailure } from "../engine/runtime/durable-log/log-failure.ts";
import type { Family } from "../engine/runtime/exposition.ts";
import type { Host } from "../engine/runtime/host.ts";
import { within } from "../engine/runtime/in-time.ts";
import { family } from "../engine/runtime/metrics.ts";
import { nodeTimers } from "../engine/runtime/ports.ts";
import { StartError } from "../engine/runtime/runtime.ts";
import type { Counts } from "./counts.ts";
import { keepFirst } from "./durable.ts";
import type { Take } from "./requests.ts";
import { startWorkers } from "./workers.ts";

export type QueueOptions = {
  /** its folder, made where it is missing */
  dir: string;
  disk: Disk;
  workers: number;
  /** tries after the first, before an event goes to the dead-letter file */
  retries: number;
  /** before the first retry, in ms */
  pauseMs: number;
  /** of one event */
  payloadBytesMax: number;
};

export type Queue = {
  take: Take;
  page: AdminPage;
  families(): Family[];
  /** Ends what is in flight, for at most so long; the rest stays on disk for the next start. */
  close(timeoutMs: number): Promise<void>;
};

/** Rejects with a StartError where the folder is another process's, or the disk fails. */
export async function openQueue(
  options: QueueOptions,
  host: Host,
  counts: Counts,
  onBug: (error: unknown) => void,
): Promise<Queue> {
  const { dir, disk, payloadBytesMax } = options;
  const { standing } = host;
  const onProblem = (line: string) => standing.log("error", line);
  const log = await openLog({ dir, disk, payloadBytesMax, nowMs: Date.now, timers: nodeTimers(), onProblem });
  if (isLogFailure(log)) throw new StartError(false, `--durable ${dir}: ${log.message}`);
  const onDead = (reason: string) => standing.warnOnce(`an event went to the dead-letter file: ${reason}`);
  const workers = startWorkers({ ...options, log, runtimes: host.generations, counts, onBug, onDead });
  return {
    take: keepFirst(log, host.generations),
    page: queuePage(log),
    families: () => queueFamilies(log.state(), workers.retried()),
    async close(timeoutMs) {
      await within(timeoutMs, workers.end(), () => undefined);
      await log.close();
    },
  };
}

const PAGE_ENTRIES = 100;
const PAGE_ENTRIES_MAX = 1000;
/** Entries are read a few at a time, and no further once the page has so much. */
const STEP_ENTRIES = 10;
const PAGE_BYTES_MAX = 8 * 1024 * 1024;

/**
 * The admin page `/queue?from=IDX&limit=N`, in the original's shape (agglo-behaviour 6.3) with times that are true, [] for
 * nothing, and what the original did not know: the event's id, its tries, when it is due again. `next`: where to go on.
 */
function queuePage(log: DurableLog): AdminPage {
  return async (query) => {
    const from = Number(query.get("from") ?? 0);
    const limit = Number(query.get("limit") ?? PAGE_ENTRIES);
    if (!Number.isSafeInteger(from) || from < 0 || !Number.isInteger(limit) || limit < 1 || limit > PAGE_ENTRIES_MAX) {
      return { status: 400, text: `from is an index, limit a number from 1 to ${PAGE_ENTRIES_MAX}\n` };
    }
    const { views, next } = await read(log, from, limit);
    const inflight = views.filter(({ state }) => state === "inFlight").map(entryText);
    const unprocessed = views.filter(({ state }) => state !== "inFlight").map(entryText);
    const rest = next === undefined ? "" : `,"next":${next}`;
    const text = `{"inflight":[${inflight.join(",")}],"unprocessed":[${unprocessed.join(",")}]${rest}}\n`;
    return { status: 200, text, type: "application/json" };
  };
}

async function read(log: DurableLog, from: number, limit: number): Promise<{ views: EntryView[]; next?: number }> {
  const views: EntryView[] = [];
  let bytes = 0;
  let at = from;
  while (views.length < limit && bytes < PAGE_BYTES_MAX) {
    const step = await log.entries(at, Math.min(STEP_ENTRIES, limit - views.length));
    if (step.length === 0) return { views };
    views.push(...step);
    for (const { payload } of step) bytes += payload.byteLength;
    at = (step.at(-1) as EntryView).offset + 1;
  }
  return { views, next: at };
}

function entryText(view: EntryView): string {
  const members = [
    `"data":${Buffer.from(view.payload).toString("utf8")}`,
    `"queueTime":${unixNs(view.queuedAtMs)}`,
    ...(view.takenAtMs === undefined ? [] : [`"inflightTime":${unixNs(view.takenAtMs)}`]),
    ...(view.dueAtMs === undefined ? [] : [`"dueTime":${unixNs(view.dueAtMs)}`]),
    `"idx":${view.offset}`,
    `"id":${JSON.stringify(view.id)}`,
    `"attempts":${view.attempts}`,
  ];
  return `{${members.join(",")}}`;
}

// More digits than a double has.
function unixNs(ms: number): string {
  return `${Math.trunc(ms)}000000`;
}

/** `retried`: tries after the first of an event. */
export function queueFamilies(state: LogState, retried: number): Family[] {
  const age = state.oldestAtMs === undefined ? 0 : Math.max(0, Date.now() - state.oldestAtMs) / 1000;
  const problems = Object.entries(state.problems).map(([kind, count]) => [[["kind", kind]], count as number] as const);
  return [
    family("gauge", "agglo_queue_depth", "Events that are kept and not done.", state.depth),
    family("gauge", "agglo_queue_in_flight", "Events that a worker has.", state.inFlight),
    family("gauge", "agglo_queue_waiting", "Events that failed and are not due again.", state.waiting),
    family("gauge", "agglo_queue_oldest_seconds", "Age of the oldest event that is not done.", age),
    family("gauge", "agglo_queue_bytes", "What the queue takes on disk.", state.bytes),
    family("gauge", "agglo_queue_segments", "Files that the queue's events are in.", state.segments),
    family("gauge", "agglo_queue_full", "1 when the last event found no room.", state.full ? 1 : 0),
    family("gauge", "agglo_queue_dead_letters", "Events in the dead-letter file.", state.deadLetters),
    family("counter", "agglo_queue_retried_total", "Tries of an event after its first.", retried),
    family("counter", "agglo_queue_problems_total", "What the queue has met on disk.", problems),
  ];
}
