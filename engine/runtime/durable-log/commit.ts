/**
 * Group commit: everything that waits goes to the disk in one write and one fdatasync, then all who wait are answered.
 * While that is under way the next group gathers, and what the last one brought is given out.
 *
 * A write or sync that failed is final for its segment: the kernel may have dropped the pages and would say yes to the next
 * sync. What was on disk before is; those who wait are told; the next group begins a new segment.
 */
import { randomInt } from "node:crypto";
import type { Appended } from "./log.ts";
import { failureOf, type LogFailure } from "./log-failure.ts";
import { RecordKind, recordBytes, writeHeader, writeRecord } from "./record.ts";
import { reserve } from "./reserve.ts";
import { addEntry, newSegment, type Segment, segmentPath, writeAll } from "./segment.ts";
import { noteDiskFailure, type Shelf, tidy } from "./shelf.ts";
import { takeSpare } from "./spare.ts";

export type Committer = {
  shelf: Shelf;
  segmentBytes: number;
  nowMs(): number;
  /** told of entries that are on disk: where the first one is, and their records */
  onAppended(segment: Segment, start: number, records: Buffer): void;
  /** told when the disk is at work or has none: the time to give out entries, since no group waits for that */
  onLull(): void;
  waiting: Waiting[];
  /** of the records of those that wait or are being written */
  waitingBytes: number;
  nextOffset: number;
  /** takes the next group; undefined: one is begun */
  active: Segment | undefined;
  /** a group is being written, or will be after the work at hand */
  committing: boolean;
  /** called when nothing waits any more */
  onIdle: (() => void) | undefined;
  /** the disk failed or was full: until then it is not asked again, and everybody gets `failure` */
  pausedUntilMs: number;
  failure: LogFailure | undefined;
};

type Waiting = { id: string; payload: Uint8Array; bytes: number; answer(appended: Appended | LogFailure): void };

/** A group takes no more than this, a first entry that is larger aside. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** How long a disk is left alone that did not take even the first group of a segment. */
const PAUSE_MS = 250;

const EMPTY = new Uint8Array(0);

/** Puts an entry to those that wait for the disk. */
export function commit(committer: Committer, id: string, payload: Uint8Array): Promise<Appended | LogFailure> {
  const bytes = recordBytes(id, payload);
  committer.waitingBytes += bytes;
  schedule(committer);
  return new Promise((answer) => committer.waiting.push({ id, payload, bytes, answer }));
}

// After the work at hand: whoever appends in the same turn is in the same group.
function schedule(committer: Committer): void {
  if (committer.committing) return;
  committer.committing = true;
  committer.shelf.timers.soon(() => void commitGroup(committer));
}

async function commitGroup(committer: Committer): Promise<void> {
  const group = takeGroup(committer);
  const bytes = group.reduce((sum, one) => sum + one.bytes, 0);
  const failure = await writeGroup(committer, group, bytes);
  committer.failure = failure;
  committer.waitingBytes -= bytes;
  const first = committer.nextOffset - group.length;
  for (const [i, { id, answer }] of group.entries()) answer(failure ?? { offset: first + i, id });
  committer.shelf.timers.soon(() => commitNext(committer)); // whoever was answered may append again at once
}

function commitNext(committer: Committer): void {
  if (committer.waiting.length > 0) {
    void commitGroup(committer);
    return;
  }
  committer.committing = false;
  committer.onLull();
  committer.onIdle?.();
}

function takeGroup(committer: Committer): Waiting[] {
  const { waiting } = committer;
  let count = 1;
  let bytes = (waiting[0] as Waiting).bytes;
  while (count < waiting.length && bytes + (waiting[count] as Waiting).bytes <= GROUP_BYTES_MAX) {
    bytes += (waiting[count] as Waiting).bytes;
    count++;
  }
  committer.waiting = count === waiting.length ? [] : waiting.slice(count);
  return count === waiting.length ? waiting : waiting.slice(0, count);
}

/** Never rejects. */
async function writeGroup(
  committer: Committer,
  group: readonly Waiting[],
  bytes: number,
): Promise<LogFailure | undefined> {
  if (committer.failure !== undefined && committer.nowMs() < committer.pausedUntilMs) return committer.failure;
  const before = committer.active;
  if (before !== undefined && before.count > 0 && before.bytes + bytes > committer.segmentBytes)
    await endActive(committer);
  try {
    committer.active ??= await begin(committer);
    await write(committer, committer.active, group, bytes);
    return undefined;
  } catch (error) {
    return abandonActive(committer, error);
  }
}

async function begin(committer: Committer): Promise<Segment> {
  const { shelf, nextOffset } = committer;
  const name = { first: nextOffset, salt: randomInt(2 ** 32), setAside: false };
  const path = segmentPath(shelf.dir, name);
  const spare = takeSpare(shelf);
  const file = spare?.file ?? (await shelf.disk.open(path, "create"));
  let named = spare?.path ?? path;
  try {
    await writeAll(file, writeHeader(nextOffset), 0);
    await file.dataSync();
    if (spare !== undefined) await shelf.disk.rename(spare.path, path);
    named = path;
    await shelf.disk.syncFolder(shelf.dir);
  } catch (error) {
    await file.close();
    await shelf.disk.unlink(named);
    throw error;
  }
  const segment = newSegment(shelf.dir, name, file);
  segment.reservedTo = spare?.bytes ?? 0;
  shelf.segments.push(segment);
  shelf.bytes += segment.bytes;
  void tidy(shelf); // the one before may go now
  return segment;
}

async function write(committer: Committer, segment: Segment, group: readonly Waiting[], bytes: number): Promise<void> {
  const records = Buffer.allocUnsafe(bytes);
  const timeMs = committer.nowMs();
  let at = 0;
  let offset = committer.nextOffset;
  for (const { id, payload } of group) {
    const head = { kind: RecordKind.entry, offset, syncedBytes: segment.bytes, timeMs, id };
    at = writeRecord(records, at, segment.name.salt, head, payload);
    offset++;
  }
  await reserve(segment, bytes, committer.segmentBytes);
  await writeAll(segment.file, records, segment.bytes);
  const synced = segment.file.dataSync();
  committer.onLull();
  await synced;
  const start = segment.bytes;
  for (const one of group) {
    addEntry(segment, segment.bytes, timeMs);
    segment.bytes += one.bytes;
  }
  committer.nextOffset = offset;
  committer.shelf.bytes += bytes;
  committer.shelf.depth += group.length;
  committer.onAppended(segment, start, records);
}

/** The active segment gets no more. Its end is worth no failure: without one, a reader is only less sure of its tail. */
export async function endActive(committer: Committer): Promise<void> {
  const { shelf, active } = committer;
  committer.active = undefined;
  if (active === undefined) return;
  try {
    await writeEnd(active);
    active.finished = true;
    shelf.bytes += recordBytes("", EMPTY);
  } catch (error) {
    noteDiskFailure(shelf, `${active.path}: its end cannot be written`, error);
  }
}

export async function writeEnd(segment: Segment): Promise<void> {
  const end = Buffer.allocUnsafe(recordBytes("", EMPTY));
  const offset = segment.name.first + segment.count;
  const head = { kind: RecordKind.end, offset, syncedBytes: segment.bytes, timeMs: 0, id: "" };
  writeRecord(end, 0, segment.name.salt, head, EMPTY);
  await writeAll(segment.file, end, segment.bytes);
  await segment.file.truncate(segment.bytes + end.length); // what was reserved
  await segment.file.dataSync();
  segment.bytes += end.length;
}

async function abandonActive(committer: Committer, error: unknown): Promise<LogFailure> {
  const { shelf, active } = committer;
  committer.active = undefined;
  const failure = failureOf(error);
  // A disk that stays full is said once.
  if (failure.code !== "full" || committer.failure?.code !== "full") {
    noteDiskFailure(shelf, `${active?.path ?? shelf.dir} cannot be written`, error);
  }
  if (active === undefined || active.count === 0) {
    committer.pausedUntilMs = committer.nowMs() + PAUSE_MS;
    // Names are in the order of what they hold, also of one that holds nothing.
    committer.nextOffset++;
  }
  if (active !== undefined) await cut(shelf, active);
  return failure;
}

/** So that what nobody was told of does not come back. A disk that cannot do that either leaves it to the next start. */
async function cut(shelf: Shelf, segment: Segment): Promise<void> {
  try {
    await segment.file.truncate(segment.bytes);
  } catch (error) {
    noteDiskFailure(shelf, `${segment.path}: what was not synced cannot be cut`, error);
  }
}
