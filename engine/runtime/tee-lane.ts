/** The way of a queue's batches to one target: tries, retries, and the circuit that decides when. tee-queue.ts fills it. */
import type { Counters, SystemError } from "../core/ports.ts";
import { type Deliver, type DropReason, refusalReason } from "../systems/direct-tees.ts";
import { failure, isSystemError } from "../systems/failure.ts";
import type { Sent } from "../systems/send.ts";
import { type LossLog, newLossLog, shownError } from "./counters.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { Timers } from "./ports.ts";
import { type Batch, halvesOf, isDivisible, outgoingOf, type Returned } from "./tee-batch.ts";
import {
  answered,
  type Circuit,
  type CircuitOptions,
  failed,
  halfOpen,
  mayTry,
  newCircuit,
  takeRetry,
  tried,
} from "./tee-circuit.ts";

export type TeeQueueOptions = {
  deliver: Deliver;
  /** what the process may hold; the queue takes of it as `tees` */
  memory: MemoryBudget;
  eventsMax: number;
  /** What one target may hold of memory and events: with all / number of targets, a dead one takes nothing from the others. */
  targetBytes: number;
  targetEvents: number;
  /** batches under way to one target or before their retry; they start in the order in which they were closed */
  concurrency: number;
  /** how often a batch is sent again after a retryable error */
  retriesMax: number;
  /** the wait before a retry: firstMs, doubled each time up to maxMs, of which a random half is taken off */
  backoff: { firstMs: number; maxMs: number };
  circuit: CircuitOptions;
  random(): number;
  nowMs(): number;
  timers: Timers;
  /** Gets a line for a target's losses at most once a second, one when it is down and one when it is back. */
  log(line: string): void;
  counters: Counters;
};

export type Queue = {
  options: TeeQueueOptions;
  lanes: Map<string, Lane>;
  events: number;
  /** of these, from spools */
  spooled: number;
  bytes: number;
  closing: Promise<void> | undefined;
  /** called when the last event is gone */
  onEmpty: (() => void) | undefined;
};

/** All there is for one target. */
export type Lane = {
  name: string;
  /** batches that get more events, by the names of their tees */
  filling: Map<string, Batch>;
  /** first in, first out from `head` on; nothing before it */
  waiting: (Batch | undefined)[];
  head: number;
  /** under way or before a retry */
  busy: Set<Batch>;
  /** of these, whose retry's time has come */
  due: Batch[];
  scheduled: boolean;
  events: number;
  /** of these, from spools */
  spooled: number;
  bytes: number;
  circuit: Circuit;
  /** ends the circuit's wait */
  cancelWait: (() => void) | undefined;
  losses: LossLog;
};

export function newLane(name: string, options: TeeQueueOptions): Lane {
  return {
    name,
    filling: new Map(),
    waiting: [],
    head: 0,
    busy: new Set(),
    due: [],
    scheduled: false,
    events: 0,
    spooled: 0,
    bytes: 0,
    circuit: newCircuit(),
    cancelWait: undefined,
    losses: newLossLog(subject(name), options),
  };
}

function subject(name: string): string {
  return `tee to ${JSON.stringify(name)}`;
}

/** Copies of a spool are counted by it, as long as it has them: here only so that they are not counted twice. */
export function holdSpooled(queue: Queue, lane: Lane, events: number): void {
  lane.spooled += events;
  queue.spooled += events;
}

export function hold(queue: Queue, lane: Lane, events: number, bytes: number): void {
  lane.events += events;
  lane.bytes += bytes;
  queue.events += events;
  queue.bytes += bytes;
}

/** A batch is sent or lost: gives back what it took. */
export function release(queue: Queue, lane: Lane, batch: Batch): void {
  batch.settled = true;
  lane.busy.delete(batch);
  hold(queue, lane, -batch.ids.length, -batch.charged);
  queue.options.memory.give("tees", batch.charged);
  if (batch.next !== undefined) replace(lane, batch, batch.next);
  if (batch.returns !== undefined) holdSpooled(queue, lane, -batch.returns.length);
  schedule(queue, lane);
  if (queue.events === 0) queue.onEmpty?.();
}

/** The place of a batch that is settled, or halved, goes to another: no more are under way than allowed. */
function replace(lane: Lane, batch: Batch, other: Batch): void {
  lane.busy.delete(batch);
  lane.busy.add(other);
  lane.due.push(other);
}

export function lose(queue: Queue, lane: Lane, reason: DropReason, events: number, error: string): void {
  queue.options.counters.add("teeDropped", `${lane.name}|${reason}`, events);
  lane.losses.add(reason, events, error);
}

/** Sending costs more than keeping: it happens after the traffic that is being answered now. */
export function schedule(queue: Queue, lane: Lane): void {
  if (lane.scheduled) return;
  lane.scheduled = true;
  queue.options.timers.soon(() => {
    lane.scheduled = false;
    start(queue, lane);
  });
}

function start(queue: Queue, lane: Lane): void {
  for (let batch = next(queue, lane); batch !== undefined; batch = next(queue, lane)) {
    tried(lane.circuit);
    attempt(queue, lane, batch);
  }
}

function next(queue: Queue, lane: Lane): Batch | undefined {
  if (!mayTry(lane.circuit)) return undefined;
  const due = lane.due.shift();
  if (due !== undefined) return due;
  if (lane.busy.size >= queue.options.concurrency) return undefined;
  const first = takeFirst(lane);
  if (first !== undefined) lane.busy.add(first);
  return first;
}

/** Places of batches long gone are given back once there are this many, not one by one: shift() moves all the others. */
const GONE_MAX = 1024;

function takeFirst(lane: Lane): Batch | undefined {
  const batch = lane.waiting[lane.head];
  if (batch === undefined) return undefined;
  lane.waiting[lane.head] = undefined; // no longer waiting: let it go when it is settled
  lane.head++;
  if (lane.head === lane.waiting.length || lane.head >= GONE_MAX) {
    lane.waiting = lane.waiting.slice(lane.head);
    lane.head = 0;
  }
  return batch;
}

function attempt(queue: Queue, lane: Lane, batch: Batch): void {
  deliver(queue, batch).then(
    (answer) => settle(queue, lane, batch, answer),
    // Our own bug, but the events must still be accounted for.
    (thrown: unknown) => settle(queue, lane, batch, failure("bug", String(thrown), false)),
  );
}

async function deliver(queue: Queue, batch: Batch): Promise<Sent | SystemError> {
  batch.outgoing ??= await outgoingOf(batch);
  return queue.options.deliver(batch.target, batch.outgoing);
}

function settle(queue: Queue, lane: Lane, batch: Batch, answer: Sent | SystemError): void {
  if (batch.settled) return;
  const error = isSystemError(answer) ? answer : undefined;
  if (error?.retryable === true) noteFailure(queue, lane, error);
  else noteAnswer(queue, lane);
  if (error?.retryable === true && mayRetry(queue, batch)) {
    retryLater(queue, lane, batch);
    return;
  }
  if (error?.divisible === true && isDivisible(batch)) {
    halve(queue, lane, batch);
    return;
  }
  if (batch.returns !== undefined) giveBack(batch.returns, error?.retryable === true ? "kept" : (error ?? "sent"));
  else if (error === undefined) queue.options.counters.add("teeSent", lane.name, batch.ids.length);
  else lose(queue, lane, refusalReason(error), batch.ids.length, error.message);
  release(queue, lane, batch);
}

function halve(queue: Queue, lane: Lane, batch: Batch): void {
  const replaceBy = (first: Batch): void => {
    if (batch.settled) return; // dropped at shutdown meanwhile
    batch.settled = true; // its halves hold what it took
    replace(lane, batch, first);
    start(queue, lane);
  };
  halvesOf(batch).then(replaceBy, (thrown: unknown) =>
    settle(queue, lane, batch, failure("bug", String(thrown), false)),
  );
}

// What is on disk can wait as long as its target needs, and at the end for the next start.
function mayRetry(queue: Queue, batch: Batch): boolean {
  return batch.returns === undefined ? batch.retries < queue.options.retriesMax : queue.closing === undefined;
}

export function giveBack(returns: readonly Returned[], outcome: Parameters<Returned>[0]): void {
  for (const returned of returns) returned(outcome);
}

function retryLater(queue: Queue, lane: Lane, batch: Batch): void {
  const { backoff, counters, timers } = queue.options;
  counters.add("teeRetried", lane.name, 1);
  const full = takeRetry(lane.circuit) ? Math.min(backoff.maxMs, backoff.firstMs * 2 ** batch.retries) : backoff.maxMs;
  batch.retries++;
  batch.cancel = timers.after(jittered(queue, full), () => {
    batch.cancel = undefined;
    lane.due.push(batch);
    start(queue, lane);
  });
}

// Or else all that failed together would come back together.
function jittered(queue: Queue, fullMs: number): number {
  return fullMs * (1 - queue.options.random() / 2);
}

function noteFailure(queue: Queue, lane: Lane, error: SystemError): void {
  const { circuit, log, nowMs, timers } = queue.options;
  const waitMs = failed(lane.circuit, nowMs(), circuit);
  if (waitMs === 0) return;
  if (lane.circuit.openings === 1) log(`${subject(lane.name)}: down, copies wait; ${shownError(error.message)}`);
  lane.cancelWait?.(); // an end that comes cuts a wait short without ending it
  lane.cancelWait = timers.after(jittered(queue, waitMs), () => {
    halfOpen(lane.circuit);
    start(queue, lane);
  });
}

function noteAnswer(queue: Queue, lane: Lane): void {
  const downMs = queue.options.nowMs() - lane.circuit.openedAtMs;
  if (!answered(lane.circuit)) return;
  lane.cancelWait?.();
  queue.options.log(`${subject(lane.name)}: back after ${Math.round(downMs / 1000)} s`);
}
