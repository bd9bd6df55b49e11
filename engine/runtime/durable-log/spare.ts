/**
 * The file of a finished segment, put by to be written over by a later one: a sync that overwrites blocks which are there
 * takes half the time of one that extends its file, and there are no zeros to write (reserve.ts). What stood in it stands
 * behind the new records until they reach it; the salt of the new name makes none of it pass for one.
 */
import { join } from "node:path";
import type { DiskFile } from "./disk.ts";
import { removeMarks, type Segment } from "./segment.ts";
import type { Shelf } from "./shelf.ts";

export type Spare = { file: DiskFile; path: string; bytes: number };

const NAME = "spare";

/** Whether a segment's file is to be put by: there is none yet, and it was written to its end without a failure. */
export function isSpare(shelf: Shelf, segment: Segment): boolean {
  return shelf.spare === undefined && segment.finished;
}

/** Takes a segment of which nothing is left out of the log, and keeps its file. Rejects as the disk does. */
export async function putBy(shelf: Shelf, segment: Segment): Promise<void> {
  const path = join(shelf.dir, NAME);
  try {
    await shelf.disk.rename(segment.path, path);
    await shelf.disk.syncFolder(shelf.dir); // or after a crash the old name would lead to new bytes
  } catch (error) {
    await segment.file.close();
    throw error;
  }
  shelf.spare = { file: segment.file, path, bytes: segment.bytes };
  await removeMarks(shelf.disk, segment);
}

/** The file that was put by, if any, for whoever renames it next. */
export function takeSpare(shelf: Shelf): Spare | undefined {
  const { spare } = shelf;
  shelf.spare = undefined;
  return spare;
}

/** Gives its room back. Rejects as the disk does. */
export async function removeSpare(shelf: Shelf): Promise<void> {
  const spare = takeSpare(shelf);
  await spare?.file.close();
  if ((await shelf.disk.list(shelf.dir)).includes(NAME)) await shelf.disk.unlink(join(shelf.dir, NAME));
}
