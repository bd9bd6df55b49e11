/**
 * An append-only log of events on disk: at least once, in order, through crashes. It knows nothing of what an event is.
 *
 *   append ─▶ one write, one fdatasync for all who wait ─▶ queued ─▶ take ─▶ in flight ─▶ ack ─▶ gone
 *                                                            ▲                  │ └─▶ deadLetter ─▶ its file ─▶ gone
 *                                                            └── release: later ┘
 *
 * What is in flight when the process ends is queued again at the next start. record.ts has the format.
 */
import type { Timers } from "../ports.ts";
import type { Disk } from "./disk.ts";

export type LogOptions = {
  /** made where it is missing; one process at a time */
  dir: string;
  disk: Disk;
  /** a segment takes no more entries beyond this; its file goes when all of its entries are done */
  segmentBytes?: number;
  /** of all files together, dead letters included: beyond it appending answers `full` */
  bytesMax?: number;
  /** an entry's, at most */
  payloadBytesMax?: number;
  /** what may wait for the disk in memory; beyond it appending answers `busy` */
  waitingBytesMax?: number;
  /** a random UUID when left out */
  newId?: () => string;
  nowMs(): number;
  timers: Timers;
  /** Told what an operator should hear of: a torn tail, a segment set aside, a disk that fails. Never a payload. */
  onProblem(line: string): void;
};

/**
 * - `full`: no room on the disk, or bytesMax is reached; passes by itself when entries are done or there is room
 * - `busy`: the disk is behind
 * - `failed`: the disk failed; what was being appended may or may not come back after a crash
 * - `tooLarge`: larger than payloadBytesMax
 * - `badId`: an id is 1 to 128 letters, digits, `.`, `_`, `-`
 * - `closed`: the log was closed
 * - `locked`: another process has it open
 */
export type LogFailureCode = "full" | "busy" | "failed" | "tooLarge" | "badId" | "closed" | "locked";

/** As a SystemError: `retryable` says whether the same may work later. */
export type LogFailure = { code: LogFailureCode; message: string; retryable: boolean };

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
  /** released and not due */
  waiting: number;
  /** on disk, all files */
  bytes: number;
  /** when the oldest entry that is not done was appended; undefined: there is none */
  oldestAtMs: number | undefined;
  segments: number;
  deadLetters: number;
  /** the last append found no room */
  full: boolean;
  /** since it was opened */
  problems: LogProblems;
};

export type LogProblems = {
  /** tails of unfinished writes that were cut; nobody was told of their entries */
  tornTails: number;
  /** segments renamed to `*.corrupt` after their readable entries were copied */
  segmentsSetAside: number;
  /** entries of these that cannot be read */
  entriesLost: number;
  /** writes and syncs that failed, other than for room */
  diskFailures: number;
};

export type DurableLog = {
  /**
   * Answers when the entry is on disk, or with why it is not. Never rejects. The payload must not change before that.
   * Entries are in the order of the calls.
   */
  append(payload: Uint8Array, id?: string): Promise<Appended | LogFailure>;
  /**
   * The next entry: first what was released and is due, then in the order of appending. Waits until there is one; several
   * may wait. undefined: the log takes out no more (`endTaking`, `close`). Never rejects.
   */
  take(): Promise<Entry | undefined>;
  /** Takes out no more: all who wait get undefined. What is in flight can still be acked, new entries appended. */
  endTaking(): void;
  /** Done for good. Written soon, not synced: after a crash the entry may be taken once more. */
  ack(entry: Entry): void;
  /** Gives it back, to be taken again from `atMs` on; `attempts` is what its next taker is told. */
  release(entry: Entry, atMs: number, attempts: number): void;
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

/** Opens what is there, mended where a crash has left it unfinished. Never rejects. */
export declare function openLog(options: LogOptions): Promise<DurableLog | LogFailure>;

export function isLogFailure(value: object | undefined): value is LogFailure {
  return value !== undefined && "retryable" in value;
}
