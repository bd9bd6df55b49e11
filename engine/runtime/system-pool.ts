/**
 * The open systems of a process, shared by the configurations that name them: the same type, name and connection is the
 * same instance with the same queue, however often the file is read anew. One that nobody names any more sends what its
 * queue holds, then closes.
 */
import type { SystemConfig } from "../config/external-systems.ts";
import type { JsonObject } from "../core/event/json.ts";
import type { Counters, SystemType } from "../core/ports.ts";
import type { Deliver } from "../systems/direct-tees.ts";
import { isSystemError } from "../systems/failure.ts";
import type { Stores } from "../systems/memory.ts";
import { send } from "../systems/send.ts";
import type { OpenedSystem, SystemPort } from "../systems/system.ts";
import type { Family } from "./exposition.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import { family } from "./metrics.ts";
import { openSystem, resolveOptions } from "./open-systems.ts";
import { nodeTimers } from "./ports.ts";
import type { Secrets } from "./secrets.ts";
import { newTeeQueue, type TeeQueue } from "./tee-queue.ts";

export type SystemPoolOptions = {
  stores: Stores;
  secrets: Secrets;
  budget: MemoryBudget;
  counters: Counters;
  /** copies on disk, by the system's name */
  spooled(): Queued[];
  log(line: string): void;
};

/** What one configuration holds of the pool. */
export type SystemLease = {
  /** undefined: the configuration names no such system */
  find(type: SystemType, name: string): { port: SystemPort; queue: TeeQueue } | undefined;
  /** Gives all back; those that nobody else holds send for at most so long and close. */
  release(timeoutMs: number): Promise<void>;
};

export type SystemPool = {
  /** Opens what is not open yet: all of them, or sentences about those that cannot be, and then none is held. */
  acquire(systems: readonly SystemConfig[]): Promise<SystemLease | { errors: string[] }>;
  /** copies that wait for their targets, by the system's name */
  queued(): Queued[];
};

/** `down`: the circuit to its target is open. */
export type Queued = { name: string; events: number; bytes: number; down: boolean };

export function queueFamilies(queued: readonly Queued[]): Family[] {
  const values = (of: "events" | "bytes") => queued.map((queue) => [[["target", queue.name]], queue[of]] as const);
  return [
    family(
      "gauge",
      "agglo_tee_queued_events",
      "Copies that wait for their target, in memory or on disk.",
      values("events"),
    ),
    family("gauge", "agglo_tee_queued_bytes", "Memory taken for copies that wait for their target.", values("bytes")),
    family(
      "gauge",
      "agglo_tee_target_down",
      "1 while a target fails and its copies wait for the next try.",
      queued.map((queue) => [[["target", queue.name]], queue.down ? 1 : 0] as const),
    ),
  ];
}

/** One open system. */
type Pooled = { key: string; name: string; holders: number; opened: OpenedSystem; queue: TeeQueue };

type Pool = {
  options: SystemPoolOptions;
  /** by key */
  held: Map<string, Pooled>;
  /** given back, and sending what they hold */
  leaving: Set<Pooled>;
};

export function newSystemPool(options: SystemPoolOptions): SystemPool {
  const pool: Pool = { options, held: new Map(), leaving: new Set() };
  return {
    acquire: (systems) => acquire(pool, systems),
    queued: () => sumByName([...[...pool.held.values(), ...pool.leaving].map(queuedOf), ...options.spooled()]),
  };
}

// By name: one that leaves and one that comes may have the same.
function sumByName(queues: readonly Queued[]): Queued[] {
  const byName = new Map<string, Queued>();
  for (const { name, events, bytes, down } of queues) {
    const sum = byName.get(name) ?? { name, events: 0, bytes: 0, down: false };
    byName.set(name, { name, events: sum.events + events, bytes: sum.bytes + bytes, down: sum.down || down });
  }
  return [...byName.values()];
}

function queuedOf({ name, queue }: Pooled): Queued {
  const { events, bytes, targets } = queue.gauges();
  return { name, events, bytes, down: targets.some((target) => target.down) };
}

async function acquire(pool: Pool, systems: readonly SystemConfig[]): Promise<SystemLease | { errors: string[] }> {
  const byName = new Map<string, Pooled>();
  const errors: string[] = [];
  for (const system of systems) {
    const pooled = await hold(pool, system);
    if (typeof pooled === "string") errors.push(`system "${system.name}": ${pooled}`);
    else byName.set(`${system.type} ${system.name}`, pooled);
  }
  if (errors.length > 0) {
    await release(pool, byName.values(), 0);
    return { errors };
  }
  let released: Promise<void> | undefined;
  return {
    find(type, name) {
      const pooled = byName.get(`${type} ${name}`);
      return pooled === undefined ? undefined : { port: pooled.opened.port, queue: pooled.queue };
    },
    release(timeoutMs) {
      released ??= release(pool, byName.values(), timeoutMs);
      return released;
    },
  };
}

/** A string: why it cannot be opened. */
async function hold(pool: Pool, system: SystemConfig): Promise<Pooled | string> {
  const options = resolveOptions(system, pool.options.secrets).options;
  const key = keyOf(system, options);
  const known = pool.held.get(key);
  if (known !== undefined) {
    known.holders++;
    return known;
  }
  const opened = await openSystem(system, options, pool.options.stores);
  if (isSystemError(opened)) return opened.message;
  const queue = newQueue(pool, (_target, outgoing) => send(opened.port, outgoing));
  const pooled = { key, name: system.name, holders: 1, opened, queue };
  pool.held.set(key, pooled);
  return pooled;
}

// With the secrets themselves: one that was changed is another connection.
function keyOf(system: SystemConfig, options: JsonObject): string {
  return `${system.type}\0${system.name}\0${system.connectionString}\0${JSON.stringify(options)}`;
}

async function release(pool: Pool, systems: Iterable<Pooled>, timeoutMs: number): Promise<void> {
  const unused: Pooled[] = [];
  for (const pooled of systems) {
    pooled.holders--;
    if (pooled.holders > 0) continue;
    pool.held.delete(pooled.key);
    pool.leaving.add(pooled);
    unused.push(pooled);
  }
  await Promise.all(
    unused.map(async (pooled) => {
      await pooled.queue.drain(timeoutMs);
      await pooled.opened.close();
      pool.leaving.delete(pooled);
    }),
  );
}

/** What the queues of all systems together may hold. */
const QUEUE_EVENTS = 100_000;

function newQueue(pool: Pool, deliver: Deliver): TeeQueue {
  const { budget } = pool.options;
  // Each system has its share, whatever the number of them after a reload: a dead target fills its own and no other's.
  const share = (of: number) => Math.floor(of / Math.max(1, pool.held.size + pool.leaving.size));
  return newTeeQueue({
    deliver,
    memory: budget,
    get eventsMax() {
      return share(QUEUE_EVENTS);
    },
    get targetBytes() {
      return share(budget.bytesMax("tees"));
    },
    get targetEvents() {
      return share(QUEUE_EVENTS);
    },
    concurrency: 8,
    retriesMax: 8,
    backoff: { firstMs: 50, maxMs: 5000 },
    circuit: { failuresMax: 8, waitMs: 500, waitMaxMs: 10_000 },
    random: Math.random,
    nowMs: Date.now,
    timers: nodeTimers(),
    log: pool.options.log,
    counters: pool.options.counters,
  });
}
