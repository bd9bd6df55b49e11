/**
 * One file that all events go to, a line each. What comes while a write is under way goes with the next one, so a slow
 * disk makes larger writes, not more. Whoever moves the file away (logrotate) gets a new one in its place.
 *
 * A line that was answered for is with the operating system, not yet on the disk. A write that failed halfway may be
 * repeated by its sender: at least once, like every retry without a place to look.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { SystemError } from "../core/ports.ts";
import { errorCode } from "./failure.ts";
import { fileFailure } from "./file-failure.ts";

export type Rotation = { /** a file that would become longer is moved aside first */ bytes: number; keep: number };

export type Lines = {
  append(content: Uint8Array): Promise<SystemError | undefined>;
  /** After what is under way. Never rejects. */
  close(): Promise<void>;
};

type Waiting = { line: Buffer; resolve(answer: SystemError | undefined): void };
type Appender = {
  path: string;
  rotation: Rotation;
  waiting: Waiting[];
  handle: FileHandle | undefined;
  bytes: number;
  writing: Promise<void> | undefined;
};

export function newLines(path: string, rotation: Rotation): Lines {
  const lines: Appender = { path, rotation, waiting: [], handle: undefined, bytes: 0, writing: undefined };
  return {
    append(content) {
      return new Promise((resolve) => {
        lines.waiting.push({ line: lineOf(content), resolve });
        lines.writing ??= writeAll(lines);
      });
    },
    async close() {
      await lines.writing;
      await forget(lines);
    },
  };
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const SPACE = 32;

// Between the tokens of JSON a line end is white space like any other, and inside of strings it is escaped.
function lineOf(content: Uint8Array): Buffer {
  const line = Buffer.allocUnsafe(content.byteLength + 1);
  for (const [i, byte] of content.entries()) line[i] = byte === LINE_FEED || byte === CARRIAGE_RETURN ? SPACE : byte;
  line[content.byteLength] = LINE_FEED;
  return line;
}

async function writeAll(lines: Appender): Promise<void> {
  while (lines.waiting.length > 0) {
    const batch = lines.waiting;
    lines.waiting = [];
    const answer = await write(lines, Buffer.concat(batch.map(({ line }) => line)));
    for (const { resolve } of batch) resolve(answer);
  }
  lines.writing = undefined;
}

async function write(lines: Appender, batch: Buffer): Promise<SystemError | undefined> {
  try {
    const handle = await currentFile(lines, batch.byteLength);
    await handle.appendFile(batch);
    lines.bytes += batch.byteLength;
    return undefined;
  } catch (thrown) {
    await forget(lines); // half of the batch may be there: the next one finds out
    return fileFailure("writing", thrown);
  }
}

async function currentFile(lines: Appender, growth: number): Promise<FileHandle> {
  const handle = (await stillInPlace(lines)) ?? (await openEnd(lines));
  if (lines.bytes === 0 || lines.bytes + growth <= lines.rotation.bytes) return handle;
  await forget(lines);
  await rename(lines.path, rotatedPath(lines.path, new Date()));
  await removeOldest(lines);
  return openEnd(lines);
}

async function stillInPlace(lines: Appender): Promise<FileHandle | undefined> {
  if (lines.handle === undefined) return undefined;
  const there = await stat(lines.path).catch(() => undefined);
  const own = await lines.handle.stat();
  if (there?.ino === own.ino && there.dev === own.dev) return lines.handle;
  await forget(lines);
  return undefined;
}

/** Opens the file at its end. A last line without an end is what a killed process left: it is ended. */
async function openEnd(lines: Appender): Promise<FileHandle> {
  const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW } = constants;
  const handle = await open(lines.path, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o644);
  lines.handle = handle;
  lines.bytes = (await handle.stat()).size;
  if (lines.bytes === 0) return handle;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, lines.bytes - 1);
  if (buffer[0] === LINE_FEED) return handle;
  await handle.appendFile("\n");
  lines.bytes++;
  return handle;
}

async function forget(lines: Appender): Promise<void> {
  const handle = lines.handle;
  lines.handle = undefined;
  // A descriptor that cannot be closed is gone all the same.
  await handle?.close().catch(() => undefined);
}

/** `events.ndjson` -> `events-20261124T110231.123Z-4711.ndjson`: sorted by name they are sorted by time. */
function rotatedPath(path: string, now: Date): string {
  const time = now.toISOString().replaceAll(/[-:]/g, "");
  return path.replace(/\.ndjson$/, `-${time}-${process.pid}.ndjson`);
}

async function removeOldest({ path, rotation }: Appender): Promise<void> {
  if (rotation.keep === 0) return;
  const stem = basename(path, ".ndjson");
  const rotated = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(`${stem}-`) && /^-\d{8}T\d{6}\.\d{3}Z-\d+\.ndjson$/.test(name.slice(stem.length)))
    .sort();
  for (const name of rotated.slice(0, Math.max(0, rotated.length - rotation.keep))) {
    await unlink(join(dirname(path), name)).catch(ignoreMissing);
  }
}

// Another process that writes here was faster.
function ignoreMissing(thrown: unknown): void {
  if (errorCode(thrown) !== "ENOENT") throw thrown;
}
