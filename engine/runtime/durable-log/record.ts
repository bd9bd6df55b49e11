/**
 * What stands in a log's files. Numbers are little-endian; a checksum is the CRC-32 of zlib over all that follows it.
 *
 * `<first offset, 16 digits>-<salt, 8 hex digits>.log`, a segment: a header, then records. The same name with `.corrupt`
 * behind it: set aside, still read.
 *
 *   header, 24 bytes    magic "agglolog" · checksum u32 · version u32 · first offset f64
 *   record, 32 bytes    checksum u32, begun with the salt · length of the whole record u32 · kind u8 · length of the id u8 ·
 *                       zero u16 · synced bytes u32 · offset f64 · time f64 (Unix ms); then the id (ASCII), then the payload
 *
 * Kinds: 1 an entry; 2 the end, which has the next segment's first offset, and nothing is behind it. "Synced bytes" says how
 * much of the segment was on disk when the record was written. So a reader can tell what was never acknowledged (a torn
 * tail: nothing behind it claims it) from what was and is damaged. The salt is random: where a record is damaged, nothing
 * that a client has put into a payload can pass for the next one.
 * Behind the last record may be room for more: zeros (reserve.ts), or what stood there before (spare.ts).
 *
 * `<the same>.marks`, 32 bytes each: checksum u32, begun with the salt · kind u8 · zero u24 · attempts f64 · offset f64 ·
 * due f64 (Unix ms). Kinds: 1 done, 2 released. One that does not hold its checksum was never written; the others stand.
 */
import { crc32 } from "node:zlib";

export const HEADER_BYTES = 24;
export const RECORD_HEAD_BYTES = 32;
export const MARK_BYTES = 32;

export const RecordKind = { entry: 1, end: 2 } as const;
export const MarkKind = { done: 1, released: 2 } as const;

export const ID_CHARS_MAX = 128;
export const PAYLOAD_BYTES_MAX = 256 * 1024 * 1024;
/** So that no damaged length makes a reader take memory for what is not there. */
const RECORD_BYTES_MAX = RECORD_HEAD_BYTES + ID_CHARS_MAX + PAYLOAD_BYTES_MAX;

const MAGIC = Buffer.from("agglolog", "latin1");
const VERSION = 1;

export function writeHeader(firstOffset: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(VERSION, 12);
  bytes.writeDoubleLE(firstOffset, 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8);
  return bytes;
}

/** `other`: a version that this program does not know. */
export function readHeader(bytes: Buffer): "ours" | "other" | "damaged" {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return "damaged";
  if (crc32(bytes.subarray(12, HEADER_BYTES)) !== bytes.readUInt32LE(8)) return "damaged";
  return bytes.readUInt32LE(12) === VERSION ? "ours" : "other";
}

export type RecordHead = {
  kind: number;
  offset: number;
  syncedBytes: number;
  timeMs: number;
  /** ASCII, at most ID_CHARS_MAX */
  id: string;
};

/** `payload`: a view. `length`: of all of it. */
export type LogRecord = RecordHead & { payload: Buffer; length: number };

export function recordBytes(id: string, payload: Uint8Array): number {
  return RECORD_HEAD_BYTES + id.length + payload.byteLength;
}

/** Writes a record at a place that has room for it; the place behind it. */
export function writeRecord(bytes: Buffer, at: number, salt: number, head: RecordHead, payload: Uint8Array): number {
  const idAt = at + RECORD_HEAD_BYTES;
  const payloadAt = idAt + head.id.length;
  const end = payloadAt + payload.byteLength;
  bytes.writeUInt32LE(end - at, at + 4);
  bytes.writeUInt32LE(head.kind | (head.id.length << 8), at + 8);
  bytes.writeUInt32LE(head.syncedBytes, at + 12);
  bytes.writeDoubleLE(head.offset, at + 16);
  bytes.writeDoubleLE(head.timeMs, at + 24);
  bytes.write(head.id, idAt, "latin1");
  bytes.set(payload, payloadAt);
  bytes.writeUInt32LE(crc32(bytes.subarray(at + 4, end), salt), at);
  return end;
}

/** The record at a place. A number: more bytes are needed, so many from `at` on. undefined: there is none. */
export function readRecord(bytes: Buffer, at: number, salt: number): LogRecord | number | undefined {
  const left = bytes.length - at;
  if (left < RECORD_HEAD_BYTES) return RECORD_HEAD_BYTES;
  const length = bytes.readUInt32LE(at + 4);
  const payloadAt = at + RECORD_HEAD_BYTES + (bytes[at + 9] as number);
  const end = at + length;
  if (end < payloadAt || length > RECORD_BYTES_MAX) return undefined;
  if (left < length) return length;
  if (crc32(bytes.subarray(at + 4, end), salt) !== bytes.readUInt32LE(at)) return undefined;
  return {
    kind: bytes[at + 8] as number,
    offset: offsetAt(bytes, at),
    syncedBytes: bytes.readUInt32LE(at + 12),
    timeMs: bytes.readDoubleLE(at + 24),
    id: bytes.toString("latin1", at + RECORD_HEAD_BYTES, payloadAt),
    payload: bytes.subarray(payloadAt, end),
    length,
  };
}

/** Which entry would stand at a place that has room for a record's head. */
export function offsetAt(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + 16);
}

export type Mark = { kind: number; offset: number; attempts: number; dueAtMs: number };

export function writeMark(salt: number, mark: Mark): Buffer {
  const bytes = Buffer.alloc(MARK_BYTES);
  bytes[4] = mark.kind;
  bytes.writeDoubleLE(mark.attempts, 8);
  bytes.writeDoubleLE(mark.offset, 16);
  bytes.writeDoubleLE(mark.dueAtMs, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(4), salt), 0);
  return bytes;
}

/** undefined: none stands there whole. */
export function readMark(bytes: Buffer, at: number, salt: number): Mark | undefined {
  const end = at + MARK_BYTES;
  if (end > bytes.length || crc32(bytes.subarray(at + 4, end), salt) !== bytes.readUInt32LE(at)) return undefined;
  return {
    kind: bytes[at + 4] as number,
    attempts: bytes.readDoubleLE(at + 8),
    offset: bytes.readDoubleLE(at + 16),
    dueAtMs: bytes.readDoubleLE(at + 24),
  };
}
