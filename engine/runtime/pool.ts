/**
 * Messages whose treatment would hold the event loop for longer than a millisecond go to threads of their own; all others
 * are treated at once, where they are. One pool serves the whole process, whatever plans live in it.
 *
 *   bytes × ns/byte of this section  ≤ 1 ms: treatContent here            verdict
 *                                    > 1 ms: lane (pool-lane.ts) -> thread (pool-worker.ts) -> promise of a verdict
 *
 * So it is with what is posted to a host without a proxy (posts.ts): each kind of that work is to a plan what a section is.
 * A section whose steps may wait shares its thread with others; one that never waits has it for itself. Threads cost some
 * 20 MiB each: the first large message starts them, and until one is up it is treated here, as without a pool.
 */
import type { JsonObject } from "../core/event/json.ts";
import type { FaultReason } from "../core/outcome.ts";
import type { LinkedPipeline } from "../core/pipeline.ts";
import type { Plan, Step } from "../core/plan.ts";
import type { Counters, Ports } from "../core/ports.ts";
import { faulted, type LinkedRoute, type LinkedSection, type Verdict } from "../core/routes/section.ts";
import { within } from "./in-time.ts";
import { type Cost, isMeasured, learn, newCost } from "./pool-cost.ts";
import {
  LANE_LIMITS,
  type Lane,
  type LaneGauges,
  type LaneOptions,
  openLane,
  type PlanCopy,
  type Run,
  type ThreadResult,
  type Work,
} from "./pool-lane.ts";
import { applyEffects, closePorts, type Served, servePorts, type ThreadPorts } from "./pool-ports.ts";
import type { Keys } from "./ports.ts";
import { type PostKind, type PostResult, type Posts, type PostWork, postsHere, UNDONE } from "./posts.ts";
import { isShared, reuseShared, shareBytes } from "./shared-bytes.ts";
import { encodeUtf8, treatContent } from "./treat-content.ts";

/** A promise only where a step has to wait, or the message goes to the pool. Shapes as treatContent's. */
export type Treat = typeof treatContent;

/** A plan that was put into the pool. */
export type PooledPlan = {
  treat: Treat;
  posts: Posts;
  /** Waits at most so long for its messages and what they do later; then those that are left get their fault. */
  close(timeoutMs: number): Promise<void>;
};

export type Pool = {
  /** `linked`: the plan's routes and pipelines, linked to `ports` on this thread. `keys`: of its secrets. */
  add(plan: Plan, linked: Linked, ports: Ports, keys: Keys): PooledPlan;
  /** Starts the threads for its plans before a large message does. Resolves when they are up. */
  warm(): Promise<void>;
  /** by kind of thread: how many there are, messages on them and waiting, bytes of both; undefined: none was needed yet */
  gauges(): { alone: LaneGauges | undefined; shared: LaneGauges | undefined };
  /** Ends the threads. Plans are closed before. */
  close(): Promise<void>;
};

type Linked = { routes: readonly LinkedRoute[]; pipelines: readonly LinkedPipeline[] };

export type PoolOptions = {
  /** a thread has ended by itself */
  onCrash(error: Error): void;
  /** in place of what is measured; tests decide so what goes to the pool */
  nsPerByte?: number | undefined;
  limits?: Partial<typeof LANE_LIMITS>;
  /** the thread's program */
  file?: URL;
};

/** What may hold the event loop. */
const LOOP_NS_MAX = 1_000_000;
/** Messages that mostly wait, on one thread. */
const SHARED_PER_THREAD = 64;

/** Beside this file, under the same extension: `.ts` here, `.js` in dist/. */
const WORKER = new URL(`./pool-worker${import.meta.url.slice(-3)}`, import.meta.url);

/** Threads of one kind: none before the first large message. */
type Threads = {
  perThread: number;
  lane: Lane | undefined;
  /** once the first is up */
  isUp: boolean;
};

/** A plan on the main thread. */
type Entry = {
  copy: PlanCopy;
  ports: Ports;
  /** the kinds that its sections go to */
  threads: Set<Threads>;
  /** one for each thread that knows the plan */
  served: Set<Served>;
  /** messages in the pool */
  held: number;
  isClosed: boolean;
  /** called when no message is held any more */
  onIdle: () => void;
};

type State = { options: PoolOptions; alone: Threads; shared: Threads; entries: Map<number, Entry>; last: number };

export function openPool(options: PoolOptions): Pool {
  const pool: State = {
    options,
    alone: { perThread: 1, lane: undefined, isUp: false },
    shared: { perThread: SHARED_PER_THREAD, lane: undefined, isUp: false },
    entries: new Map(),
    last: 0,
  };
  return {
    add: (plan, linked, ports, keys) => add(pool, plan, linked, ports, keys),
    warm: () => warm(pool),
    gauges: () => ({ alone: pool.alone.lane?.gauges(), shared: pool.shared.lane?.gauges() }),
    close: async () => void (await Promise.all(lanesOf(pool).map((lane) => lane.close()))),
  };
}

function lanesOf({ alone, shared }: State): Lane[] {
  return [alone.lane, shared.lane].filter((lane) => lane !== undefined);
}

async function warm(pool: State): Promise<void> {
  for (const { copy, threads } of pool.entries.values()) {
    for (const kind of threads) await start(pool, kind, copy);
  }
}

/** Resolves when a thread knows the plan. */
async function start(pool: State, threads: Threads, copy: PlanCopy): Promise<void> {
  threads.lane ??= openLane(laneOptions(pool, threads.perThread));
  if (await threads.lane.warm(copy)) threads.isUp = true;
}

function laneOptions({ options, entries }: State, perThread: number): LaneOptions {
  return {
    file: options.file ?? WORKER,
    perThread,
    ...LANE_LIMITS,
    ...options.limits,
    onPorts: (plan, ports) => serve(entries.get(plan), ports),
    onCrash: options.onCrash,
  };
}

function serve(entry: Entry | undefined, ports: ThreadPorts): void {
  if (entry === undefined) {
    closePorts(ports); // its plan was closed meanwhile
    return;
  }
  const served = servePorts(ports, entry.ports, () => entry.served.delete(served));
  entry.served.add(served);
}

function add(pool: State, plan: Plan, linked: Linked, ports: Ports, keys: Keys): PooledPlan {
  const teesWait = ports.tees.waits;
  const sections = sectionPlaces(pool, linked.routes, teesWait);
  const posts = postPlaces(pool, linked.pipelines, teesWait);
  const entry: Entry = {
    copy: { id: ++pool.last, json: shareBytes([encodeUtf8(JSON.stringify(plan))]), keys, teesWait },
    ports,
    threads: new Set([...sections.values(), ...Object.values(posts)].map((place) => place.threads)),
    served: new Set(),
    held: 0,
    isClosed: false,
    onIdle: () => undefined,
  };
  pool.entries.set(entry.copy.id, entry);
  for (const threads of entry.threads) if (threads.isUp) void start(pool, threads, entry.copy); // never rejects
  const here = postsHere({ pipelines: linked.pipelines, ports });
  return {
    treat: (section, content, http, contentType, traceparent) => {
      const place = sections.get(section) as SectionPlace; // every section of the plan has one
      if (isLarge(place, content) && isReady(pool, place.threads, entry)) {
        return sectionInPool(entry, place, section, content, http, contentType);
      }
      if (place.isFixed || !isMeasured(place.cost, content.length)) {
        return treatContent(section, content, http, contentType, traceparent);
      }
      const work = () => treatContent(section, content, http, contentType, traceparent);
      return measured(place, ports.counters, content, work);
    },
    posts: {
      post: (post) => posted(pool, entry, "post", posts.post, here, post),
      split: (post) => posted(pool, entry, "split", posts.split, here, post),
      event: (event) => posted(pool, entry, "event", posts.event, here, event),
    },
    close: (timeoutMs) => close(pool, entry, timeoutMs),
  };
}

function posted<Kind extends PostKind>(
  pool: State,
  entry: Entry,
  kind: Kind,
  place: Place,
  here: Posts,
  given: PostWork<Kind>,
): PostResult<Kind> | Promise<PostResult<Kind>> {
  const { content } = given;
  if (isLarge(place, content) && isReady(pool, place.threads, entry)) {
    const work = { kind, ...given } as Work; // the two belong together
    // Of an event that was kept nobody could be told to come again.
    const isPatient = kind === "event";
    return inPool(entry, place, { work, deadlineMs: 0, isPatient }, (fault, detail) =>
      UNDONE[kind](given, fault, detail),
    );
  }
  if (place.isFixed || !isMeasured(place.cost, content.length)) return here[kind](given);
  return measured(place, entry.ports.counters, content, () => here[kind](given));
}

function isLarge({ cost }: Place, content: Uint8Array): boolean {
  return content.length * cost.nsPerByte > LOOP_NS_MAX;
}

function isReady(pool: State, threads: Threads, entry: Entry): boolean {
  if (threads.lane === undefined) void start(pool, threads, entry.copy); // never rejects
  return threads.isUp;
}

/** Where the large messages of a section, or the large work of a kind of posts, go, and what they cost. */
type Place = {
  threads: Threads;
  /** `<route>|<direction>`, or `|<kind>` */
  label: string;
  cost: Cost;
  /** the cost is not learned */
  isFixed: boolean;
};

type SectionPlace = Place & { route: number };

function newPlace(pool: State, label: string, waits: boolean): Place {
  const { nsPerByte } = pool.options;
  const cost = newCost();
  if (nsPerByte !== undefined) cost.nsPerByte = nsPerByte;
  return { threads: waits ? pool.shared : pool.alone, label, cost, isFixed: nsPerByte !== undefined };
}

function sectionPlaces(
  pool: State,
  routes: readonly LinkedRoute[],
  teesWait: boolean,
): Map<LinkedSection, SectionPlace> {
  const places = new Map<LinkedSection, SectionPlace>();
  routes.forEach((route, index) => {
    for (const section of [route.request, route.response]) {
      if (section === undefined) continue;
      const label = `${route.plan.name}|${section.plan.direction}`;
      places.set(section, { ...newPlace(pool, label, mayWait(section.pipelines, teesWait)), route: index });
    }
  });
  return places;
}

function postPlaces(
  pool: State,
  pipelines: readonly LinkedPipeline[],
  teesWait: boolean,
): { [Kind in PostKind]: Place } {
  const waits = mayWait(pipelines, teesWait);
  return {
    post: newPlace(pool, "|post", waits),
    split: newPlace(pool, "|split", false),
    event: newPlace(pool, "|event", waits),
  };
}

function mayWait(pipelines: readonly LinkedPipeline[], teesWait: boolean): boolean {
  return pipelines.some(
    ({ steps, options }) =>
      (options?.checkpoint ?? null) !== null || steps.some(({ step, plan }) => stepMayWait(step, plan, teesWait)),
  );
}

// A tee says that it may wait. In a proxy it does not, but a copy that a command makes comes later than the verdict; so
// does how a command ended that nobody waits for.
function stepMayWait(step: Step, plan: Plan, teesWait: boolean): boolean {
  if (step.mirrors && step.waits !== "always" && !teesWait)
    return step.uses.some((index) => (plan.steps[index] as Step).waits !== "never");
  return step.waits !== "never" || step.spawns;
}

function measured<Result>(
  place: Place,
  counters: Counters,
  content: Uint8Array,
  work: () => Result | Promise<Result>,
): Result | Promise<Result> {
  const startMs = performance.now();
  const result = work();
  // Of one that waits only the beginning is known.
  if (!(result instanceof Promise)) learned(place, counters, content.length, (performance.now() - startMs) * 1e6);
  return result;
}

function learned(place: Place, counters: Counters, bytes: number, ns: number): void {
  if (!learn(place.cost, bytes, ns)) return;
  counters.add("treatmentNs", place.label, Math.round(ns));
  counters.add("treatmentBytes", place.label, bytes);
}

function sectionInPool(
  entry: Entry,
  place: SectionPlace,
  section: LinkedSection,
  content: Uint8Array,
  http: JsonObject | undefined,
  contentType: string,
): Promise<Verdict> {
  const { direction } = section.plan;
  const work: Work = { kind: "section", route: place.route, direction, content, http, contentType };
  const deadlineMs = deadlineOf(section, content, place.cost);
  return inPool(entry, place, { work, deadlineMs, isPatient: false }, (fault, detail) =>
    faulted(section, fault, detail),
  );
}

type PoolWork = { work: Work } & Pick<Run, "deadlineMs" | "isPatient">;

/** `undone`: what comes of it where no thread does it. */
async function inPool<Result extends ThreadResult["result"]>(
  entry: Entry,
  place: Place,
  { work, ...bounds }: PoolWork,
  undone: (fault: FaultReason, detail: string) => Result,
): Promise<Result> {
  if (entry.isClosed) return undone("overload", "the server is ending");
  const content = isShared(work.content) ? work.content : shareBytes([work.content]);
  const message = { ...work, content, givenUp: new Int32Array(new SharedArrayBuffer(4)) };
  entry.held++;
  const lane = place.threads.lane as Lane; // isReady has opened it
  const outcome = await lane.run({ plan: entry.copy, message, ...bounds }, (late) =>
    applyEffects(late.effects, entry.ports),
  );
  const { counters } = entry.ports;
  counters.add("poolMessages", `${place.label}|${"fault" in outcome ? outcome.fault : "treated"}`, 1);
  let result: Result;
  if ("fault" in outcome) {
    result = undone(outcome.fault, outcome.detail);
  } else {
    if (outcome.ns >= 0 && !place.isFixed) learned(place, counters, content.length, outcome.ns);
    applyEffects(outcome.effects, entry.ports);
    reuseShared(content); // after a fault its thread may still be at it
    result = outcome.result as Result; // what this kind of work gives
  }
  entry.held--;
  if (entry.held === 0) entry.onIdle();
  return result;
}

/** With the wait for a thread still less than the half second that Envoy waits beyond the deadline (envoy/limits.ts). */
const READING_MS_MAX = 100;

// The deadline is the pipelines'; reading the body comes on top, as on the event loop.
function deadlineOf(section: LinkedSection, content: Uint8Array, cost: Cost): number {
  const { deadlineMs } = section.plan.limits;
  return deadlineMs === 0 ? 0 : deadlineMs + Math.min(READING_MS_MAX, (content.length * cost.nsPerByte) / 1e6);
}

async function close(pool: State, entry: Entry, timeoutMs: number): Promise<void> {
  entry.isClosed = true;
  await within(timeoutMs, drained(entry), () => undefined);
  for (const lane of lanesOf(pool)) lane.endPlan(entry.copy.id);
  for (const served of entry.served) served.close();
  pool.entries.delete(entry.copy.id);
}

async function drained(entry: Entry): Promise<void> {
  if (entry.held > 0) {
    await new Promise<void>((resolve) => {
      entry.onIdle = resolve;
    });
  }
  await Promise.all([...entry.served].map((served) => served.settle()));
}
