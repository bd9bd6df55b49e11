/** A segment: one file of entries in order, and what is known of each. record.ts has the format. */
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";
import { HEADER_BYTES, type LogRecord, readRecord } from "./record.ts";

/** `done`: nobody wants it any more, or it cannot be read. */
export const EntryState = { queued: 0, inFlight: 1, waiting: 2, done: 3 } as const;

export type Segment = {
  name: SegmentName;
  path: string;
  file: DiskFile;
  /** up to here it is written and synced; the next record goes here */
  bytes: number;
  /** up to here its file has room (reserve.ts, spare.ts); Infinity: it gets none */
  reservedTo: number;
  /** entries it has, readable or not; the offset of the i-th is name.first + i */
  count: number;
  /** where the records begin, by index; 0: that one cannot be read */
  starts: Uint32Array;
  /** EntryState by index */
  states: Uint8Array;
  /** when they were appended, by index, Unix ms */
  times: Float64Array;
  /** nothing before this index is left */
  low: number;
  /** entries that are not done */
  left: number;
  /** entries that were released and are not done, by offset */
  released: Map<number, Released>;
  marks: Marks;
  /** it got its end from this process, and no write of it failed */
  finished: boolean;
};

export type Released = { attempts: number; dueAtMs: number };

/** Marks to be written: gathered, written together, never synced but at the end. */
export type Marks = { path: string; file: DiskFile | undefined; bytes: number; pending: Buffer[] };

export type SegmentName = { first: number; salt: number; setAside: boolean };

const NAME = /^(\d{16})-([0-9a-f]{8})\.log(\.corrupt)?$/;

/** undefined: no segment's. */
export function readName(text: string): SegmentName | undefined {
  const match = NAME.exec(text);
  if (match === null) return undefined;
  return {
    first: Number(match[1]),
    salt: Number.parseInt(match[2] as string, 16),
    setAside: match[3] !== undefined,
  };
}

function stem({ first, salt }: SegmentName): string {
  return `${String(first).padStart(16, "0")}-${salt.toString(16).padStart(8, "0")}`;
}

export function segmentPath(dir: string, name: SegmentName): string {
  return join(dir, `${stem(name)}.log${name.setAside ? ".corrupt" : ""}`);
}

export function newSegment(dir: string, name: SegmentName, file: DiskFile): Segment {
  return {
    name,
    path: segmentPath(dir, name),
    file,
    bytes: HEADER_BYTES,
    reservedTo: 0,
    count: 0,
    starts: new Uint32Array(1024),
    states: new Uint8Array(1024),
    times: new Float64Array(1024),
    low: 0,
    left: 0,
    released: new Map(),
    marks: { path: join(dir, `${stem(name)}.marks`), file: undefined, bytes: 0, pending: [] },
    finished: false,
  };
}

/** `start` 0: it cannot be read. */
export function addEntry(segment: Segment, start: number, timeMs: number): void {
  const index = segment.count;
  if (index === segment.starts.length) {
    segment.starts = grown(segment.starts, new Uint32Array(2 * index));
    segment.states = grown(segment.states, new Uint8Array(2 * index));
    segment.times = grown(segment.times, new Float64Array(2 * index));
  }
  segment.starts[index] = start;
  segment.states[index] = start === 0 ? EntryState.done : EntryState.queued;
  segment.times[index] = timeMs;
  segment.count++;
  if (start !== 0) segment.left++;
}

function grown<List extends Uint32Array | Uint8Array | Float64Array>(from: List, to: List): List {
  to.set(from);
  return to;
}

/** An entry that was not done is. */
export function setDone(segment: Segment, index: number): void {
  segment.states[index] = EntryState.done;
  segment.left--;
  segment.released.delete(segment.name.first + index);
}

/** The first entry that is not done; `count` for none. */
export function lowest(segment: Segment): number {
  while (segment.low < segment.count && segment.states[segment.low] === EntryState.done) segment.low++;
  return segment.low;
}

/** Gone from the folder. Rejects as the disk does. */
export async function removeSegment(disk: Disk, dir: string, segment: Segment): Promise<void> {
  await segment.file.close();
  await disk.unlink(segment.path);
  await disk.syncFolder(dir);
  await removeMarks(disk, segment);
}

/** Only when on disk the segment is gone: until then they say that its entries are done. Rejects as the disk does. */
export async function removeMarks(disk: Disk, { marks }: Segment): Promise<void> {
  await marks.file?.close();
  if (marks.bytes > 0) await disk.unlink(marks.path);
}

export async function closeSegment(segment: Segment): Promise<void> {
  await segment.file.close();
  await segment.marks.file?.close();
}

/** Reads records of one segment after another place, a piece ahead of those that are asked for. */
export type RecordReader = {
  /** The record at a place; undefined: it cannot be read. Its payload is a view of what was read ahead. Rejects as the disk does. */
  read(segment: Segment, start: number): Promise<LogRecord | undefined> | LogRecord | undefined;
  /** Takes in what was just written from a place on, so that it need not be read. */
  have(segment: Segment, start: number, records: Buffer): void;
};

export function newRecordReader(aheadBytes: number): RecordReader {
  let of: Segment | undefined;
  let from = 0;
  let ahead: Buffer = Buffer.alloc(0);

  async function readAhead(segment: Segment, start: number, bytes: number): Promise<LogRecord | undefined> {
    const piece = await readPiece(segment.file, start, Math.min(bytes, segment.bytes - start));
    of = segment;
    from = start;
    ahead = piece;
    const record = readRecord(piece, 0, segment.name.salt);
    if (typeof record !== "number") return record;
    return piece.length < record && start + record <= segment.bytes ? readAhead(segment, start, record) : undefined;
  }

  return {
    have(segment, start, records) {
      of = segment;
      from = start;
      ahead = records;
    },
    read(segment, start) {
      if (of === segment && start >= from && start < from + ahead.length) {
        const record = readRecord(ahead, start - from, segment.name.salt);
        if (typeof record !== "number") return record;
      }
      return readAhead(segment, start, aheadBytes);
    },
  };
}

/** So many bytes from a place on; fewer where the file ends. */
export async function readPiece(file: DiskFile, from: number, bytes: number): Promise<Buffer> {
  const piece = Buffer.allocUnsafe(bytes);
  let length = 0;
  while (length < bytes) {
    const read = await file.read(piece.subarray(length), from + length);
    if (read === 0) break;
    length += read;
  }
  return piece.subarray(0, length);
}

export async function writeAll(file: DiskFile, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const more = await file.write(bytes.subarray(written), position + written);
    // A disk that takes nothing and does not say why would be asked for ever.
    if (more === 0) throw Object.assign(new Error("the disk takes nothing"), { code: "EIO" });
    written += more;
  }
}
