/** A plan put to work on Node: ports, systems, tee queue, counters. A host asks it for routes and tells it verdicts. */
import { isUtf8 } from "node:buffer";
import type { SystemConfig } from "../config/load.ts";
import { link } from "../core/link.ts";
import type { LinkedPipeline } from "../core/pipeline.ts";
import { type Plan, spawningSteps } from "../core/plan.ts";
import type { Ports, Tees, TeeTarget } from "../core/ports.ts";
import { routeMark } from "../core/routes/needs.ts";
import { type LinkedRoute, linkRoutes, type Verdict } from "../core/routes/section.ts";
import { checkpointsIn } from "../systems/checkpoints.ts";
import { type Deliver, deliverTo, directTees } from "../systems/direct-tees.ts";
import { isSystemError } from "../systems/failure.ts";
import { type Memory, newMemory } from "../systems/memory.ts";
import { findSystem } from "../systems/registry.ts";
import { statesOf } from "../systems/states.ts";
import type { OpenedSystem } from "../systems/system.ts";
import { COMMAND_LIMITS, nodeCommands, refusedCommands } from "./commands.ts";
import type { RuntimeCounters } from "./counters.ts";
import { countingInstruments } from "./instruments.ts";
import { mathRandom, nodeDelays, nodeHmacs, nodeTimers, systemClock, uuidIds } from "./ports.ts";
import { countersOf, unmatchedRedactions } from "./redactions.ts";
import { re2Regexps } from "./regexps.ts";
import { ajvSchemas } from "./schemas.ts";
import { newSecrets } from "./secrets.ts";
import { newTeeQueue, queuedTees, type TeeQueue } from "./tee-queue.ts";

export type Log = (level: "info" | "warn" | "error", message: string) => void;

export type Direction = "request" | "response";

export type RuntimeOptions = {
  log: Log;
  /** true: processes may run commands; left out or false: a plan whose routes do is refused */
  allowSpawn?: boolean;
  /**
   * What becomes of copies: queued and never waited for (proxies, the default); sent at once and waited for; or only
   * shown to this function, while no system but stores in memory is opened (`binge test`).
   */
  tees?: "queued" | "direct" | ((target: TeeTarget, payload: string) => void);
  /** told every verdict, after it is counted */
  onVerdict?: (route: string, direction: Direction, verdict: Verdict) => void;
};

export type Runtime = {
  routes: LinkedRoute[];
  /** by what the proxy's configuration calls them (core/routes/needs.ts, routeMark) */
  routesByMark: ReadonlyMap<string, LinkedRoute>;
  /** by the plan's indexes */
  pipelines: LinkedPipeline[];
  ports: Ports;
  counters: RuntimeCounters;
  /** what the `mem:` systems hold */
  memory: Memory;
  /** copies waiting for their targets */
  queued(): { events: number; bytes: number };
  /** undefined: not valid UTF-8 */
  decodeUtf8(bytes: Uint8Array): string | undefined;
  encodeUtf8(text: string): Uint8Array;
  /** a host tells what became of a message */
  observe(route: string, direction: Direction, verdict: Verdict): void;
  /** a route needs a body that the proxy does not send: counted, said once per route */
  missingMode(route: string, direction: Direction): void;
  /** the proxy's configuration was made for other routes than these: counted, said once per mark */
  mismatchedMark(mark: string): void;
  /** Sends what tees hold for at most so long, then closes the systems. */
  close(timeoutMs: number): Promise<void>;
};

/** Why a runtime could not start: sentences for people. */
export class StartError extends Error {
  /** true: a secret of the configuration is not there; false: a system cannot be reached */
  readonly configuration: boolean;
  constructor(configuration: boolean, message: string) {
    super(message);
    this.configuration = configuration;
  }
}

/** Resolves secrets, opens systems and links the plan. Rejects with a StartError that says everything that is missing. */
export async function startRuntime(
  plan: Plan,
  systems: readonly SystemConfig[],
  options: RuntimeOptions,
): Promise<Runtime> {
  const counters = countersOf(plan);
  const secrets = newSecrets(process.env);
  const log: Log = (level, message) => options.log(level, secrets.mask(message));
  const hmacs = nodeHmacs(secrets.resolve);
  const missing = hmacs.prepare(plan.secrets);
  if (missing.length > 0) {
    throw new StartError(
      true,
      missing.map(({ reference, error, remedy }) => `${reference}: ${error}; ${remedy}`).join("\n"),
    );
  }
  const allowSpawn = options.allowSpawn === true;
  if (!allowSpawn) refuseSpawning(plan);
  const memory = newMemory();
  const mode = options.tees ?? "queued";
  const opened = await openSystems(typeof mode === "function" ? inMemory(systems) : systems, memory);
  const deliver = deliverTo((target) => opened.get(keyOf(target))?.port);
  const queue = newQueue(plan, deliver, counters, log);
  const commands = allowSpawn
    ? nodeCommands({ timers: nodeTimers(), nowMs: Date.now, limits: COMMAND_LIMITS })
    : refusedCommands();
  const ports: Ports = {
    regexps: re2Regexps(),
    schemas: ajvSchemas(re2Regexps()),
    clock: systemClock(),
    ids: uuidIds(),
    hmacs,
    tees:
      typeof mode === "function"
        ? shownTees(mode)
        : mode === "direct"
          ? directTees(deliver, counters)
          : queuedTees(queue, deliver, counters),
    counters,
    commands,
    delays: nodeDelays(nodeTimers()),
    random: mathRandom(),
    checkpoints: checkpointsIn((target) => opened.get(keyOf(target))?.port),
    instruments: countingInstruments(counters),
    states: statesOf((name) => opened.get(keyOf({ type: "ExternalKVStore", name }))?.port),
  };
  const warnOnce = newWarnOnce(log);
  const linked = link(plan, ports);
  const routes = linkRoutes(linked, ports);
  return {
    routes,
    routesByMark: new Map(routes.map((route) => [routeMark(route.plan), route])),
    pipelines: linked.pipelines,
    ports,
    counters,
    memory,
    queued: queue.gauges,
    decodeUtf8,
    encodeUtf8: (text) => Buffer.from(text, "utf8"),
    observe(route, direction, verdict) {
      counters.add("messages", `${route}|${direction}|${verdict.kind}`, 1);
      if (verdict.kind === "faulted") counters.add("faults", `${route}|${direction}|${verdict.reason}`, 1);
      options.onVerdict?.(route, direction, verdict);
    },
    missingMode(route, direction) {
      counters.add("missingModes", `${route}|${direction}`, 1);
      warnOnce(
        `route ${route} needs the ${direction}'s body and Envoy does not send it whole: set ${direction}_body_mode: BUFFERED for it, as "binge envoy" prints`,
      );
    },
    mismatchedMark(mark) {
      counters.add("mismatchedMarks", mark, 1);
      warnOnce(`Envoy's configuration names the route "${mark}", this server's has no such one: generate it anew`);
    },
    async close(timeoutMs) {
      for (const line of unmatchedRedactions(plan, counters)) log("warn", line);
      await Promise.all([queue.drain(timeoutMs), commands.close(timeoutMs)]);
      await Promise.all([...opened.values()].map((system) => system.close()));
    },
  };
}

// What clients send would start programs: that is said where the server is started, not in the file alone.
function refuseSpawning(plan: Plan): void {
  const names = spawningSteps(plan);
  if (names.length === 0) return;
  const list = names.map((name) => `"${name}"`).join(", ");
  throw new StartError(true, `${list} would run commands for what clients send: allow it with --allow-spawn`);
}

/** A client can provoke no more different warnings than this. */
const WARNINGS_MAX = 1000;

/** Says each warning once. */
function newWarnOnce(log: Log): (message: string) => void {
  const warned = new Set<string>();
  return (message) => {
    if (warned.size >= WARNINGS_MAX || warned.has(message)) return;
    warned.add(message);
    log("warn", message);
  };
}

function keyOf(system: { type: string; name: string }): string {
  return `${system.type} ${system.name}`;
}

// Counts and joins of a test need their stores; nothing of it leaves the process.
function inMemory(systems: readonly SystemConfig[]): SystemConfig[] {
  const stores = systems.filter((system) => system.type === "ExternalKVStore");
  return stores.map((system) => ({ ...system, connectionString: "mem:test" }));
}

function shownTees(show: (target: TeeTarget, payload: string) => void): Tees {
  const nothing = { error: "", retryable: false, response: "" };
  return {
    waits: false,
    offer: (target, _id, payload) => show(target, payload),
    deliver: (target, _id, payload) => {
      show(target, payload);
      return Promise.resolve(nothing);
    },
  };
}

async function openSystems(systems: readonly SystemConfig[], memory: Memory): Promise<Map<string, OpenedSystem>> {
  const opened = new Map<string, OpenedSystem>();
  const errors: string[] = [];
  for (const system of systems) {
    const connection = findSystem(system.type, system.connectionString);
    if ("error" in connection) {
      errors.push(`system "${system.name}": ${connection.error}`); // the loader has refused such a file already
      continue;
    }
    const result = await connection.open({ name: system.name, memory });
    if (isSystemError(result)) errors.push(`system "${system.name}": ${result.message}`);
    else opened.set(keyOf(system), result);
  }
  if (errors.length === 0) return opened;
  await Promise.all([...opened.values()].map((system) => system.close()));
  throw new StartError(false, errors.join("\n"));
}

const QUEUE_BYTES = 64 * 1024 * 1024;
const QUEUE_EVENTS = 100_000;

function newQueue(plan: Plan, deliver: Deliver, counters: RuntimeCounters, log: Log): TeeQueue {
  // A dead target fills its own share and no other's.
  const shares = Math.max(1, plan.targets.length);
  return newTeeQueue({
    deliver,
    budgetBytes: QUEUE_BYTES,
    eventsMax: QUEUE_EVENTS,
    targetBytes: Math.floor(QUEUE_BYTES / shares),
    targetEvents: Math.floor(QUEUE_EVENTS / shares),
    concurrency: 8,
    retriesMax: 8,
    backoff: { firstMs: 50, maxMs: 5000 },
    random: Math.random,
    nowMs: Date.now,
    timers: nodeTimers(),
    log: (line) => log("warn", line),
    counters,
  });
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
