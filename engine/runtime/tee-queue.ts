/**
 * What a proxy does with the copies its tees make: keeps a bounded number, sends them in the background, and counts every
 * one that is lost. Always true, for each target, in events: offered = sent + dropped + queued (filling a batch, waiting,
 * under way or before a retry).
 *
 *   offer -> filling -> waiting -> under way -> sent
 *     |                    |        |     ^
 *     |                    |        v     | back-off, circuit (tee-lane.ts)
 *     |                    |     retryable error, until the retries are used up
 *     v                    v        v
 *   full, tooLarge,     shutdown   retries, tooLarge, shutdown      (dropped, by reason)
 *   shutdown
 *
 * A batch that is refused for what is in it is halved, and its halves, until what is bad stands alone: the rest is sent.
 */
import type { BatchLimits, TeeSending, Tees, TeeTarget } from "../core/ports.ts";
import { failure } from "../systems/failure.ts";
import {
  addCopy,
  type Batch,
  type Copy,
  EVENT_OVERHEAD_BYTES,
  isFull,
  newBatch,
  ownBytes,
  ownId,
  type Returned,
  takesCopy,
} from "./tee-batch.ts";
import { halfOpen } from "./tee-circuit.ts";
import {
  giveBack,
  hold,
  holdSpooled,
  type Lane,
  lose,
  newLane,
  type Queue,
  release,
  schedule,
  type TeeQueueOptions,
} from "./tee-lane.ts";

export type TargetGauges = { target: string; events: number; bytes: number; down: boolean };

export type TeeQueue = {
  /** Takes the payload and returns at once; nothing is sent before the caller is done. */
  offer(target: TeeTarget, sending: TeeSending, id: string, payload: string): void;
  /**
   * Takes a copy from a spool, which hears what became of it: retried as long as that may help, never dropped for it. false:
   * there is no room now.
   */
  offerSpooled(target: TeeTarget, sending: TeeSending, copy: SpooledCopy): boolean;
  /** Takes no more, sends what it holds for at most so long, then drops the rest as `shutdown`. */
  drain(timeoutMs: number): Promise<void>;
  /** events held now, those from spools aside, and the memory taken for all */
  gauges(): { events: number; bytes: number; targets: TargetGauges[] };
};

/** `madeAtMs`: when the tee made it, whenever that was. */
export type SpooledCopy = { id: string; event: Buffer; madeAtMs: number; returned: Returned };

export function newTeeQueue(options: TeeQueueOptions): TeeQueue {
  const queue: Queue = {
    options,
    lanes: new Map(),
    events: 0,
    spooled: 0,
    bytes: 0,
    closing: undefined,
    onEmpty: undefined,
  };
  return {
    offer: (target, sending, id, payload) => offer(queue, target, sending, id, payload),
    offerSpooled: (target, sending, copy) => offerSpooled(queue, target, sending, copy),
    drain(timeoutMs) {
      queue.closing ??= new Promise((resolve) => drain(queue, timeoutMs, resolve));
      return queue.closing;
    },
    gauges: () => ({
      events: queue.events - queue.spooled,
      bytes: queue.bytes,
      targets: [...queue.lanes.values()].map(gaugesOf),
    }),
  };
}

/** For proxies: tees are queued and not waited for, but for those whose results are read. */
export function queuedTees(queue: Pick<TeeQueue, "offer">, direct: Tees): Tees {
  return { ...direct, waits: false, offer: queue.offer };
}

function offer(queue: Queue, target: TeeTarget, sending: TeeSending, id: string, payload: string): void {
  const lane = laneOf(queue, target);
  queue.options.counters.add("teeOffered", lane.name, 1);
  const bytes = Buffer.byteLength(payload);
  const charge = bytes + EVENT_OVERHEAD_BYTES;
  const reason = takeRoom(queue, lane, charge);
  // What is filling cannot fill further: sent as it is, it makes room.
  if (reason === "full") sealAll(queue, lane);
  if (reason !== "") lose(queue, lane, reason, 1, "");
  else {
    const copy = { id: ownId(id), event: ownBytes(payload, bytes), charge, returned: undefined };
    keep(queue, lane, target, sending, copy, queue.options.nowMs());
  }
}

function offerSpooled(queue: Queue, target: TeeTarget, sending: TeeSending, spooled: SpooledCopy): boolean {
  const lane = laneOf(queue, target);
  const { id, event, madeAtMs, returned } = spooled;
  const charge = event.byteLength + EVENT_OVERHEAD_BYTES;
  const reason = takeRoom(queue, lane, charge);
  if (reason === "full") sealAll(queue, lane);
  if (reason === "tooLarge") returned(failure("tooLarge", "larger than the queue's share of memory", false));
  if (reason !== "") return reason === "tooLarge";
  holdSpooled(queue, lane, 1);
  keep(queue, lane, target, sending, { id, event, charge, returned }, madeAtMs);
  return true;
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

function gaugesOf(lane: Lane): TargetGauges {
  return {
    target: lane.name,
    events: lane.events - lane.spooled,
    bytes: lane.bytes,
    down: lane.circuit.state !== "closed",
  };
}

/** Takes the memory for one event; why not, or "". */
function takeRoom(queue: Queue, lane: Lane, charge: number): "" | "shutdown" | "tooLarge" | "full" {
  const { eventsMax, targetEvents, targetBytes, memory } = queue.options;
  if (queue.closing !== undefined) return "shutdown";
  if (charge > targetBytes) return "tooLarge";
  if (queue.events >= eventsMax || lane.events >= targetEvents || lane.bytes + charge > targetBytes) return "full";
  if (!memory.tryTake("tees", charge)) return "full";
  hold(queue, lane, 1, charge);
  return "";
}

function keep(queue: Queue, lane: Lane, target: TeeTarget, sending: TeeSending, copy: Copy, nowMs: number): void {
  if (sending.batch === null) {
    send(queue, lane, newBatch(target, sending, nowMs, copy));
    return;
  }
  let batch = lane.filling.get(sending.tee);
  if (batch !== undefined && !takesCopy(batch, sending.batch, copy, nowMs)) {
    seal(queue, lane, batch);
    batch = undefined;
  }
  if (batch === undefined) batch = begin(queue, lane, sending.batch, newBatch(target, sending, nowMs, copy));
  else addCopy(batch, copy);
  if (isFull(batch, sending.batch) || isLarge(queue, batch)) seal(queue, lane, batch);
}

function begin(queue: Queue, lane: Lane, limits: BatchLimits, batch: Batch): Batch {
  batch.cancel = queue.options.timers.after(limits.ms, () => seal(queue, lane, batch));
  lane.filling.set(batch.sending.tee, batch);
  return batch;
}

/** A batch takes a quarter of its target's share at most: others fill while it is under way. */
function isLarge(queue: Queue, batch: Batch): boolean {
  const { targetBytes, targetEvents } = queue.options;
  return 4 * batch.charged >= targetBytes || 4 * batch.ids.length >= targetEvents;
}

/** A batch gets no more events. */
function seal(queue: Queue, lane: Lane, batch: Batch): void {
  batch.cancel?.();
  batch.cancel = undefined;
  lane.filling.delete(batch.sending.tee);
  send(queue, lane, batch);
}

function sealAll(queue: Queue, lane: Lane): void {
  for (const batch of lane.filling.values()) seal(queue, lane, batch);
}

function send(queue: Queue, lane: Lane, batch: Batch): void {
  lane.waiting.push(batch);
  schedule(queue, lane);
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
  for (const lane of queue.lanes.values()) {
    sealAll(queue, lane);
    halfOpen(lane.circuit); // a target that was down has its chance now, not when its wait is over
    schedule(queue, lane);
  }
  if (queue.events === 0) end();
}

function closeLane(queue: Queue, lane: Lane): void {
  lane.cancelWait?.();
  const left = [...[...lane.busy].flatMap(withNext), ...lane.waiting.slice(lane.head)].filter(
    (batch) => batch !== undefined,
  );
  lane.waiting = [];
  lane.head = 0;
  lane.due = [];
  let events = 0;
  for (const batch of left) {
    batch.cancel?.();
    batch.next = undefined;
    if (batch.returns === undefined) events += batch.ids.length;
    else giveBack(batch.returns, "kept");
    release(queue, lane, batch);
  }
  if (events > 0) lose(queue, lane, "shutdown", events, "");
  lane.losses.flush();
}

function withNext(batch: Batch): Batch[] {
  return batch.next === undefined ? [batch] : [batch, ...withNext(batch.next)];
}
