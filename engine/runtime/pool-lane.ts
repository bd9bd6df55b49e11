/**
 * One kind of threads and the messages that wait for them. Piscina keeps the threads: it starts, replaces and ends them.
 * The line stands here, because piscina's own knows no bound for tasks that can be aborted, and its order is not theirs.
 *
 *   run -> waiting -> handed over -> started -> result
 *    |        |            |            |
 *    |        v            v            v
 *    |     overload     overload     timeout, or error (its thread ended by itself)
 *    v
 *  overload (the line is full)
 *
 * A message that is given up is answered at once. Its thread is ended only when it does not come back for a while more: on
 * a machine that is short of time, threads that start anew, and cold, would make everything late that comes after.
 */
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import type { JsonObject } from "../core/event/json.ts";
import type { FaultReason } from "../core/outcome.ts";
import type { Verdict } from "../core/routes/section.ts";
import type { Effects, ThreadPorts } from "./pool-ports.ts";
import { type Keys, nodeTimers } from "./ports.ts";
import type { PostKind, PostResult, PostWork } from "./posts.ts";

/** A plan as it crosses to the threads: each takes it in once, and two of them can live (engine.md, "Change"). */
export type PlanCopy = {
  id: number;
  /** shared, not copied */
  json: Uint8Array;
  keys: Keys;
  /** as its host's tees (core/ports.ts) */
  teesWait: boolean;
};

export type Task = {
  id: number;
  plan: PlanCopy;
  /** undefined: only make the plan known */
  message: TaskMessage | undefined;
};

/** What a host wants of a message: a section's treatment, or what posts.ts does with what was posted. */
export type Work = SectionWork | { [Kind in PostKind]: { kind: Kind } & PostWork<Kind> }[PostKind];

export type SectionWork = {
  kind: "section";
  /** index in plan.routes */
  route: number;
  direction: "request" | "response";
  content: Uint8Array;
  http: JsonObject | undefined;
  contentType: string;
};

/** Its content is shared, not copied, and from then on the pool's: what comes next may be written over it. */
export type TaskMessage = Work & {
  /** 1: it was answered meanwhile */
  givenUp: Int32Array;
};

/** `ns`: what it took; -1 where it had to wait. */
export type ThreadResult = { result: Verdict | PostResult; effects: Effects; ns: number };

export type FromThread = { started: number } | { plan: number; ports: ThreadPorts };

export type LaneOptions = {
  /** the thread's program; tests have one of their own */
  file: URL;
  threadsMax: number;
  /** messages in one thread at a time; 1: each has it for itself, and it can be ended for its sake */
  perThread: number;
  waitingMax: number;
  /** what all messages together may hold here */
  heldBytesMax: number;
  /** how long a message waits for a thread */
  waitMs: number;
  /** how long the thread of a message that was given up may still take */
  endMs: number;
  /** V8's heap of a thread; 0: as large as the main thread's. A thread that needs more ends. */
  heapMb: number;
  onPorts(plan: number, ports: ThreadPorts): void;
  /** a thread ended by itself, whether it held messages or not */
  onCrash(error: Error): void;
};

export const LANE_LIMITS = {
  // One core is the event loop's.
  threadsMax: Math.max(1, Math.min(4, availableParallelism() - 1)),
  waitingMax: 1000,
  heldBytesMax: 64 * 1024 * 1024,
  // Envoy waits half a second longer than the deadline (envoy/limits.ts), and hears of a fault rather than nothing.
  waitMs: 350,
  endMs: 500,
  heapMb: 0,
};

export type Run = {
  plan: PlanCopy;
  message: TaskMessage;
  /** from its start on a thread; 0: as long as it takes */
  deadlineMs: number;
  /** its host holds it in any case, and as much as it likes: it waits for a thread as long as it takes */
  isPatient: boolean;
};

export type LaneFault = { fault: FaultReason; detail: string };

export type LaneGauges = { threads: number; running: number; waiting: number; bytes: number };

export type Lane = {
  /** Never rejects. A result may come after the message was given up: then only `late` hears of it. */
  run(run: Run, late: (result: ThreadResult) => void): Promise<ThreadResult | LaneFault>;
  /** Makes a plan known to a thread before its first message. False: it cannot run there. Never rejects. */
  warm(plan: PlanCopy): Promise<boolean>;
  gauges(): LaneGauges;
  /** Gives up the messages of a plan. */
  endPlan(id: number): void;
  /** Ends the threads. Plans are ended before. */
  close(): Promise<void>;
};

type Held = {
  task: Task;
  deadlineMs: number;
  /** what aborts it on its thread; undefined: it is in the line, or shares the thread */
  controller: AbortController | undefined;
  /** of the time after which it is given up */
  cancelTimer: () => void;
  /** of the time after which its thread is ended */
  cancelEnd: () => void;
  isHandedOver: boolean;
  /** once; undefined afterwards */
  settle: ((outcome: ThreadResult | LaneFault) => void) | undefined;
  late: (result: ThreadResult) => void;
};

type State = {
  options: LaneOptions;
  threads: Piscina<Task, ThreadResult | undefined>;
  held: Map<number, Held>;
  waiting: Held[];
  running: number;
  bytes: number;
  last: number;
  /** one thread that ends fails all its messages with one error */
  crash: Error | undefined;
  isClosed: boolean;
};

const timers = nodeTimers();

export function openLane(options: LaneOptions): Lane {
  const threads = newThreads(options);
  const counts = { running: 0, bytes: 0, last: 0 };
  const lane: State = { options, threads, held: new Map(), waiting: [], ...counts, crash: undefined, isClosed: false };
  threads.on("message", (message: FromThread) => {
    if ("started" in message) started(lane, message.started);
    else options.onPorts(message.plan, message.ports);
  });
  threads.on("error", (error: Error) => report(lane, error));
  return {
    run: (run, late) => new Promise((settle) => enter(lane, run, settle, late)),
    warm: (plan) =>
      threads.run({ id: 0, plan, message: undefined }).then(
        () => true,
        (error: Error) => {
          report(lane, error);
          return false;
        },
      ),
    gauges: () => ({
      threads: threads.threads.length,
      running: lane.running,
      waiting: lane.waiting.length,
      bytes: lane.bytes,
    }),
    endPlan(id) {
      for (const held of [...lane.held.values()]) {
        if (held.task.plan.id !== id) continue;
        giveUp(lane, held, "error", "the server is ending");
        held.controller?.abort();
      }
    },
    close() {
      lane.isClosed = true;
      return threads.destroy();
    },
  };
}

const THREAD_IDLE_MS = 30_000;

// At its limit Node gives a thread 16 MiB more to end in. What is young must fit, or V8 ends the whole process.
const YOUNG_MB = 16;

function newThreads(options: LaneOptions): Piscina<Task, ThreadResult | undefined> {
  return new Piscina<Task, ThreadResult | undefined>({
    filename: options.file.href,
    name: "run",
    minThreads: 1,
    maxThreads: options.threadsMax,
    idleTimeout: THREAD_IDLE_MS,
    concurrentTasksPerWorker: options.perThread,
    // The default freezes a thread between two tasks: no timers, no messages (engine.md).
    atomics: "disabled",
    resourceLimits: {
      maxYoungGenerationSizeMb: YOUNG_MB,
      ...(options.heapMb === 0 ? {} : { maxOldGenerationSizeMb: options.heapMb }),
    },
    recordTiming: false,
  });
}

function enter(lane: State, run: Run, settle: NonNullable<Held["settle"]>, late: Held["late"]): void {
  const bytes = run.message.content.byteLength;
  const { waitingMax, heldBytesMax, waitMs } = lane.options;
  const isFull = lane.waiting.length >= waitingMax || (lane.bytes > 0 && lane.bytes + bytes > heldBytesMax);
  if (isFull && !run.isPatient) {
    settle({ fault: "overload", detail: "too many large bodies wait for a thread" });
    return;
  }
  const held: Held = {
    task: { id: ++lane.last, plan: run.plan, message: run.message },
    deadlineMs: run.deadlineMs,
    controller: undefined,
    cancelTimer: () => undefined,
    cancelEnd: () => undefined,
    isHandedOver: false,
    settle,
    late,
  };
  lane.held.set(held.task.id, held);
  lane.bytes += bytes;
  if (!run.isPatient) giveUpAfter(waitMs, lane, held, "overload", `no thread was free for ${waitMs} ms`);
  lane.waiting.push(held);
  fill(lane);
}

/** Hands over what the threads have room for. */
function fill(lane: State): void {
  while (lane.running < lane.options.threadsMax * lane.options.perThread) {
    const held = lane.waiting.shift();
    if (held === undefined) return;
    handOver(lane, held);
  }
}

function handOver(lane: State, held: Held): void {
  held.isHandedOver = true;
  lane.running++;
  if (lane.options.perThread === 1) held.controller = new AbortController();
  lane.threads.run(held.task, { signal: held.controller?.signal ?? null }).then(
    (result) => {
      if (result !== undefined) settled(held, result);
      release(lane, held);
    },
    (error: Error) => {
      if (held.settle !== undefined) crashed(lane, held, error); // else it was aborted
      release(lane, held);
    },
  );
}

function crashed(lane: State, held: Held, error: Error): void {
  report(lane, error);
  answer(held, { fault: "error", detail: "the thread that treated it ended" });
}

function report(lane: State, error: Error): void {
  if (lane.crash !== error && !lane.isClosed) lane.options.onCrash(error);
  lane.crash = error;
}

function started(lane: State, id: number): void {
  const held = lane.held.get(id);
  if (held === undefined || held.settle === undefined) return; // over before this message came
  held.cancelTimer();
  held.cancelTimer = () => undefined;
  if (held.deadlineMs > 0) giveUpAfter(held.deadlineMs, lane, held, "timeout", "the deadline has passed");
}

// Where the event loop stood still, what a thread said meanwhile is heard before its time is up.
function giveUpAfter(delayMs: number, lane: State, held: Held, fault: FaultReason, detail: string): void {
  const cancel = timers.after(delayMs, () => {
    timers.soon(() => {
      if (held.cancelTimer === cancel) giveUp(lane, held, fault, detail);
    });
  });
  held.cancelTimer = cancel;
}

function settled(held: Held, result: ThreadResult): void {
  if (held.settle === undefined) held.late(result);
  else answer(held, result);
}

function answer(held: Held, outcome: ThreadResult | LaneFault): void {
  held.cancelTimer();
  held.settle?.(outcome);
  held.settle = undefined;
}

/** Answers a message that has no result yet, and sees to it that nothing runs for it for long. */
function giveUp(lane: State, held: Held, fault: FaultReason, detail: string): void {
  if (held.settle === undefined) return;
  answer(held, { fault, detail });
  Atomics.store((held.task.message as TaskMessage).givenUp, 0, 1);
  if (held.isHandedOver) {
    held.cancelEnd = timers.after(lane.options.endMs, () => held.controller?.abort());
    return;
  }
  lane.waiting.splice(lane.waiting.indexOf(held), 1);
  forget(lane, held);
}

function release(lane: State, held: Held): void {
  held.cancelEnd();
  forget(lane, held);
  lane.running--;
  fill(lane);
}

function forget(lane: State, held: Held): void {
  lane.held.delete(held.task.id);
  lane.bytes -= (held.task.message as TaskMessage).content.byteLength;
}
