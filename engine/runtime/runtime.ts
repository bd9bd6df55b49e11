/** A plan put to work on Node: ports, systems, tees, counters. A host asks it for routes and tells it verdicts. */
import type { SystemConfig } from "../config/external-systems.ts";
import { link } from "../core/link.ts";
import type { LinkedPipeline } from "../core/pipeline.ts";
import { type Plan, spawningSteps } from "../core/plan.ts";
import type { Hmacs, Ports, Tees, TeeTarget } from "../core/ports.ts";
import { sendingOf, targetOf } from "../core/processes/tee.ts";
import { needs, processingMode, routeMark } from "../core/routes/needs.ts";
import { type LinkedRoute, linkRoutes, type Verdict } from "../core/routes/section.ts";
import { checkpointsIn } from "../systems/checkpoints.ts";
import { deliverTo, directTees } from "../systems/direct-tees.ts";
import type { Memory } from "../systems/memory.ts";
import { statesOf } from "../systems/states.ts";
import type { RuntimeCounters } from "./counters.ts";
import { measuringInstruments } from "./instruments.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { Metrics } from "./metrics.ts";
import { missingSecrets } from "./open-systems.ts";
import type { Treat } from "./pool.ts";
import { mathRandom, type NodeHmacs, nodeDelays, nodeHmacs, nodeTimers, systemClock, uuidIds } from "./ports.ts";
import { type Posts, postsHere } from "./posts.ts";
import { countRedactions, unmatchedRedactions } from "./redactions.ts";
import { re2Regexps } from "./regexps.ts";
import { ajvSchemas } from "./schemas.ts";
import type { SpoolRoute } from "./spool.ts";
import type { SpoolLease } from "./spools.ts";
import { type Direction, newStanding, type RuntimeOptions, type Standing } from "./standing.ts";
import type { Queued, SystemLease } from "./system-pool.ts";
import { queuedTees, type TeeQueue } from "./tee-queue.ts";
import { treatContent } from "./treat-content.ts";

export type Runtime = {
  routes: LinkedRoute[];
  /** by what the proxy's configuration calls them (core/routes/needs.ts, routeMark) */
  routesByMark: ReadonlyMap<string, LinkedRoute>;
  /** by the plan's indexes */
  pipelines: LinkedPipeline[];
  ports: Ports;
  counters: RuntimeCounters;
  metrics: Metrics;
  /** what the `mem:` systems hold */
  memory: Memory;
  /** what the process may hold for others: whoever holds bytes takes them from here */
  budget: MemoryBudget;
  /** copies waiting for their targets, of all configurations */
  queued(): { events: number; bytes: number; targets: Queued[] };
  /** Treats a body, here or in the pool. */
  treat: Treat;
  /** The same for what is posted, whatever the routes. */
  posts: Posts;
  /** a host has a message for a section; `observe` or `abandoned` must follow, once */
  received(route: string, direction: Direction): void;
  /** the exchange ended before the message came whole */
  abandoned(route: string, direction: Direction): void;
  /** what became of a message */
  observe(route: string, direction: Direction, verdict: Verdict): void;
  /** what became of the pipelines that run when an exchange is over */
  exchangeEnded(route: string, outcome: "done" | "refused" | "faulted", detail: string): void;
  /** a route needs a body that the proxy does not send, or not so that it can be treated: counted, said once per route */
  missingMode(route: string, direction: Direction): void;
  /** a response came without its request, so no route is known and it passes: counted and said once where one guards */
  unmatchedResponse(): void;
  /** the proxy's configuration was made for other routes than these: counted, said once per mark */
  mismatchedMark(mark: string): void;
  /** Gives its systems back: those that no other runtime has send what they hold for at most so long, and close. */
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

/** A runtime for one configuration, for as long as the process lives. Rejects with a StartError that says all that is missing. */
export async function startRuntime(
  plan: Plan,
  systems: readonly SystemConfig[],
  options: RuntimeOptions,
): Promise<Runtime> {
  const standing = newStanding(options);
  const runtime = await newRuntime(plan, systems, standing);
  return {
    ...runtime,
    async close(timeoutMs) {
      await Promise.all([runtime.close(timeoutMs), standing.commands.close(timeoutMs)]);
    },
  };
}

/** Resolves secrets, opens systems and links the plan; what another configuration has opened already is shared with it. */
export async function newRuntime(plan: Plan, systems: readonly SystemConfig[], standing: Standing): Promise<Runtime> {
  const { metrics, options } = standing;
  const { counters, messages } = metrics;
  const hmacs = prepareSecrets(plan, systems, standing);
  if (options.allowSpawn !== true) refuseSpawning(plan);
  const isShown = typeof options.tees === "function";
  const lease = await standing.systems.acquire(isShown ? inMemory(systems) : systems);
  if ("errors" in lease) throw new StartError(false, standing.secrets.mask(lease.errors.join("\n")));
  const spools = await standing.spools.acquire(spoolRoutes(plan, lease, options));
  if ("errors" in spools) {
    await lease.release(0);
    throw new StartError(false, spools.errors.join("\n"));
  }
  countRedactions(plan, counters);
  const ports = portsOf(standing, lease, spools, hmacs);
  const linked = link(plan, ports);
  const routes = linkRoutes(linked, ports);
  const pooled = options.pool?.add(plan, { routes, pipelines: linked.pipelines }, ports, hmacs.keys);
  return {
    routes,
    routesByMark: new Map(routes.map((route) => [routeMark(route.plan), route])),
    pipelines: linked.pipelines,
    ports,
    counters,
    metrics,
    memory: standing.memory,
    budget: standing.budget,
    queued: () => queuedIn(standing),
    treat: pooled?.treat ?? treatContent,
    posts: pooled?.posts ?? postsHere({ pipelines: linked.pipelines, ports }),
    received: messages.received,
    abandoned: messages.abandoned,
    observe(route, direction, verdict) {
      messages.settled(route, direction, verdict.kind);
      if (verdict.kind === "faulted") counters.add("faults", `${route}|${direction}|${verdict.reason}`, 1);
      if (verdict.kind === "refused") counters.add("refusals", `${route}|${direction}|${verdict.reply?.rule ?? ""}`, 1);
      if (verdict.would !== undefined) counters.add("wouldHave", wouldHaveLabel(route, direction, verdict.would), 1);
      options.onVerdict?.(route, direction, verdict);
    },
    exchangeEnded(route, outcome, detail) {
      counters.add("exchanges", `${route}|${outcome}`, 1);
      if (detail !== "") standing.warnOnce(`route ${route}, exchange: ${detail}`);
    },
    missingMode(route, direction) {
      counters.add("missingModes", `${route}|${direction}`, 1);
      standing.warnOnce(missingModeLine(routes, route, direction));
    },
    unmatchedResponse() {
      if (!routes.some((route) => route.response?.plan.guards === true)) return;
      counters.add("unmatchedResponses", "noRequest", 1);
      standing.warnOnce(UNMATCHED_RESPONSE);
    },
    mismatchedMark(mark) {
      counters.add("mismatchedMarks", mark, 1);
      standing.warnOnce(
        `Envoy's configuration names the route "${mark}", this server's has no such one: generate it anew`,
      );
    },
    async close(timeoutMs) {
      await pooled?.close(timeoutMs); // what it still does belongs in the queue
      for (const line of unmatchedRedactions(plan, metrics)) standing.warnOnce(line);
      spools.end();
      await lease.release(timeoutMs);
      await spools.close();
    },
  };
}

const UNMATCHED_RESPONSE =
  "a response came without its request and passed, since nobody can know its route: set request_header_mode: SEND where responses are treated (Envoy's own replies to what it refuses before ext_proc come so, too)";

function queuedIn({ systems }: Standing): ReturnType<Runtime["queued"]> {
  const sum = { events: 0, bytes: 0, targets: systems.queued() };
  for (const { events, bytes } of sum.targets) {
    sum.events += events;
    sum.bytes += bytes;
  }
  return sum;
}

function prepareSecrets(plan: Plan, systems: readonly SystemConfig[], standing: Standing): NodeHmacs {
  const hmacs = nodeHmacs(standing.secrets.resolve);
  const missing = [...hmacs.prepare(plan.secrets), ...missingSecrets(systems, standing.secrets)];
  if (missing.length === 0) return hmacs;
  const lines = missing.map(({ reference, error, remedy }) => `${reference}: ${error}; ${remedy}`);
  throw new StartError(true, lines.join("\n"));
}

function missingModeLine(routes: readonly LinkedRoute[], route: string, direction: Direction): string {
  const plan = routes.find((known) => known.plan.name === route)?.plan;
  const modes = plan === undefined ? "" : `: set ${processingMode(needs(plan), direction).join(", ")} for it`;
  return `route ${route} needs the ${direction}'s body and Envoy does not send it so that it can be treated${modes}, as "binge envoy" prints`;
}

function portsOf(standing: Standing, lease: SystemLease, spools: SpoolLease, hmacs: Hmacs): Ports {
  const portOf = (target: TeeTarget) => lease.find(target.type, target.name)?.port;
  return {
    regexps: re2Regexps(),
    schemas: ajvSchemas(re2Regexps()),
    clock: systemClock(),
    ids: uuidIds(),
    hmacs,
    tees: teesOf(standing, lease, spools),
    counters: standing.metrics.counters,
    commands: standing.commands,
    delays: nodeDelays(nodeTimers()),
    random: mathRandom(),
    checkpoints: checkpointsIn(portOf),
    instruments: measuringInstruments(standing.metrics),
    states: statesOf((name) => lease.find("ExternalKVStore", name)?.port),
  };
}

/** Where queued copies go that are kept on disk. */
function spoolRoutes(plan: Plan, lease: SystemLease, { tees = "queued" }: RuntimeOptions): SpoolRoute[] {
  if (tees !== "queued") return [];
  const routes: SpoolRoute[] = [];
  for (const step of plan.steps) {
    if (step.process !== "tee" || sendingOf(step).spool === "") continue;
    const target = targetOf(step);
    routes.push({ queue: queueOf(lease, target), target, sending: sendingOf(step) });
  }
  return routes;
}

function queueOf(lease: SystemLease, { type, name }: TeeTarget): TeeQueue {
  const system = lease.find(type, name);
  if (system === undefined) throw new Error(`a tee's system "${name}" is not open`); // our own bug: all are
  return system.queue;
}

function teesOf({ options, metrics }: Standing, lease: SystemLease, spools: SpoolLease): Tees {
  const { counters } = metrics;
  if (typeof options.tees === "function") return shownTees(options.tees);
  const deliver = deliverTo((target) => lease.find(target.type, target.name)?.port);
  const direct = directTees(deliver, Date.now, counters);
  if (options.tees === "direct") return direct;
  const offer: Tees["offer"] = (target, sending, id, payload) => {
    if (sending.spool !== "") spools.offer(sending.spool, id, payload);
    else queueOf(lease, target).offer(target, sending, id, payload);
  };
  return queuedTees({ offer }, direct);
}

// The reason stands last: it holds no bar, as nothing behind the route does.
function wouldHaveLabel(route: string, direction: Direction, would: Verdict): string {
  return `${route}|${direction}|${would.kind}|${would.kind === "faulted" ? would.reason : ""}`;
}

// What clients send would start programs: that is said where the server is started, not in the file alone.
function refuseSpawning(plan: Plan): void {
  const names = spawningSteps(plan);
  if (names.length === 0) return;
  const list = names.map((name) => `"${name}"`).join(", ");
  throw new StartError(true, `${list} would run commands for what clients send: allow it with --allow-spawn`);
}

// Counts and joins of a test need their stores; nothing of it leaves the process.
function inMemory(systems: readonly SystemConfig[]): SystemConfig[] {
  const stores = systems.filter((system) => system.type === "ExternalKVStore");
  return stores.map((system) => ({ ...system, connectionString: "mem:test", options: {} }));
}

function shownTees(show: (target: TeeTarget, payload: string) => void): Tees {
  const nothing = { error: "", retryable: false, response: "" };
  return {
    waits: false,
    offer: (target, _sending, _id, payload) => show(target, payload),
    deliver: (target, _sending, _id, payload) => {
      show(target, payload);
      return Promise.resolve(nothing);
    },
  };
}
