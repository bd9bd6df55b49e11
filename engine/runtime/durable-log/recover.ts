/** What a log finds in its folder when it is opened, and how it mends what a crash has left. */
import { join } from "node:path";
import { writeEnd } from "./commit.ts";
import { type LogFailure, logFailure } from "./log-failure.ts";
import { type Scan, scanMarks, scanSegment } from "./scan.ts";
import { readName, type Segment, type SegmentName, segmentPath } from "./segment.ts";
import { noteDiskFailure, type Shelf, setAside, tidy } from "./shelf.ts";
import { removeSpare } from "./spare.ts";

/** The segments that a folder has, by their first offsets. Rejects as the disk does. */
export async function listSegments(disk: Shelf["disk"], dir: string): Promise<SegmentName[]> {
  const names = (await disk.list(dir)).map(readName).filter((name) => name !== undefined);
  return names.sort((a, b) => a.first - b.first);
}

/** Fills a new shelf. Rejects as the disk does where a segment cannot be read at all. */
export async function recover(shelf: Shelf): Promise<LogFailure | undefined> {
  const names = await listSegments(shelf.disk, shelf.dir);
  for (const [i, name] of names.entries()) {
    const path = segmentPath(shelf.dir, name);
    const file = await shelf.disk.open(path, "write");
    const scan = await scanSegment(shelf.dir, name, file, names[i + 1]?.first ?? Number.POSITIVE_INFINITY);
    if (scan.header === "other") return logFailure("failed", `${path} was written by another version of agglo`);
    await mend(shelf, scan);
    await readMarks(shelf, scan.segment);
    shelf.segments.push(scan.segment);
    shelf.bytes += scan.segment.bytes + scan.segment.marks.bytes;
    shelf.depth += scan.segment.left;
  }
  await removeOrphans(shelf);
  await removeSpare(shelf);
  await tidy(shelf);
  return undefined;
}

async function mend(shelf: Shelf, scan: Scan): Promise<void> {
  const { segment } = scan;
  if (scan.damagedAt > 0 && !segment.name.setAside) {
    shelf.problems.entriesLost += scan.lost;
    await setAside(shelf, segment, `damaged at byte ${scan.damagedAt}, ${scan.lost} entries cannot be read`);
  }
  if (segment.name.setAside || scan.ended) return;
  try {
    if (scan.torn) {
      shelf.problems.tornTails++;
      shelf.onProblem(`${segment.path}: a write at byte ${segment.bytes} was not finished, nobody was told of it; cut`);
    }
    // With it goes to the disk what a dead process has written and not synced.
    await writeEnd(segment);
  } catch (error) {
    noteDiskFailure(shelf, `${segment.path}: cannot be mended, it is read as it is`, error);
  }
}

async function readMarks(shelf: Shelf, segment: Segment): Promise<void> {
  const { marks } = segment;
  try {
    marks.file = await shelf.disk.open(marks.path, "write");
    await scanMarks(segment, marks.file);
  } catch (error) {
    noteDiskFailure(shelf, `${marks.path}: cannot be read, what it says is done may be repeated`, error);
  }
}

// Of a segment that was being removed when the process ended.
async function removeOrphans(shelf: Shelf): Promise<void> {
  const known = new Set(shelf.segments.map((segment) => segment.marks.path));
  for (const name of await shelf.disk.list(shelf.dir)) {
    const path = join(shelf.dir, name);
    if (name.endsWith(".marks") && !known.has(path)) await shelf.disk.unlink(path);
  }
}
