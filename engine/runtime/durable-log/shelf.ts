/**
 * The segments of a log in their order, and what becomes of them: entries are done, marks are written, and a segment of
 * which nothing is left goes. The last one stays, or else the next offset would be forgotten.
 */
import type { Timers } from "../ports.ts";
import type { Disk } from "./disk.ts";
import type { LogProblems } from "./log.ts";
import { MARK_BYTES, MarkKind, writeMark } from "./record.ts";
import { closeSegment, type Released, removeSegment, type Segment, segmentPath, setDone, writeAll } from "./segment.ts";
import { isSpare, putBy, removeSpare, type Spare } from "./spare.ts";

export type Shelf = {
  dir: string;
  disk: Disk;
  timers: Timers;
  /** by offset; what is appended goes to the last, or to one more */
  segments: Segment[];
  /** of all files of segments and their marks */
  bytes: number;
  /** beside them; undefined: none */
  spare: Spare | undefined;
  /** entries that are not done */
  depth: number;
  problems: LogProblems;
  onProblem(line: string): void;
  /** the last thing the folder was asked for */
  tidying: Promise<void>;
  tidyScheduled: boolean;
  /** marks could not be written, and that was said */
  marksFail: boolean;
};

export function newShelf(of: Pick<Shelf, "dir" | "disk" | "timers" | "onProblem">): Shelf {
  return {
    ...of,
    segments: [],
    bytes: 0,
    spare: undefined,
    depth: 0,
    problems: { tornTails: 0, segmentsSetAside: 0, entriesLost: 0, diskFailures: 0 },
    tidying: Promise.resolve(),
    tidyScheduled: false,
    marksFail: false,
  };
}

/** A disk did not do what it was asked. */
export function noteDiskFailure(shelf: Shelf, what: string, error: unknown): void {
  shelf.problems.diskFailures++;
  shelf.onProblem(`${what}: ${error instanceof Error ? error.message : String(error)}`);
}

/** The segment that has an offset, or the first one behind it; undefined: there is none. */
export function segmentAt(shelf: Shelf, offset: number): Segment | undefined {
  let low = 0;
  let high = shelf.segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { name, count } = shelf.segments[middle] as Segment;
    if (name.first + count <= offset) low = middle + 1;
    else high = middle;
  }
  return shelf.segments[low];
}

export function entryDone(shelf: Shelf, segment: Segment, offset: number): void {
  setDone(segment, offset - segment.name.first);
  shelf.depth--;
  addMark(shelf, segment, offset, MarkKind.done, { attempts: 0, dueAtMs: 0 });
}

export function entryReleased(shelf: Shelf, segment: Segment, offset: number, released: Released): void {
  segment.released.set(offset, released);
  addMark(shelf, segment, offset, MarkKind.released, released);
}

function addMark(shelf: Shelf, segment: Segment, offset: number, kind: number, released: Released): void {
  segment.marks.pending.push(writeMark(segment.name.salt, { kind, offset, ...released }));
  tidySoon(shelf);
}

/**
 * A damaged segment gets another name and is never removed: what can be read of it is still served, what cannot is there
 * for whoever can do more. Never rejects.
 */
export async function setAside(shelf: Shelf, segment: Segment, why: string): Promise<void> {
  const from = segment.path;
  segment.name = { ...segment.name, setAside: true };
  segment.path = segmentPath(shelf.dir, segment.name);
  shelf.problems.segmentsSetAside++;
  shelf.onProblem(`${from}: ${why}; what can be read of it is kept, the file is set aside as ${segment.path}`);
  try {
    await shelf.disk.rename(from, segment.path);
    await shelf.disk.syncFolder(shelf.dir);
  } catch (error) {
    noteDiskFailure(shelf, `${from}: cannot be renamed`, error);
  }
}

/** How long marks gather before they are written together: a write for each turn would cost as much as the entries do. */
const MARKS_MS = 5;

function tidySoon(shelf: Shelf): void {
  if (shelf.tidyScheduled) return;
  shelf.tidyScheduled = true;
  shelf.timers.after(MARKS_MS, () => void tidy(shelf));
}

/** Writes marks and takes away segments of which nothing is left; after whatever was asked for before. Never rejects. */
export function tidy(shelf: Shelf): Promise<void> {
  shelf.tidying = shelf.tidying.then(async () => {
    shelf.tidyScheduled = false;
    const last = shelf.segments.at(-1);
    for (const segment of [...shelf.segments]) {
      if (segment.left === 0 && segment !== last && !segment.name.setAside) await remove(shelf, segment);
      else if (segment.marks.pending.length > 0) await writeMarks(shelf, segment);
    }
  });
  return shelf.tidying;
}

async function remove(shelf: Shelf, segment: Segment): Promise<void> {
  shelf.segments.splice(shelf.segments.indexOf(segment), 1);
  shelf.bytes -= segment.bytes + segment.marks.bytes;
  try {
    if (isSpare(shelf, segment)) await putBy(shelf, segment);
    else await removeSegment(shelf.disk, shelf.dir, segment);
  } catch (error) {
    noteDiskFailure(shelf, `${segment.path}: all of its entries are done, but it cannot be removed`, error);
  }
}

async function writeMarks(shelf: Shelf, segment: Segment): Promise<void> {
  const { marks } = segment;
  const pending = marks.pending;
  marks.pending = [];
  try {
    marks.file ??= await shelf.disk.open(marks.path, "write");
    await writeAll(marks.file, Buffer.concat(pending), marks.bytes);
    marks.bytes += MARK_BYTES * pending.length;
    shelf.bytes += MARK_BYTES * pending.length;
    shelf.marksFail = false;
  } catch (error) {
    marks.pending = pending.concat(marks.pending); // the next time
    if (!shelf.marksFail)
      noteDiskFailure(shelf, `${marks.path}: what is done cannot be noted and may be repeated`, error);
    shelf.marksFail = true;
  }
}

/** Writes all marks down for good, and closes the files. Never rejects. */
export async function closeShelf(shelf: Shelf): Promise<void> {
  await tidy(shelf);
  for (const segment of shelf.segments) {
    try {
      await segment.marks.file?.dataSync();
      await closeSegment(segment);
    } catch (error) {
      noteDiskFailure(shelf, segment.path, error);
    }
  }
  try {
    await removeSpare(shelf);
    await shelf.disk.syncFolder(shelf.dir); // files of marks may be new
  } catch (error) {
    noteDiskFailure(shelf, shelf.dir, error);
  }
}
