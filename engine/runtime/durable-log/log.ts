/**
 * An append-only log of events on disk: at least once, in order, through crashes. It knows nothing of what an event is.
 *
 *   append ─▶ one write, one fdatasync for all who wait ─▶ queued ─▶ take ─▶ in flight ─▶ ack ─▶ gone
 *                                                            ▲                  │ └─▶ deadLetter ─▶ its file ─▶ gone
 *                                                            └── release: later ┘
 *
 * What is in flight when the process ends is queued again at the next start. record.ts has the format.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Timers } from "../ports.ts";
import { type Committer, commit, endActive } from "./commit.ts";
import { type DeadLetters, openDeadLetters, writeDeadLetter } from "./dead-letters.ts";
import type { Disk, Lock } from "./disk.ts";
import { failureOf, type LogFailure, logFailure } from "./log-failure.ts";
import { ID_CHARS_MAX, PAYLOAD_BYTES_MAX, recordBytes } from "./record.ts";
import { recover } from "./recover.ts";
import { lowest, type Segment } from "./segment.ts";
import { closeShelf, newShelf, type Shelf } from "./shelf.ts";
import { ack, appended, endTaking, newTaking, release, serve, type Taking, take, viewEntries } from "./taking.ts";

export type LogOptions = {
  /** made where it is missing; one process at a time */
  dir: string;
  disk: Disk;
  /** a segment takes no more entries beyond this; its file goes when all of its entries are done. 64 MiB when left out. */
  segmentBytes?: number;
  /**
   * Of all files together, dead letters included: beyond it appending answers `full`. 10 GiB when left out. One more
   * segment's file may be put by (spare.ts).
   */
  bytesMax?: number;
  /** an entry's, at most. 16 MiB when left out. */
  payloadBytesMax?: number;
  /** what may wait for the disk in memory; beyond it appending answers `busy`. 64 MiB when left out. */
  waitingBytesMax?: number;
  nowMs(): number;
  timers: Timers;
  /** Told what an operator should hear of: a torn tail, a segment set aside, a disk that fails. Never a payload. */
  onProblem(line: string): void;
};

/** On disk. `offset`: its place in the order of all entries ever, from 1 on. */
export type Appended = { offset: number; id: string };

/** An entry that was taken: the caller acks, releases or dead-letters it, once. */
export type Entry = {
  offset: number;
  /** chosen when it was appended; the same however often it is taken, across restarts and replays */
  id: string;
  /** the caller's own bytes */
  payload: Uint8Array;
  /** when it was appended, Unix time */
  queuedAtMs: number;
  /** tries before this one, as told by `release`; known across restarts, if not across power failures */
  attempts: number;
};

/** An entry as it is now. */
export type EntryView = Entry & {
  state: "queued" | "inFlight" | "waiting";
  /** of one in flight: when it was taken; else undefined */
  takenAtMs: number | undefined;
  /** of one that waits: when it is due; else undefined */
  dueAtMs: number | undefined;
};

export type LogState = {
  /** entries that are not done: queued, in flight and waiting */
  depth: number;
  inFlight: number;
  /** released, to be taken again */
  waiting: number;
  /** on disk, all files */
  bytes: number;
  /** when the oldest entry that is not done was appended; undefined: there is none */
  oldestAtMs: number | undefined;
  segments: number;
  deadLetters: number;
  /** the last append found no room */
  full: boolean;
  problems: LogProblems;
};

/** Since it was opened. */
export type LogProblems = {
  /** tails of unfinished writes that were cut; nobody was told of their entries */
  tornTails: number;
  /** damaged segments, renamed to `*.corrupt`; what can be read of them is served */
  segmentsSetAside: number;
  /** entries of these that cannot be read */
  entriesLost: number;
  /** writes and syncs that failed */
  diskFailures: number;
};

export type DurableLog = {
  /**
   * Answers when the entry is on disk, or with why it is not. Never rejects. The payload must not change before that.
   * Entries are in the order of the calls. The id is a random UUID when left out.
   */
  append(payload: Uint8Array, id?: string): Promise<Appended | LogFailure>;
  /**
   * The next entry: first what was released and is due, then in the order of appending. Waits until there is one; several
   * may wait. undefined: the log gives out no more (`endTaking`, `close`). Never rejects.
   */
  take(): Promise<Entry | undefined>;
  /** Gives out no more: all who wait get undefined. What is in flight can still be acked, new entries appended. */
  endTaking(): void;
  /** Done for good. Written soon, not synced: after a crash the entry may be taken once more. */
  ack(entry: Pick<Entry, "offset">): void;
  /** Gives it back, to be taken again from `atMs` on; `attempts` is what its next taker is told. */
  release(entry: Pick<Entry, "offset">, atMs: number, attempts: number): void;
  /**
   * Puts it into the dead-letter file, with the reason, and acks it when that is on disk. Where that fails it is still in
   * flight: release it. Never rejects.
   */
  deadLetter(entry: Entry, reason: string): Promise<LogFailure | undefined>;
  /** Entries that are not done, by offset from `from` on, at most so many; [] = no more. Never rejects. */
  entries(from: number, max: number): Promise<EntryView[]>;
  state(): LogState;
  /** Answers what waits for the disk, writes the acks down, lets go of the lock. Never rejects. */
  close(): Promise<void>;
};

const MIB = 1024 * 1024;
const SEGMENT_BYTES = 64 * MIB;
/** Places in a segment are 32 bits; a group may go beyond it by its own size. */
const SEGMENT_BYTES_MAX = 1024 * MIB;
const BYTES_MAX = 10 * 1024 * MIB;
const PAYLOAD_BYTES = 16 * MIB;
const WAITING_BYTES_MAX = 64 * MIB;

const LOCK = "lock";

type Log = {
  shelf: Shelf;
  committer: Committer;
  taking: Taking;
  letters: DeadLetters;
  lock: Lock;
  bytesMax: number;
  payloadBytesMax: number;
  waitingBytesMax: number;
  nowMs(): number;
  closing: Promise<void> | undefined;
};

/** Opens what is there, mended where a crash has left it unfinished. Never rejects. */
export async function openLog(options: LogOptions): Promise<DurableLog | LogFailure> {
  const { dir, disk } = options;
  try {
    await disk.makeFolder(dir);
    const lock = await disk.lock(join(dir, LOCK));
    if ("holder" in lock) return logFailure("locked", `${dir} is in use by ${lock.holder}`);
    const opened = await openLocked(options, lock);
    if ("retryable" in opened) await lock.release();
    return opened;
  } catch (error) {
    return failureOf(error);
  }
}

async function openLocked(options: LogOptions, lock: Lock): Promise<DurableLog | LogFailure> {
  const { dir, disk, timers, onProblem, nowMs } = options;
  const shelf = newShelf({ dir, disk, timers, onProblem });
  let letters: DeadLetters;
  try {
    const failure = await recover(shelf);
    if (failure !== undefined) return failure;
    letters = await openDeadLetters(disk, dir);
  } catch (error) {
    return failureOf(error);
  }
  const taking = newTaking(shelf, nowMs);
  const last = shelf.segments.at(-1);
  const committer: Committer = {
    shelf,
    segmentBytes: Math.min(SEGMENT_BYTES_MAX, options.segmentBytes ?? SEGMENT_BYTES),
    nowMs,
    onAppended: (segment, start, records) => appended(taking, segment, start, records),
    onLull: () => void serve(taking),
    waiting: [],
    waitingBytes: 0,
    nextOffset: last === undefined ? 1 : last.name.first + Math.max(1, last.count),
    active: undefined,
    committing: false,
    onIdle: undefined,
    pausedUntilMs: 0,
    failure: undefined,
  };
  return durableLog({
    shelf,
    committer,
    taking,
    letters,
    lock,
    bytesMax: options.bytesMax ?? BYTES_MAX,
    payloadBytesMax: Math.min(PAYLOAD_BYTES_MAX, options.payloadBytesMax ?? PAYLOAD_BYTES),
    waitingBytesMax: options.waitingBytesMax ?? WAITING_BYTES_MAX,
    nowMs,
    closing: undefined,
  });
}

function durableLog(log: Log): DurableLog {
  return {
    append: (payload, id) => append(log, payload, id),
    take: () => take(log.taking),
    endTaking: () => endTaking(log.taking),
    ack: ({ offset }) => ack(log.taking, offset),
    release: ({ offset }, atMs, attempts) => release(log.taking, offset, atMs, attempts),
    deadLetter: (entry, reason) => deadLetter(log, entry, reason),
    entries: (from, max) => viewEntries(log.taking, from, max),
    state: () => stateOf(log),
    close() {
      log.closing ??= close(log);
      return log.closing;
    },
  };
}

/** It names files, headers and keys elsewhere. */
const PLAIN_ID = /^[A-Za-z0-9._-]+$/;

// Not async: that would be a promise more for each entry.
function append(log: Log, payload: Uint8Array, id: string = randomUUID()): Promise<Appended | LogFailure> {
  const failure = whyNotAppended(log, payload, id);
  return failure === undefined ? commit(log.committer, id, payload) : Promise.resolve(failure);
}

function whyNotAppended(log: Log, payload: Uint8Array, id: string): LogFailure | undefined {
  const { committer, payloadBytesMax, waitingBytesMax } = log;
  if (log.closing !== undefined) return logFailure("closed", "the log is closed");
  if (payload.byteLength > payloadBytesMax) {
    return logFailure("tooLarge", `an entry has at most ${payloadBytesMax} bytes, not ${payload.byteLength}`);
  }
  if (id.length > ID_CHARS_MAX || !PLAIN_ID.test(id)) {
    return logFailure("badId", `an id is 1 to ${ID_CHARS_MAX} letters, digits, ".", "_" or "-"`);
  }
  if (committer.waitingBytes > 0 && committer.waitingBytes + payload.byteLength > waitingBytesMax) {
    return logFailure("busy", "the disk is behind with what it has to write");
  }
  if (!hasRoom(log, recordBytes(id, payload))) return logFailure("full", `the log has its ${log.bytesMax} bytes`);
  return undefined;
}

function hasRoom({ shelf, committer, letters, bytesMax }: Log, bytes: number): boolean {
  return shelf.bytes + committer.waitingBytes + letters.bytes + bytes <= bytesMax;
}

async function deadLetter(log: Log, entry: Entry, reason: string): Promise<LogFailure | undefined> {
  if (log.closing !== undefined) return logFailure("closed", "the log is closed");
  const failure = await writeDeadLetter(log.letters, entry, reason, log.nowMs());
  if (failure === undefined) ack(log.taking, entry.offset);
  return failure;
}

function stateOf({ shelf, committer, taking, letters, bytesMax }: Log): LogState {
  return {
    depth: shelf.depth,
    inFlight: taking.inFlight.size,
    waiting: taking.due.length,
    bytes: shelf.bytes + letters.bytes,
    oldestAtMs: oldestAtMs(shelf.segments),
    segments: shelf.segments.length,
    deadLetters: letters.count,
    full: committer.failure?.code === "full" || shelf.bytes + letters.bytes >= bytesMax,
    problems: { ...shelf.problems },
  };
}

function oldestAtMs(segments: readonly Segment[]): number | undefined {
  const oldest = segments.find((segment) => segment.left > 0);
  return oldest?.times[lowest(oldest)];
}

async function close(log: Log): Promise<void> {
  endTaking(log.taking);
  log.taking.inFlight.clear(); // an ack that comes later changes nothing
  await idle(log.committer);
  await endActive(log.committer);
  await log.letters.writing;
  await closeShelf(log.shelf);
  try {
    await log.letters.file?.close();
    await log.lock.release();
  } catch (error) {
    log.shelf.onProblem(`${log.shelf.dir}: cannot be left in order: ${String(error)}`);
  }
}

function idle(committer: Committer): Promise<void> {
  if (!committer.committing) return Promise.resolve();
  return new Promise((resolve) => {
    committer.onIdle = resolve;
  });
}
