/** A log as it stands on disk, for whoever looks: takes no lock, changes nothing, also while another process has it open. */
import { basename } from "node:path";
import { errorCode } from "../../systems/failure.ts";
import type { Disk, DiskFile } from "./disk.ts";
import type { Entry } from "./log.ts";
import { listSegments } from "./recover.ts";
import { type Scan, scanMarks, scanSegment } from "./scan.ts";
import { EntryState, newRecordReader, type Segment, segmentPath } from "./segment.ts";

/** One segment after the other, to be read until the next is asked for. Rejects as the disk does. */
export async function* inspectSegments(disk: Disk, dir: string): AsyncGenerator<Scan> {
  const names = await listSegments(disk, dir);
  for (const [i, name] of names.entries()) {
    const file = await openExisting(disk, segmentPath(dir, name));
    if (file === undefined) continue; // done meanwhile
    try {
      const scan = await scanSegment(dir, name, file, names[i + 1]?.first ?? Number.POSITIVE_INFINITY);
      const marks = await openExisting(disk, scan.segment.marks.path);
      if (marks !== undefined) await scanMarks(scan.segment, marks).finally(() => marks.close());
      // Its file may have been taken for another segment while it was read.
      if ((await disk.list(dir)).includes(basename(scan.segment.path))) yield scan;
    } finally {
      await file.close();
    }
  }
}

async function openExisting(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, "read");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** `dueAtMs`: of one that was released; else undefined. Which ones are in flight only their process knows. */
export type InspectedEntry = Entry & { dueAtMs: number | undefined };

/** What is not done of a segment that is being inspected. */
export async function* inspectEntries(segment: Segment): AsyncGenerator<InspectedEntry> {
  const reader = newRecordReader(256 * 1024);
  for (let index = 0; index < segment.count; index++) {
    if (segment.states[index] === EntryState.done) continue;
    const record = await reader.read(segment, segment.starts[index] as number);
    if (record === undefined) continue;
    const { offset, id, payload, timeMs } = record;
    const released = segment.released.get(offset);
    const attempts = released?.attempts ?? 0;
    yield { offset, id, payload, queuedAtMs: timeMs, attempts, dueAtMs: released?.dueAtMs };
  }
}
