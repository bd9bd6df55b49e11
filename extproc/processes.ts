/**
 * Several server processes with an endpoint each, and the one that looks after them: it starts them, starts another where
 * one ends, keeps the `mem:` stores that all of them use, and speaks for them on the admin port. It serves no traffic.
 *
 *   primary ──fork──▶ child 0 … N-1      ready, then questions of the primary: reload, metrics, configuration
 *      ▲                    │
 *      └── mem: stores ─────┘            questions of the child
 */
import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { type Ask, ipcPort, newAsker } from "../engine/runtime/asking.ts";
import { type Family, mergeFamilies } from "../engine/runtime/exposition.ts";
import type { Reload } from "../engine/runtime/generations.ts";
import { family } from "../engine/runtime/metrics.ts";
import { serveStores } from "../engine/runtime/shared-stores.ts";
import type { Log } from "../engine/runtime/standing.ts";
import { newMemory, type Stores } from "../engine/systems/memory.ts";
import { type Answer, ASSIGNMENT, type Assignment, type Question, type Ready } from "./child.ts";

export type ProcessesOptions = {
  /** the script that a child runs, and its arguments */
  script: string;
  args: readonly string[];
  /** where each child listens */
  endpoints: readonly (readonly string[])[];
  log: Log;
  /** how long leaving may take, all of it */
  drainMs: number;
};

export type Processes = {
  addresses(): string[];
  isReady(): boolean;
  families(): Promise<Family[]>;
  configuration(): Promise<string>;
  reload(): Promise<Reload>;
  drain(): Promise<void>;
};

type Slot = {
  index: number;
  /** the real ports once they are known: whoever comes after listens on the same */
  addresses: readonly string[];
  child: ChildProcess | undefined;
  ask: Ask<Question, Answer> | undefined;
  restarts: number;
  ready: boolean;
};

type Primary = { options: ProcessesOptions; stores: Stores; slots: Slot[]; leaving: boolean };

/** Rejects with a ChildError where a child cannot start. */
export async function startProcesses(options: ProcessesOptions): Promise<Processes> {
  const slots = options.endpoints.map((addresses, index) => newSlot(index, addresses));
  const primary: Primary = { options, stores: newMemory(), slots, leaving: false };
  try {
    // The first alone: what is wrong with the configuration is said once.
    await start(primary, slots.slice(0, 1));
    await start(primary, slots.slice(1));
  } catch (error) {
    await drain(primary);
    throw error;
  }
  return {
    addresses: () => slots.flatMap(({ addresses }) => addresses),
    isReady: () => !primary.leaving && slots.some(({ ready }) => ready),
    families: () => families(slots),
    configuration: async () => ((await askFirst(slots, "configuration")) as string | undefined) ?? "",
    reload: () => reload(slots),
    drain: () => drain(primary),
  };
}

async function start(primary: Primary, slots: readonly Slot[]): Promise<void> {
  const lives = slots.map((slot) => ({ slot, life: launch(primary, slot) }));
  await Promise.all(lives.map(({ life }) => life.ready));
  for (const { slot, life } of lives) void keepAlive(primary, slot, life);
}

/** Why a child could not start; it has said it itself. */
export class ChildError extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`a server process ended with ${code} before it served`);
    this.code = code;
  }
}

function newSlot(index: number, addresses: readonly string[]): Slot {
  return { index, addresses, child: undefined, ask: undefined, restarts: 0, ready: false };
}

/** A child from its start to its end. */
type Life = {
  /** Rejects with a ChildError when it ends before it serves. */
  ready: Promise<void>;
  /** Never rejects. */
  ended: Promise<End>;
};

/** `how`: for people */
type End = { code: number; how: string };

function launch(primary: Primary, slot: Slot): Life {
  const { script, args } = primary.options;
  const assignment: Assignment = { index: slot.index, addresses: slot.addresses };
  const env = { ...process.env, [ASSIGNMENT]: JSON.stringify(assignment) };
  const child = fork(script, args, { env, serialization: "advanced", stdio: ["ignore", "inherit", "inherit", "ipc"] });
  slot.child = child;
  serveStores(ipcPort(child, "stores"), primary.stores);
  slot.ask = newAsker(ipcPort(child, "control"), { waitingMax: WAITING_MAX, stuck: undefined, gone: undefined });
  const ended = endOf(child);
  const ready = new Promise<void>((resolve, reject) => {
    child.on("message", (sent: Ready) => {
      if (sent?.topic !== "ready") return;
      slot.addresses = sent.message.addresses;
      slot.ready = true;
      resolve();
    });
    void ended.then(({ code }) => {
      slot.ready = false;
      reject(new ChildError(code));
    });
  });
  ready.catch(() => undefined); // who does not ask for it hears of the end
  return { ready, ended };
}

const WAITING_MAX = 100;
/** Our exit code where a child has none: EX_SOFTWARE. */
const CRASHED = 70;

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code: code ?? CRASHED, how: `ended with ${signal ?? code}` }));
    child.on("error", (error) => {
      if (child.pid === undefined) resolve({ code: CRASHED, how: `could not be started (${error.message})` });
    });
  });
}

/** A child that lived shorter than this is not started again at once, but later and later. */
const SHORT_LIFE_MS = 5000;
const FIRST_PAUSE_MS = 100;
const PAUSE_MAX_MS = 5000;

/** Starts another child whenever one has ended, until the server leaves. */
async function keepAlive(primary: Primary, slot: Slot, first: Life): Promise<void> {
  let pauseMs = 0;
  for (let life = first; ; life = launch(primary, slot)) {
    const sinceMs = performance.now();
    const { code, how } = await life.ended;
    if (primary.leaving) return;
    const isShort = performance.now() - sinceMs < SHORT_LIFE_MS;
    pauseMs = isShort ? Math.min(PAUSE_MAX_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2)) : 0;
    const level = code === 0 ? "info" : "error";
    primary.options.log(level, `process ${slot.index} ${how}; another one starts in ${pauseMs} ms`);
    await delay(pauseMs);
    if (primary.leaving) return;
    slot.restarts++;
  }
}

const ANSWER_MS = 2000;

/** undefined: it is not there, or does not answer in time. */
async function askWithin(slot: Slot, question: Question, timeoutMs: number): Promise<Answer> {
  if (!slot.ready || slot.ask === undefined) return undefined;
  const abort = new AbortController();
  const late = delay(timeoutMs, undefined, { signal: abort.signal }).catch(() => undefined);
  const answer = await Promise.race([slot.ask(question), late]);
  abort.abort();
  return answer;
}

async function askFirst(slots: readonly Slot[], question: Question): Promise<Answer> {
  for (const slot of slots) {
    const answer = await askWithin(slot, question, ANSWER_MS);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

export function serverFamilies(isUp: boolean, restarts: number): Family[] {
  return [
    family("gauge", "agglo_server_up", "1 where the server process serves and answers.", isUp ? 1 : 0),
    family("counter", "agglo_server_restarts_total", "Times that a server process was replaced.", restarts),
  ];
}

async function families(slots: readonly Slot[]): Promise<Family[]> {
  const answers = await Promise.all(slots.map((slot) => askWithin(slot, "families", ANSWER_MS)));
  const byServer = new Map<string, readonly Family[]>();
  for (const [i, answer] of answers.entries()) {
    const slot = slots[i] as Slot;
    byServer.set(String(slot.index), [
      ...serverFamilies(answer !== undefined, slot.restarts),
      ...((answer as Family[] | undefined) ?? []),
    ]);
  }
  return mergeFamilies(byServer);
}

const RELOAD_MS = 30_000;
/** The worst of several. */
const WORST: readonly Reload["outcome"][] = ["refused", "waiting", "applied"];

async function reload(slots: readonly Slot[]): Promise<Reload> {
  const answers = await Promise.all(slots.map((slot) => askWithin(slot, "reload", RELOAD_MS)));
  const reloads = answers.map((answer) => (answer as Reload | undefined) ?? NO_ANSWER);
  const outcome = WORST.find((word) => reloads.some((one) => one.outcome === word)) as Reload["outcome"];
  const generation = Math.min(...reloads.map((one) => one.generation));
  // They read the same file: mostly all say the same.
  const messages = [...new Set(reloads.filter((one) => one.outcome === outcome).map((one) => one.message))];
  return { outcome, generation, message: messages.join("\n") };
}

/** One that starts reads the new file anyway. */
const NO_ANSWER: Reload = { outcome: "waiting", generation: 0, message: "a server process is starting" };

/** What a child may take beyond its own bound before it is killed. */
const GRACE_MS = 2000;

async function drain(primary: Primary): Promise<void> {
  primary.leaving = true;
  await Promise.all(primary.slots.map((slot) => end(slot.child, primary.options.drainMs + GRACE_MS)));
}

async function end(child: ChildProcess | undefined, timeoutMs: number): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  child.kill("SIGTERM");
  await gone;
  clearTimeout(kill);
}
