/**
 * Changing the configuration of a server that runs. Everything new is built first, then new streams get it; a stream
 * keeps what it began with to its end:
 *
 *   load ─▶ build ─▶ current ──── the next one ────▶ old ──── its last stream ends ────▶ closed
 *     └────────┴─▶ refused: the current one stays
 *
 * At most one old generation lives. Asked for another change meanwhile, however often, we make one when it is gone: that is
 * when its last stream has ended, or `drainMs` later, when those that are left are told to. A stream of hours outlives one
 * change, and none holds up the second.
 */
import type { SystemConfig } from "../config/external-systems.ts";
import type { Plan } from "../core/plan.ts";
import type { Family } from "./exposition.ts";
import { family } from "./metrics.ts";
import { newRuntime, type Runtime, StartError } from "./runtime.ts";
import type { Standing } from "./standing.ts";

/** Where a stream gets its runtime. */
export type Runtimes = {
  /** The runtime of a stream that begins; `leave` must follow, once. Without `stream` nobody can be told to end. */
  enter(stream?: EnteredStream): Runtime;
  /** A stream that entered has ended. */
  leave(runtime: Runtime, stream?: EnteredStream): void;
};

/** What a stream is told. Must not throw. */
export type EnteredStream = {
  /** The configuration that it began with is to go: it is to end now. */
  outdated(): void;
  /** where its generation has it: generations.ts writes and reads it, nobody else */
  place: number;
};

/** What `use` makes of the runtime of now, which stays until that has settled. */
export function withRuntime<Result>(
  runtimes: Runtimes,
  use: (runtime: Runtime) => Result | Promise<Result>,
): Result | Promise<Result> {
  const runtime = runtimes.enter();
  let result: Result | Promise<Result> | undefined;
  try {
    result = use(runtime);
  } finally {
    if (!(result instanceof Promise)) runtimes.leave(runtime);
  }
  return result instanceof Promise ? result.finally(() => runtimes.leave(runtime)) : result;
}

/** One runtime that never changes. */
export function fixedRuntime(runtime: Runtime): Runtimes {
  return { enter: () => runtime, leave: () => {} };
}

/** A configuration ready to be built, or what is wrong with it, in lines for people. */
export type Candidate =
  | {
      plan: Plan;
      systems: readonly SystemConfig[];
      /** the file's */
      text: string;
      /** called when new streams get it */
      applied?: () => void;
    }
  | { complaints: string };

/** applied: new streams have it; refused: the one before stays; waiting: it comes when the old streams have ended. */
export type Reload = { outcome: "applied" | "refused" | "waiting"; generation: number; message: string };

export type Generations = Runtimes & {
  state(): GenerationsState;
  /** Reads the configuration anew. Never rejects. */
  reload(): Promise<Reload>;
  close(timeoutMs: number): Promise<void>;
};

export type GenerationsState = {
  /** of the one that new streams get, from 1 on */
  number: number;
  /** when it came into use */
  sinceMs: number;
  /** the file's */
  text: string;
  /** streams that keep the one before */
  oldStreams: number;
};

export function generationFamilies({ number, sinceMs, oldStreams }: GenerationsState): Family[] {
  const since = "When the configuration of new streams came into use, in seconds since the Unix epoch.";
  const old = "Streams that keep the configuration before; while there are any, a further change waits.";
  return [
    family("gauge", "agglo_generation", "Number of the configuration that new streams get.", number),
    family("gauge", "agglo_generation_start_time_seconds", since, sinceMs / 1000),
    family("gauge", "agglo_old_generation_streams", old, oldStreams),
  ];
}

export type GenerationsOptions = {
  standing: Standing;
  /** of the configuration, for messages */
  file: string;
  /** Reads the configuration. Must not throw. */
  load(): Candidate;
  /** How long systems that nobody names any more may go on sending, and streams may hold up a further change. */
  drainMs: number;
};

type Generation = {
  number: number;
  sinceMs: number;
  text: string;
  runtime: Runtime;
  streams: number;
  /** streams by their places, and the places that are free: a Set of them doubled the process's memory under load */
  open: (EnteredStream | undefined)[];
  free: number[];
};

type State = {
  options: GenerationsOptions;
  current: Generation;
  old: Generation | undefined;
  /** the change that is being made, and the one that follows for everybody who asked meanwhile */
  changing: Promise<Reload> | undefined;
  following: Promise<Reload> | undefined;
  /** asked for while an old generation lived */
  again: boolean;
  /** runs while such a change waits */
  patience: NodeJS.Timeout | undefined;
  /** generations without streams that send what their systems hold */
  closing: Set<Promise<void>>;
  closed: boolean;
};

/** Starts with what `load` gives. Rejects with a StartError, also where the configuration is wrong. */
export async function startGenerations(options: GenerationsOptions): Promise<Generations> {
  const state: State = {
    options,
    current: await build(options, 1),
    old: undefined,
    changing: undefined,
    following: undefined,
    again: false,
    patience: undefined,
    closing: new Set(),
    closed: false,
  };
  return {
    enter(stream) {
      state.current.streams++;
      if (stream !== undefined) takePlace(state.current, stream);
      return state.current.runtime;
    },
    leave: (runtime, stream) => leave(state, runtime, stream),
    state() {
      const { number, sinceMs, text } = state.current;
      return { number, sinceMs, text, oldStreams: state.old?.streams ?? 0 };
    },
    reload: () => reload(state),
    close: (timeoutMs) => close(state, timeoutMs),
  };
}

/** Rejects with a StartError that says what is wrong. */
async function build(options: GenerationsOptions, number: number): Promise<Generation> {
  const candidate = options.load();
  if ("complaints" in candidate) throw new StartError(true, candidate.complaints);
  try {
    const runtime = await newRuntime(candidate.plan, candidate.systems, options.standing);
    candidate.applied?.();
    return { number, sinceMs: Date.now(), text: candidate.text, runtime, streams: 0, open: [], free: [] };
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new StartError(error.configuration, error.message.replace(/^/gm, `${options.file}: `));
  }
}

function takePlace({ open, free }: Generation, stream: EnteredStream): void {
  stream.place = free.pop() ?? open.length;
  open[stream.place] = stream;
}

function givePlace({ open, free }: Generation, { place }: EnteredStream): void {
  open[place] = undefined;
  free.push(place);
}

function leave(state: State, runtime: Runtime, stream: EnteredStream | undefined): void {
  const { current, old } = state;
  const left = current.runtime === runtime ? current : old;
  if (left?.runtime !== runtime) throw new Error("a stream has left that never entered"); // our own bug
  left.streams--;
  if (stream !== undefined) givePlace(left, stream);
  if (left !== old || old.streams > 0) return;
  state.old = undefined;
  clearTimeout(state.patience);
  state.patience = undefined;
  retire(state, old, state.options.drainMs);
  if (!state.again || state.closed) return;
  state.again = false;
  void reload(state);
}

/** Nobody uses it any more. */
function retire(state: State, { runtime }: Generation, timeoutMs: number): void {
  const closing = runtime.close(timeoutMs);
  state.closing.add(closing);
  void closing.then(() => state.closing.delete(closing));
}

// Who asks during a change may have written the file after it was read: one more follows, for all of them.
function reload(state: State): Promise<Reload> {
  if (state.changing === undefined) {
    state.changing = change(state).finally(() => {
      state.changing = undefined;
    });
    return state.changing;
  }
  state.following ??= state.changing.then(() => {
    state.following = undefined;
    return reload(state);
  });
  return state.following;
}

async function change(state: State): Promise<Reload> {
  if (state.closed) return said(state, "refused", "the server is ending");
  if (state.old !== undefined) return waitFor(state, state.old);
  const { current, options } = state;
  let next: Generation;
  try {
    next = await build(options, current.number + 1);
  } catch (error) {
    if (error instanceof StartError) return said(state, "refused", error.message);
    return said(state, "refused", `a bug of ours: ${error instanceof Error ? error.stack : String(error)}`);
  }
  state.current = next;
  if (current.streams > 0) state.old = current;
  else retire(state, current, options.drainMs);
  return said(state, "applied", `generation ${next.number} is in use`);
}

// A file that is wrong is said to be now, while whoever wrote it looks.
function waitFor(state: State, old: Generation): Reload {
  const candidate = state.options.load();
  if ("complaints" in candidate) return said(state, "refused", candidate.complaints);
  state.again = true;
  state.patience ??= setTimeout(() => endStreams(state, old), state.options.drainMs).unref();
  const seconds = state.options.drainMs / 1000;
  const message = `generation ${old.number} still has ${streamsOf(old)}; the change comes when they have ended, or are ended in ${seconds} s`;
  return said(state, "waiting", message);
}

function endStreams(state: State, old: Generation): void {
  state.options.standing.log("warn", `a change waits: ${streamsOf(old)} of generation ${old.number} are ended`);
  for (const stream of [...old.open]) stream?.outdated(); // each may leave while it is told
}

function streamsOf({ streams }: Generation): string {
  return `${streams} ${streams === 1 ? "stream" : "streams"}`;
}

function said(state: State, outcome: Reload["outcome"], message: string): Reload {
  const { metrics, log } = state.options.standing;
  metrics.counters.add("reloads", outcome, 1);
  const generation = state.current.number;
  if (outcome === "refused") log("error", `reload refused, generation ${generation} stays: ${message}`);
  else log("info", `reload ${outcome}: ${message}`);
  return { outcome, generation, message };
}

async function close(state: State, timeoutMs: number): Promise<void> {
  state.closed = true;
  clearTimeout(state.patience);
  await state.changing;
  retire(state, state.current, timeoutMs);
  if (state.old !== undefined) retire(state, state.old, timeoutMs);
  await Promise.all([...state.closing, state.options.standing.commands.close(timeoutMs)]);
}
