/**
 * Room ahead of what is written in a segment's file, as zeros: a sync that overwrites blocks which are there takes half the
 * time of one that extends the file. No record begins with zeros, so a reader sees where the entries end.
 */
import { type Segment, writeAll } from "./segment.ts";

const KIB = 1024;
/** As much as the segment has, within these: a queue of a few events takes no megabyte. */
const RESERVE_BYTES_MIN = 64 * KIB;
const RESERVE_BYTES_MAX = 1024 * KIB;

const ZEROS = Buffer.alloc(RESERVE_BYTES_MAX);

/**
 * Before so many bytes are written: sees to it that there is room behind them, at most to `end`, to be synced with them.
 * Where there is none, the segment goes on without, and what was taken is given back. Rejects where that fails.
 */
export async function reserve(segment: Segment, bytes: number, end: number): Promise<void> {
  const next = segment.bytes + bytes;
  if (next <= segment.reservedTo) return;
  const room = Math.min(end - next, RESERVE_BYTES_MAX, Math.max(RESERVE_BYTES_MIN, segment.bytes));
  if (room <= 0) return;
  try {
    await writeAll(segment.file, ZEROS.subarray(0, room), next);
    segment.reservedTo = next + room;
  } catch {
    segment.reservedTo = Number.POSITIVE_INFINITY; // what is really wrong the records will meet
    await segment.file.truncate(segment.bytes);
  }
}
