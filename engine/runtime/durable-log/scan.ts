/** Reads a segment from its beginning: which entries it has, and what is wrong with it. Changes nothing on disk. */
import type { DiskFile } from "./disk.ts";
import {
  HEADER_BYTES,
  type LogRecord,
  MARK_BYTES,
  MarkKind,
  offsetAt,
  RECORD_HEAD_BYTES,
  RecordKind,
  readHeader,
  readMark,
  readRecord,
} from "./record.ts";
import { addEntry, EntryState, newSegment, readPiece, type Segment, type SegmentName, setDone } from "./segment.ts";

export type Scan = {
  /** `bytes` is where its last whole record ends */
  segment: Segment;
  header: "ours" | "other" | "damaged";
  /** it has its end */
  ended: boolean;
  /** behind its last record is a write that was not finished, of which nobody was told */
  torn: boolean;
  /** acknowledged entries that cannot be read */
  lost: number;
  /** where the first damage is; 0: there is none */
  damagedAt: number;
};

/** Entries from `before` on were never acknowledged: the next segment has them. Rejects as the disk does. */
export async function scanSegment(dir: string, name: SegmentName, file: DiskFile, before: number): Promise<Scan> {
  const segment = newSegment(dir, name, file);
  const header = readHeader(await readPiece(file, 0, HEADER_BYTES));
  const scan: Scan = { segment, header, ended: false, torn: false, lost: 0, damagedAt: 0 };
  if (header === "other") return scan;
  const size = await file.size();
  for (;;) {
    await readRecords(scan, before);
    const left = size - segment.bytes;
    if (scan.ended || left <= 0) break;
    // Rare: what is left is looked through byte by byte.
    const rest = await readPiece(file, segment.bytes, left);
    if (!isClaimed(rest, scan)) {
      scan.torn = beginsRecord(rest, scan);
      break;
    }
    if (scan.damagedAt === 0) scan.damagedAt = segment.bytes;
    segment.bytes += placeOfNext(rest, 1, scan);
  }
  if (header === "damaged" && segment.count > 0 && scan.damagedAt === 0) scan.damagedAt = 1;
  return scan;
}

/** Else what stands there is room for more: zeros, or records of a segment whose file it was. */
function beginsRecord(rest: Buffer, { segment }: Scan): boolean {
  return rest.length >= RECORD_HEAD_BYTES && offsetAt(rest, 0) === segment.name.first + segment.count;
}

const PIECE_BYTES = 1024 * 1024;

/** Takes in one record after the other, to the first place that has none. */
async function readRecords(scan: Scan, before: number): Promise<void> {
  const { file, name } = scan.segment;
  let piece: Buffer = Buffer.alloc(0);
  let from = scan.segment.bytes;
  while (!scan.ended) {
    const at = scan.segment.bytes;
    const record = readRecord(piece, at - from, name.salt);
    if (typeof record === "number") {
      piece = await readPiece(file, at, Math.max(record, PIECE_BYTES));
      from = at;
      if (piece.length < record) return;
    } else if (record === undefined || !takeIn(scan, record, before)) return;
  }
}

function takeIn(scan: Scan, record: LogRecord, before: number): boolean {
  const { segment } = scan;
  const isEnd = record.kind === RecordKind.end;
  if (!isEnd && record.offset >= before) return false;
  while (segment.name.first + segment.count < record.offset) {
    addEntry(segment, 0, 0);
    scan.lost++;
  }
  if (!isEnd) addEntry(segment, segment.bytes, record.timeMs);
  segment.bytes += record.length;
  scan.ended = isEnd;
  return true;
}

/** Whether anything behind a damaged place says that the place was on disk. */
function isClaimed(rest: Buffer, scan: Scan): boolean {
  const damagedAt = scan.segment.bytes;
  for (let at = placeOfNext(rest, 1, scan); at < rest.length; ) {
    const record = readRecord(rest, at, scan.segment.name.salt) as LogRecord; // placeOfNext found it
    if (record.kind === RecordKind.end || record.syncedBytes > damagedAt) return true;
    at = placeOfNext(rest, at + record.length, scan);
  }
  return false;
}

/** Where the next whole record is, from a place on; the length of `rest` for nowhere. */
function placeOfNext(rest: Buffer, from: number, scan: Scan): number {
  const { name, count } = scan.segment;
  for (let at = from; at + MARK_BYTES <= rest.length; at++) {
    const kind = rest[at + 8];
    if (kind !== RecordKind.entry && kind !== RecordKind.end) continue;
    if (rest[at + 10] !== 0 || rest[at + 11] !== 0 || !(offsetAt(rest, at) >= name.first + count)) continue;
    if (typeof readRecord(rest, at, name.salt) === "object") return at;
  }
  return rest.length;
}

/** Takes in what became of the entries. Rejects as the disk does. */
export async function scanMarks(segment: Segment, file: DiskFile): Promise<void> {
  const size = await file.size();
  for (let from = 0; from < size; from += PIECE_BYTES) {
    const piece = await readPiece(file, from, Math.min(PIECE_BYTES, size - from));
    for (let at = 0; at < piece.length; at += MARK_BYTES) {
      const mark = readMark(piece, at, segment.name.salt);
      if (mark === undefined) continue;
      const index = mark.offset - segment.name.first;
      if (!(index >= 0 && index < segment.count) || segment.states[index] === EntryState.done) continue;
      if (mark.kind === MarkKind.done) setDone(segment, index);
      else if (mark.kind === MarkKind.released) segment.released.set(mark.offset, mark);
    }
  }
  // A mark that was torn keeps its place.
  segment.marks.bytes = Math.ceil(size / MARK_BYTES) * MARK_BYTES;
}
