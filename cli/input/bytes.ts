/** Where the bytes of an input come from: standard input, a file, or a file that others go on writing to. */
import { fstatSync, type Stats, statSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { addAbortSignal } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { errorCode } from "../../engine/systems/failure.ts";
import { Ending, Exit } from "../exit.ts";

/** How often a followed file is looked at; notification misses what happens in a network's folder. */
const LOOK_MS = 200;
const READ_BYTES = 64 * 1024;

/** What the input is now. Throws an Ending where there is none. */
export function statInput(file: string | undefined): Stats {
  try {
    const stats = file === undefined ? fstatSync(process.stdin.fd) : statSync(file);
    if (file === undefined || !stats.isDirectory()) return stats;
  } catch (error) {
    throw unreadable(file, error);
  }
  throw new Ending(Exit.noInput, `${file}: a directory; name a file`);
}

/** The whole of it, once; rejects when `signal` aborts. */
export async function* readInput(file: string | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
  try {
    const stream = file === undefined ? process.stdin : (await open(file)).createReadStream();
    yield* addAbortSignal(signal, stream) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw signal.aborted ? error : unreadable(file, error);
  }
}

function unreadable(file: string | undefined, error: unknown): Ending {
  const code = errorCode(error);
  const why = code === "ENOENT" ? "there is no such file" : `cannot read it: ${code || String(error)}`;
  return new Ending(Exit.noInput, `${file ?? "standard input"}: ${why}`);
}

/**
 * The file from its beginning and then what is appended to it, as `tail -F` does: truncated or replaced by another (a
 * rotated log) it is read anew. Yields one stream of bytes per file that it has been; rejects when `signal` aborts.
 * A file that is truncated and has grown beyond where it was before anybody looked cannot be told from one that grew.
 */
export async function* followFile(path: string, signal: AbortSignal): AsyncIterable<AsyncIterable<Uint8Array>> {
  for (;;) {
    const handle = await openWhenThere(path, signal);
    try {
      yield appended(path, handle, signal);
    } finally {
      await handle.close();
    }
  }
}

/** Between the two steps of a rotation there is no file. */
async function openWhenThere(path: string, signal: AbortSignal): Promise<FileHandle> {
  for (;;) {
    try {
      return await open(path);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw unreadable(path, error);
      await delay(LOOK_MS, undefined, { signal });
    }
  }
}

async function* appended(path: string, handle: FileHandle, signal: AbortSignal): AsyncIterable<Uint8Array> {
  let isReplaced = false;
  for (let position = 0; ; ) {
    signal.throwIfAborted();
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
    position += bytesRead;
    if (bytesRead > 0) {
      yield buffer.subarray(0, bytesRead);
      continue;
    }
    // What was written before it was replaced has been read now.
    if (isReplaced) return;
    const own = await handle.stat();
    if (own.size < position) return;
    isReplaced = await isOther(path, own);
    if (!isReplaced) await delay(LOOK_MS, undefined, { signal });
  }
}

async function isOther(path: string, own: Stats): Promise<boolean> {
  try {
    const there = await stat(path);
    return there.ino !== own.ino || there.dev !== own.dev;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false; // moved away: its writer may not have noticed yet
    throw unreadable(path, error);
  }
}
