/** What a tee's queue sends in one call: one copy, or as many as a batch's limits let together; and the halves of it. */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { BatchLimits, SystemError, TeeSending, TeeTarget } from "../core/ports.ts";
import { keyPrefixAt, type Outgoing } from "../systems/send.ts";

export type Batch = {
  target: TeeTarget;
  sending: TeeSending;
  /** when its first event came */
  begunAtMs: number;
  ids: string[];
  /** their JSON, as bytes; empty once `outgoing` is made of it */
  events: Buffer[];
  /** how long each was; of a batch of several, once `outgoing` is made of it */
  sizes: readonly number[];
  /** of the events as a batch holds them, separators included */
  bytes: number;
  /** what the queue took of the process's memory for it */
  charged: number;
  /** made before the first try, and the same in all */
  outgoing: Outgoing | undefined;
  /** tries that failed */
  retries: number;
  /** of one that was refused whole: the half that is sent when this one is settled */
  next: Batch | undefined;
  /** how often it and the others it was one with may still be halved; undefined: it is whole */
  halvings: { left: number } | undefined;
  /** ends what it waits for: more events, or the next try */
  cancel: (() => void) | undefined;
  /** sent or dropped: an answer that comes later changes nothing */
  settled: boolean;
  /** of copies from a spool, one for each; undefined: they are from memory alone */
  returns: Returned[] | undefined;
};

/** Tells a spool what became of a copy; `kept`: the queue ended before it was sent. */
export type Returned = (outcome: "sent" | "kept" | SystemError) => void;

/** A copy: its id, its JSON, what it takes of the process's memory, and who hears of it where that is a spool. */
export type Copy = { id: string; event: Buffer; charge: number; returned: Returned | undefined };

/** Begins with a copy: most batches hold no other, and lists made for one are a third as large as those that grow. */
export function newBatch(target: TeeTarget, sending: TeeSending, nowMs: number, first: Copy): Batch {
  return {
    target,
    sending,
    begunAtMs: nowMs,
    ids: [first.id],
    events: [first.event],
    sizes: NO_SIZES,
    bytes: first.event.byteLength + SEPARATOR_BYTES,
    charged: first.charge,
    outgoing: undefined,
    retries: 0,
    next: undefined,
    halvings: undefined,
    cancel: undefined,
    settled: false,
    returns: first.returned && [first.returned],
  };
}

/** So much a few bad events in ten thousand take; where all are bad, a target is not asked twice for each. */
const HALVINGS_MAX = 128;
const NO_SIZES: readonly number[] = [];

/** Whether a copy that comes now belongs into a batch that has begun. */
export function takesCopy(batch: Batch, limits: BatchLimits, copy: Copy, nowMs: number): boolean {
  return (
    batch.bytes + copy.event.byteLength + SEPARATOR_BYTES <= limits.bytes && hourOf(batch.begunAtMs) === hourOf(nowMs)
  );
}

export function isFull(batch: Batch, limits: BatchLimits): boolean {
  return batch.ids.length >= limits.events || batch.bytes >= limits.bytes;
}

const SEPARATOR_BYTES = 1;

export function addCopy(batch: Batch, copy: Copy): void {
  batch.ids.push(copy.id);
  batch.events.push(copy.event);
  batch.bytes += copy.event.byteLength + SEPARATOR_BYTES;
  batch.charged += copy.charge;
  if (copy.returned !== undefined) batch.returns?.push(copy.returned);
}

/** No part of a key prefix is finer. */
function hourOf(nowMs: number): number {
  return Math.floor(nowMs / 3_600_000);
}

/** Bytes of a text that keep nothing else alive: a slice of a string holds the whole message it was cut from. */
export function ownBytes(text: string, bytes: number): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes); // not from Node's pool, whose slabs would stay with it
  own.write(text, 0, bytes, "utf8");
  return own;
}

/** The id in one piece: Node makes a UUID as a rope of 400 bytes, which stays one until somebody reads it through. */
export function ownId(id: string): string {
  ANYTHING.test(id);
  return id;
}

const ANYTHING = /^./s;

/** What an event takes beside its bytes: its id, its buffer, its batch, its places in lists (`npm run bench:tee`). */
export const EVENT_OVERHEAD_BYTES = 512;

/** Whether parts of a batch that was refused whole may be sent: each object of a store is one batch for good. */
export function isDivisible({ ids, sending, target, halvings }: Batch): boolean {
  return sending.batch !== null && ids.length > 1 && target.type !== "ExternalObjectStore" && halvings?.left !== 0;
}

/** The two halves of a batch that was sent and refused, the second behind the first. */
export async function halvesOf(batch: Batch): Promise<Batch> {
  const copies = await copiesOf(batch);
  const half = Math.ceil(copies.length / 2);
  batch.halvings ??= { left: HALVINGS_MAX };
  batch.halvings.left--;
  const second = batchOf(batch, copies.slice(half), batch.next);
  return batchOf(batch, copies.slice(0, half), second);
}

function batchOf(whole: Batch, copies: readonly Copy[], next: Batch | undefined): Batch {
  const [first, ...others] = copies;
  const part = newBatch(whole.target, whole.sending, whole.begunAtMs, first as Copy);
  for (const copy of others) addCopy(part, copy);
  part.halvings = whole.halvings;
  part.next = next;
  return part;
}

/** Out of what was sent of them; bytes of their own, so that a half that is settled lets go of its events. */
async function copiesOf({ outgoing, ids, sizes, returns }: Batch): Promise<Copy[]> {
  const { body, codec } = outgoing as Outgoing;
  const bytes = codec === "ndjson.gz" ? await gunzipAsync(body) : body;
  let at = codec === "json" ? OPEN.byteLength : 0;
  return sizes.map((size, i) => {
    const event = Buffer.allocUnsafeSlow(size);
    event.set(bytes.subarray(at, at + size));
    at += size + SEPARATOR_BYTES;
    return { id: ids[i] as string, event, charge: size + EVENT_OVERHEAD_BYTES, returned: returns?.[i] };
  });
}

/** Makes what is sent of a batch that gets no more events, and lets go of these. */
export async function outgoingOf(batch: Batch): Promise<Outgoing> {
  const limits = batch.sending.batch;
  const keyPrefix = keyPrefixAt(batch.sending.keyPrefix, batch.begunAtMs);
  if (limits === null) return { id: batch.ids[0] as string, keyPrefix, body: batch.events[0] as Buffer, codec: null };
  const lines = limits.codec === "json" ? jsonArray(batch.events) : ndjson(batch.events, batch.bytes);
  batch.sizes = batch.events.map((event) => event.byteLength);
  batch.events = [];
  const body = limits.codec === "ndjson.gz" ? await gzipAsync(lines, { level: GZIP_LEVEL }) : lines;
  return { id: batchId(batch.ids), keyPrefix, body, codec: limits.codec };
}

/** Traffic needs the processor more than the store its bytes: 6 takes two to four times as long for a seventh less. */
const GZIP_LEVEL = 3;
const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** The same events have the same id: whoever gets them twice can tell. 32 hexadecimal digits. */
function batchId(ids: readonly string[]): string {
  return createHash("sha256").update(ids.join("\n")).digest("hex").slice(0, 32);
}

const OPEN = Buffer.from("[");
const COMMA = Buffer.from(",");
const CLOSE = Buffer.from("]");

function jsonArray(events: readonly Buffer[]): Buffer {
  return Buffer.concat(events.flatMap((event, i) => [i === 0 ? OPEN : COMMA, event]).concat(CLOSE));
}

const LINE_END = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

// An event nobody changed is as its sender laid it out. Its line ends stand between tokens: JSON has none in strings.
function ndjson(events: readonly Buffer[], bytes: number): Buffer {
  const lines = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const event of events) {
    const end = at + event.copy(lines, at);
    const line = lines.subarray(at, end);
    blank(line, LINE_END);
    blank(line, CARRIAGE_RETURN);
    lines[end] = LINE_END;
    at = end + 1;
  }
  return lines;
}

function blank(line: Buffer, byte: number): void {
  for (let i = line.indexOf(byte); i !== -1; i = line.indexOf(byte, i + 1)) line[i] = SPACE;
}
