/**
 * What a proxy does with the copies its tees make: keeps a bounded number, sends them in the background, and counts every
 * one that is lost. Always true, for each target: offered = sent + dropped + queued (waiting, under way or before a retry).
 *
 *   offer -> waiting -> under way -> sent
 *     |         |        |     ^
 *     |         |        v     | back-off
 *     |         |     retryable error, until the retries are used up
 *     v         v        v
 *   full     closed   failed, closed          (dropped, by reason)
 */
import type { Counters, SystemError, Tees, TeeTarget } from "../core/ports.ts";
import { type Deliver, directTees } from "../systems/direct-tees.ts";
import { failure, isSystemError } from "../systems/failure.ts";
import type { Sent } from "../systems/send.ts";
import { type LossLog, newLossLog } from "./counters.ts";
import type { Timers } from "./ports.ts";

export type TeeQueueOptions = {
  deliver: Deliver;
  /**
   * What all targets together may hold, in bytes of UTF-8 as they will be sent. V8 needs as much for Latin text, at most
   * twice as much for other.
   */
  budgetBytes: number;
  eventsMax: number;
  /** What one target may hold of both: with budget / number of targets, a dead one takes nothing from the others. */
  targetBytes: number;
  targetEvents: number;
  /** events under way to one target; they start in the order of their offers */
  concurrency: number;
  /** how often an event is sent again after a retryable error */
  retriesMax: number;
  /** the wait before a retry: firstMs, doubled each time up to maxMs, of which a random half is taken off */
  backoff: { firstMs: number; maxMs: number };
  random(): number;
  nowMs(): number;
  timers: Timers;
  /** gets a line for a target at most once a second, and one more when the queue closes */
  log(line: string): void;
  counters: Counters;
};

export type TeeQueue = {
  /** Takes the payload and returns at once; nothing is sent before the caller is done. */
  offer(target: TeeTarget, id: string, payload: string): void;
  /** Takes no more, sends what it holds for at most so long, then drops the rest as `closed`. */
  drain(timeoutMs: number): Promise<void>;
  /** events and bytes held now */
  gauges(): { events: number; bytes: number };
};

/** Why an event was lost: no room, the target would not have it, the queue ended. */
export type DropReason = "full" | "failed" | "closed";

type Item = {
  target: TeeTarget;
  id: string;
  payload: string;
  bytes: number;
  retries: number;
  /** ends the wait before a retry */
  cancel: (() => void) | undefined;
  /** sent or dropped: an answer that comes later changes nothing */
  settled: boolean;
};

/** All there is for one target. */
type Lane = {
  name: string;
  /** first in, first out from `head` on; nothing before it */
  waiting: (Item | undefined)[];
  head: number;
  /** under way or before a retry */
  busy: Set<Item>;
  scheduled: boolean;
  events: number;
  bytes: number;
  losses: LossLog;
};

type Queue = {
  options: TeeQueueOptions;
  lanes: Map<string, Lane>;
  events: number;
  bytes: number;
  closing: Promise<void> | undefined;
  /** called when the last event is gone */
  onEmpty: (() => void) | undefined;
};

export function newTeeQueue(options: TeeQueueOptions): TeeQueue {
  const queue: Queue = { options, lanes: new Map(), events: 0, bytes: 0, closing: undefined, onEmpty: undefined };
  return {
    offer: (target, id, payload) => offer(queue, target, id, payload),
    drain(timeoutMs) {
      queue.closing ??= new Promise((resolve) => drain(queue, timeoutMs, resolve));
      return queue.closing;
    },
    gauges: () => ({ events: queue.events, bytes: queue.bytes }),
  };
}

function offer(queue: Queue, target: TeeTarget, id: string, payload: string): void {
  const lane = laneOf(queue, target);
  queue.options.counters.add("teeOffered", lane.name, 1);
  const bytes = Buffer.byteLength(payload);
  if (queue.closing !== undefined) {
    lose(queue, lane, "closed", 1, "");
  } else if (!hasRoom(queue, lane, bytes)) {
    lose(queue, lane, "full", 1, "");
  } else {
    lane.waiting.push({ target, id, payload, bytes, retries: 0, cancel: undefined, settled: false });
    hold(queue, lane, 1, bytes);
    schedule(queue, lane);
  }
}

function laneOf(queue: Queue, target: TeeTarget): Lane {
  // A name is unique within a type only; after a reload it may stand for another place.
  const key = `${target.type}\0${target.name}\0${target.connectionString}`;
  let lane = queue.lanes.get(key);
  if (lane === undefined) {
    lane = newLane(target.name, queue.options);
    queue.lanes.set(key, lane);
  }
  return lane;
}

function newLane(name: string, options: TeeQueueOptions): Lane {
  const losses = newLossLog(`tee to ${JSON.stringify(name)}`, options);
  return { name, waiting: [], head: 0, busy: new Set(), scheduled: false, events: 0, bytes: 0, losses };
}

function hasRoom(queue: Queue, lane: Lane, bytes: number): boolean {
  const { eventsMax, budgetBytes, targetEvents, targetBytes } = queue.options;
  const inAll = queue.events < eventsMax && queue.bytes + bytes <= budgetBytes;
  return inAll && lane.events < targetEvents && lane.bytes + bytes <= targetBytes;
}

function hold(queue: Queue, lane: Lane, events: number, bytes: number): void {
  lane.events += events;
  lane.bytes += bytes;
  queue.events += events;
  queue.bytes += bytes;
}

// Sending costs more than keeping: it happens after the traffic that is being answered now.
function schedule(queue: Queue, lane: Lane): void {
  if (lane.scheduled) return;
  lane.scheduled = true;
  queue.options.timers.soon(() => {
    lane.scheduled = false;
    start(queue, lane);
  });
}

function start(queue: Queue, lane: Lane): void {
  while (lane.busy.size < queue.options.concurrency) {
    const item = takeFirst(lane);
    if (item === undefined) return;
    lane.busy.add(item);
    attempt(queue, lane, item);
  }
}

/** Places of events long gone are given back once there are this many, not one by one: shift() moves all the others. */
const GONE_MAX = 1024;

function takeFirst(lane: Lane): Item | undefined {
  const item = lane.waiting[lane.head];
  if (item === undefined) return undefined;
  lane.waiting[lane.head] = undefined; // its payload counts no longer as waiting: let it go with the event
  lane.head++;
  if (lane.head === lane.waiting.length || lane.head >= GONE_MAX) {
    lane.waiting = lane.waiting.slice(lane.head);
    lane.head = 0;
  }
  return item;
}

function attempt(queue: Queue, lane: Lane, item: Item): void {
  queue.options.deliver(item.target, item.id, item.payload).then(
    (answer) => answered(queue, lane, item, answer),
    // Our own bug, but the event must still be accounted for.
    (thrown: unknown) => answered(queue, lane, item, failure("bug", String(thrown), false)),
  );
}

function answered(queue: Queue, lane: Lane, item: Item, answer: Sent | SystemError): void {
  if (item.settled) return;
  if (!isSystemError(answer)) {
    queue.options.counters.add("teeSent", lane.name, 1);
    release(queue, lane, item);
  } else if (answer.retryable && item.retries < queue.options.retriesMax) {
    queue.options.counters.add("teeRetried", lane.name, 1);
    item.cancel = queue.options.timers.after(backoffMs(queue.options, item.retries), () => attempt(queue, lane, item));
    item.retries++;
  } else {
    lose(queue, lane, "failed", 1, answer.message);
    release(queue, lane, item);
  }
}

function backoffMs(options: TeeQueueOptions, retries: number): number {
  const full = Math.min(options.backoff.maxMs, options.backoff.firstMs * 2 ** retries);
  return full * (1 - options.random() / 2);
}

function release(queue: Queue, lane: Lane, item: Item): void {
  item.settled = true;
  lane.busy.delete(item);
  hold(queue, lane, -1, -item.bytes);
  schedule(queue, lane);
  if (queue.events === 0) queue.onEmpty?.();
}

function drain(queue: Queue, timeoutMs: number, resolve: () => void): void {
  const end = (): void => {
    cancelTimeout();
    queue.onEmpty = undefined;
    for (const lane of queue.lanes.values()) closeLane(queue, lane);
    resolve();
  };
  const cancelTimeout = queue.options.timers.after(timeoutMs, end);
  queue.onEmpty = end;
  if (queue.events === 0) end();
}

function closeLane(queue: Queue, lane: Lane): void {
  const left = [...lane.busy, ...lane.waiting.slice(lane.head)].filter((item) => item !== undefined);
  lane.waiting = [];
  lane.head = 0;
  for (const item of left) {
    item.cancel?.();
    release(queue, lane, item);
  }
  if (left.length > 0) lose(queue, lane, "closed", left.length, "");
  lane.losses.flush();
}

function lose(queue: Queue, lane: Lane, reason: DropReason, events: number, error: string): void {
  queue.options.counters.add("teeDropped", `${lane.name}|${reason}`, events);
  lane.losses.add(reason, events, error);
}

/** For proxies: tees are queued and never waited for. */
export function queuedTees(queue: Pick<TeeQueue, "offer">, deliver: Deliver, counters: Counters): Tees {
  return { ...directTees(deliver, counters), waits: false, offer: queue.offer };
}
