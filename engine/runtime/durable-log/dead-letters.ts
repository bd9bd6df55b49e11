/**
 * The dead-letter file: a line of JSON for each event that was given up, on disk before the event is done.
 *
 *   {"id":"…","offset":7,"reason":"…","attempts":9,"queuedAt":"2026-11-24T10:02:31.000Z","deadAt":"…","event":{…}}
 *
 * A payload that is no JSON text stands as `"base64"` instead of `"event"`.
 */
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";
import type { Entry } from "./log.ts";
import { failureOf, type LogFailure } from "./log-failure.ts";
import { readPiece, writeAll } from "./segment.ts";

export type DeadLetters = {
  disk: Disk;
  dir: string;
  path: string;
  file: DiskFile | undefined;
  bytes: number;
  count: number;
  /** the last one that was given; they are written one after the other */
  writing: Promise<unknown>;
};

const DEAD_LETTERS = "dead-letters.ndjson";

const LINE_END = 0x0a;

/** Takes in what is there; a last line that was not finished is cut. Rejects as the disk does. */
export async function openDeadLetters(disk: Disk, dir: string): Promise<DeadLetters> {
  const path = join(dir, DEAD_LETTERS);
  const letters: DeadLetters = { disk, dir, path, file: undefined, bytes: 0, count: 0, writing: Promise.resolve() };
  if (!(await disk.list(dir)).includes(DEAD_LETTERS)) return letters;
  const file = await disk.open(path, "write");
  letters.file = file;
  const size = await file.size();
  await eachPiece(file, size, (piece, from) => {
    for (let at = piece.indexOf(LINE_END); at !== -1; at = piece.indexOf(LINE_END, at + 1)) {
      letters.count++;
      letters.bytes = from + at + 1;
    }
  });
  if (letters.bytes < size) await file.truncate(letters.bytes);
  return letters;
}

const PIECE_BYTES = 1024 * 1024;

async function eachPiece(file: DiskFile, size: number, take: (piece: Buffer, from: number) => void): Promise<void> {
  for (let from = 0; from < size; from += PIECE_BYTES) take(await readPiece(file, from, PIECE_BYTES), from);
}

/** Never rejects. */
export function writeDeadLetter(
  letters: DeadLetters,
  entry: Entry,
  reason: string,
  nowMs: number,
): Promise<LogFailure | undefined> {
  const line = lineOf(entry, reason, nowMs);
  const written = letters.writing.then(() => append(letters, line));
  letters.writing = written;
  return written;
}

async function append(letters: DeadLetters, line: Buffer): Promise<LogFailure | undefined> {
  try {
    if (letters.file === undefined) {
      letters.file = await letters.disk.open(letters.path, "write");
      await letters.disk.syncFolder(letters.dir);
    }
    await writeAll(letters.file, line, letters.bytes);
    await letters.file.dataSync();
    letters.bytes += line.length;
    letters.count++;
    return undefined;
  } catch (error) {
    // The next line is written over this one: its pages are dirty again, so a sync that says yes then means it.
    await letters.file?.truncate(letters.bytes).catch(() => undefined); // else the next start cuts it
    return failureOf(error);
  }
}

function lineOf(entry: Entry, reason: string, nowMs: number): Buffer {
  const head = JSON.stringify({
    id: entry.id,
    offset: entry.offset,
    reason,
    attempts: entry.attempts,
    queuedAt: new Date(entry.queuedAtMs).toISOString(),
    deadAt: new Date(nowMs).toISOString(),
  }).slice(0, -1);
  const text = jsonText(entry.payload);
  const tail = text === undefined ? `,"base64":"${Buffer.from(entry.payload).toString("base64")}"` : EVENT + text;
  return Buffer.from(`${head}${tail}}\n`);
}

const EVENT = ',"event":';

/** As one line: JSON has line ends between tokens only. undefined: it is no JSON text. */
function jsonText(payload: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
    JSON.parse(text);
    return text.replace(/[\r\n]/g, " ");
  } catch {
    return undefined;
  }
}

/** `payload`: the event's bytes as they were queued, line ends aside. */
export type DeadLetter = { id: string; line: string; payload: Uint8Array };

/** One after the other. `undefined` stands for a line that is none of ours. Rejects as the disk does. */
export async function* readDeadLetters(disk: Disk, dir: string): AsyncGenerator<DeadLetter | undefined> {
  if (!(await disk.list(dir)).includes(DEAD_LETTERS)) return;
  const file = await disk.open(join(dir, DEAD_LETTERS), "read");
  try {
    const size = await file.size();
    let rest: Buffer = Buffer.alloc(0);
    for (let from = 0; from < size; from += PIECE_BYTES) {
      rest = Buffer.concat([rest, await readPiece(file, from, PIECE_BYTES)]);
      let begin = 0;
      for (let end = rest.indexOf(LINE_END); end !== -1; end = rest.indexOf(LINE_END, begin)) {
        yield readLine(rest.toString("utf8", begin, end));
        begin = end + 1;
      }
      rest = rest.subarray(begin);
    }
  } finally {
    await file.close();
  }
}

/** Takes those out whose ids are not to be kept; the file is whole at any moment. Only while nobody writes to it. Rejects as the disk does. */
export async function keepDeadLetters(disk: Disk, dir: string, keeps: (id: string) => boolean): Promise<void> {
  const path = join(dir, DEAD_LETTERS);
  const next = `${path}.next`;
  const file = await disk.open(next, "create");
  let bytes = 0;
  for await (const letter of readDeadLetters(disk, dir)) {
    if (letter === undefined || !keeps(letter.id)) continue;
    const line = Buffer.from(`${letter.line}\n`);
    await writeAll(file, line, bytes);
    bytes += line.length;
  }
  await file.dataSync();
  await file.close();
  await disk.rename(next, path);
  await disk.syncFolder(dir);
}

function readLine(line: string): DeadLetter | undefined {
  try {
    const { id, base64 } = JSON.parse(line) as { id?: unknown; base64?: unknown };
    if (typeof id !== "string") return undefined;
    if (typeof base64 === "string") return { id, line, payload: Buffer.from(base64, "base64") };
    // The event's own text, whose numbers a parser may not give back. Quotes within strings are escaped.
    return { id, line, payload: Buffer.from(line.slice(line.indexOf(EVENT) + EVENT.length, -1)) };
  } catch {
    return undefined;
  }
}
