/** Who gets which entry next, and when one that was given back comes again. Payloads are read from the disk when they are taken. */
import type { Entry, EntryView } from "./log.ts";
import type { LogRecord } from "./record.ts";
import { EntryState, newRecordReader, type RecordReader, type Segment, setDone } from "./segment.ts";
import { entryDone, entryReleased, noteDiskFailure, type Shelf, segmentAt, setAside } from "./shelf.ts";

export type Taking = {
  shelf: Shelf;
  nowMs(): number;
  /** nothing before this offset is queued but what is in `due` */
  cursor: number;
  /** when they were taken, by offset */
  inFlight: Map<number, number>;
  /** released, the earliest last */
  due: Due[];
  /** who waits for an entry, the first one first */
  takers: ((entry: Entry | undefined) => void)[];
  serving: boolean;
  ended: boolean;
  /** ends the wait for the earliest that is due */
  cancelWait: (() => void) | undefined;
  inOrder: RecordReader;
  single: RecordReader;
};

type Due = { offset: number; atMs: number };

/** Read ahead where entries follow each other; a page where they do not. */
const AHEAD_BYTES = 256 * 1024;
const SINGLE_BYTES = 4096;

/** Of a shelf that has been recovered. */
export function newTaking(shelf: Shelf, nowMs: () => number): Taking {
  const taking: Taking = {
    shelf,
    nowMs,
    cursor: 0,
    inFlight: new Map(),
    due: [],
    takers: [],
    serving: false,
    ended: false,
    cancelWait: undefined,
    inOrder: newRecordReader(AHEAD_BYTES),
    single: newRecordReader(SINGLE_BYTES),
  };
  for (const segment of shelf.segments) {
    for (const [offset, { dueAtMs }] of segment.released) wait(taking, segment, { offset, atMs: dueAtMs });
  }
  return taking;
}

export function take(taking: Taking): Promise<Entry | undefined> {
  if (taking.ended) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    taking.takers.push(resolve);
    void serve(taking);
  });
}

export function endTaking(taking: Taking): void {
  taking.ended = true;
  taking.cancelWait?.();
  for (const resolve of taking.takers) resolve(undefined);
  taking.takers = [];
}

/** Entries were appended. Who has taken all before them has them at hand: they are not read back. */
export function appended(taking: Taking, segment: Segment, start: number, records: Buffer): void {
  const isNext = segment.starts[taking.cursor - segment.name.first] === start;
  if (isNext && !taking.serving) taking.inOrder.have(segment, start, records);
}

/** Gives entries to those who wait for one, as long as there are both. Never rejects. */
export async function serve(taking: Taking): Promise<void> {
  if (taking.serving) return;
  taking.serving = true;
  while (taking.takers.length > 0) {
    const place = nextPlace(taking);
    if (place === undefined) break;
    const { segment, offset, reader } = place;
    setState(segment, offset, EntryState.inFlight);
    const read = readEntry(taking.shelf, reader, segment, offset);
    const entry = read instanceof Promise ? await read : read;
    if (entry !== undefined) hand(taking, segment, entry);
  }
  taking.serving = false;
  waitForDue(taking);
}

function hand(taking: Taking, segment: Segment, entry: Entry): void {
  const taker = taking.takers.shift();
  if (taker === undefined) {
    // Taking ended while it was read.
    wait(taking, segment, { offset: entry.offset, atMs: 0 });
    return;
  }
  taking.inFlight.set(entry.offset, taking.nowMs());
  taker(entry);
}

type Place = { segment: Segment; offset: number; reader: RecordReader };

function nextPlace(taking: Taking): Place | undefined {
  const due = taking.due.at(-1);
  if (due !== undefined && due.atMs <= taking.nowMs()) {
    taking.due.pop();
    return { segment: segmentAt(taking.shelf, due.offset) as Segment, offset: due.offset, reader: taking.single };
  }
  for (;;) {
    const segment = segmentAt(taking.shelf, taking.cursor);
    if (segment === undefined) return undefined;
    const index = nextQueued(segment, Math.max(0, taking.cursor - segment.name.first));
    taking.cursor = segment.name.first + index + 1;
    if (index < segment.count) return { segment, offset: taking.cursor - 1, reader: taking.inOrder };
    taking.cursor = segment.name.first + segment.count;
  }
}

function nextQueued(segment: Segment, from: number): number {
  let index = from;
  while (index < segment.count && segment.states[index] !== EntryState.queued) index++;
  return index;
}

function setState(segment: Segment, offset: number, state: number): void {
  segment.states[offset - segment.name.first] = state;
}

/** undefined: it cannot be read, and is counted as lost. */
function readEntry(
  shelf: Shelf,
  reader: RecordReader,
  segment: Segment,
  offset: number,
): Entry | undefined | Promise<Entry | undefined> {
  const read = reader.read(segment, segment.starts[offset - segment.name.first] as number);
  if (!(read instanceof Promise)) return entryOf(shelf, segment, offset, read);
  return read.then(
    (record) => entryOf(shelf, segment, offset, record),
    (error: unknown) => {
      noteDiskFailure(shelf, segment.path, error);
      return entryOf(shelf, segment, offset, undefined);
    },
  );
}

function entryOf(shelf: Shelf, segment: Segment, offset: number, record: LogRecord | undefined): Entry | undefined {
  if (record === undefined || record.offset !== offset) {
    lose(shelf, segment, offset);
    return undefined;
  }
  const attempts = segment.released.get(offset)?.attempts ?? 0;
  return { offset, id: record.id, payload: record.payload, queuedAtMs: record.timeMs, attempts };
}

// No mark says that it is done: should it be readable again at the next start, it is there.
function lose(shelf: Shelf, segment: Segment, offset: number): void {
  setDone(segment, offset - segment.name.first);
  shelf.depth--;
  shelf.problems.entriesLost++;
  if (!segment.name.setAside) void setAside(shelf, segment, `entry ${offset} cannot be read`);
}

/** The segment of an entry that is in flight, which it then is no more. undefined: it is not. */
function land(taking: Taking, offset: number): Segment | undefined {
  return taking.inFlight.delete(offset) ? segmentAt(taking.shelf, offset) : undefined;
}

export function ack(taking: Taking, offset: number): void {
  const segment = land(taking, offset);
  if (segment !== undefined) entryDone(taking.shelf, segment, offset);
}

export function release(taking: Taking, offset: number, atMs: number, attempts: number): void {
  const segment = land(taking, offset);
  if (segment === undefined) return;
  entryReleased(taking.shelf, segment, offset, { attempts, dueAtMs: atMs });
  wait(taking, segment, { offset, atMs });
  void serve(taking);
}

function wait(taking: Taking, segment: Segment, due: Due): void {
  setState(segment, due.offset, EntryState.waiting);
  const { due: list } = taking;
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = list[middle] as Due;
    if (other.atMs > due.atMs || (other.atMs === due.atMs && other.offset > due.offset)) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, due);
}

/** A timer takes no longer. */
const WAIT_MAX_MS = 60_000;

function waitForDue(taking: Taking): void {
  taking.cancelWait?.();
  taking.cancelWait = undefined;
  const due = taking.due.at(-1);
  if (due === undefined || taking.takers.length === 0) return;
  const waitMs = Math.min(WAIT_MAX_MS, Math.max(0, due.atMs - taking.nowMs()));
  taking.cancelWait = taking.shelf.timers.after(waitMs, () => void serve(taking));
}

/** What is not done, as it is now. Never rejects: what cannot be read is left out. */
export async function viewEntries(taking: Taking, from: number, max: number): Promise<EntryView[]> {
  const views: EntryView[] = [];
  const reader = newRecordReader(AHEAD_BYTES);
  let offset = from;
  while (views.length < max) {
    const segment = segmentAt(taking.shelf, offset);
    if (segment === undefined) break;
    const index = nextLeft(segment, Math.max(0, offset - segment.name.first));
    offset = segment.name.first + index;
    if (index === segment.count) continue;
    const view = await viewOf(taking, reader, segment, offset);
    if (view !== undefined) views.push(view);
    offset++;
  }
  return views;
}

function nextLeft(segment: Segment, from: number): number {
  let index = from;
  while (index < segment.count && segment.states[index] === EntryState.done) index++;
  return index;
}

async function viewOf(
  taking: Taking,
  reader: RecordReader,
  segment: Segment,
  offset: number,
): Promise<EntryView | undefined> {
  const start = segment.starts[offset - segment.name.first] as number;
  let record: LogRecord | undefined;
  try {
    record = await reader.read(segment, start);
  } catch {
    return undefined; // done meanwhile, its file is gone
  }
  if (record === undefined) return undefined;
  const state = segment.states[offset - segment.name.first];
  const released = segment.released.get(offset);
  return {
    offset,
    id: record.id,
    payload: record.payload,
    queuedAtMs: record.timeMs,
    attempts: released?.attempts ?? 0,
    state: state === EntryState.inFlight ? "inFlight" : state === EntryState.waiting ? "waiting" : "queued",
    takenAtMs: taking.inFlight.get(offset),
    dueAtMs: state === EntryState.waiting ? released?.dueAtMs : undefined,
  };
}
