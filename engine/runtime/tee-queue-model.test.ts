/**
 * The queue against a model, on a simulated clock: targets that answer late, fail, refuse, stall and recover, while others
 * take memory. After every step each event is accounted for. The model knows what was offered and what the targets
 * answered, nothing of the queue's workings.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SystemError, TeeSending } from "../core/ports.ts";
import type { Outgoing, Sent } from "../systems/send.ts";
import type { TeeQueueOptions } from "./tee-lane.ts";
import { chargeOf, DOWN, newRig, ONE_BY_ONE, type Rig, SENT, targetOf, WRONG } from "./testing/tee-rig.ts";

const NAMES = ["a", "b", "c"] as const;
type Name = (typeof NAMES)[number];
const MEMORY = 40_000;
const LIMITS = { eventsMax: 12, targetEvents: 6, targetBytes: 4000, concurrency: 2, retriesMax: 2 };
const CIRCUIT = { failuresMax: 3, waitMs: 500, waitMaxMs: 2000 };
const TEES: readonly TeeSending[] = [
  ONE_BY_ONE,
  { tee: "u", keyPrefix: "x/{hour}/", spool: "", batch: { events: 3, bytes: 1500, ms: 700, codec: "json" } },
  { tee: "v", keyPrefix: "", spool: "", batch: { events: 5, bytes: 400, ms: 200, codec: "ndjson" } },
];
const REASONS = ["full", "tooLarge", "retries", "shutdown"] as const;
type Reason = (typeof REASONS)[number];
const TOO_LARGE: SystemError = { code: "tooLarge", message: "SECRET", retryable: false };
const BAD: SystemError = { code: "http422", message: "SECRET", retryable: false, divisible: true };

/** How a target behaves; `stalled` answers nothing until it changes, `picky` refuses whatever a bad event is in. */
const MOODS = { well: SENT, down: DOWN, refusing: WRONG, tooLarge: TOO_LARGE, picky: BAD, stalled: undefined } as const;

function isBad(id: string): boolean {
  return Number(id) % 3 === 0;
}
type Mood = keyof typeof MOODS;

type Target = { mood: Mood; latencyMs: number; held: (() => void)[]; underWay: number };
type Held = { name: Name; charge: number; failures: number };
type World = {
  rig: Rig;
  targets: { [name in Name]: Target };
  /** events the queue must hold, by id */
  held: Map<string, Held>;
  offered: { [name in Name]: number };
  lost: { [name in Name]: { [reason in Reason]: number } };
  acknowledged: Set<string>;
  /** bytes that others hold */
  others: number;
  closed: boolean;
  /** what a target saw that it should not: thrown in there it would pass for an error of the target */
  violations: string[];
};

function newWorld(): World {
  const perName = <T>(make: () => T) =>
    Object.fromEntries(NAMES.map((name) => [name, make()])) as { [name in Name]: T };
  const world: World = {
    rig: newRig(
      {
        ...LIMITS,
        circuit: CIRCUIT,
        deliver: (target, outgoing) => receive(world, target.name as Name, outgoing),
      } satisfies Partial<TeeQueueOptions>,
      MEMORY,
    ),
    targets: perName(() => ({ mood: "well" as Mood, latencyMs: 0, held: [], underWay: 0 })),
    held: new Map(),
    offered: perName(() => 0),
    lost: perName(() => ({ full: 0, tooLarge: 0, retries: 0, shutdown: 0 })),
    acknowledged: new Set(),
    others: 0,
    closed: false,
    violations: [],
  };
  return world;
}

function idsIn({ codec, body }: Outgoing): string[] {
  const text = Buffer.from(body).toString();
  const texts = codec === "ndjson" ? text.trimEnd().split("\n") : [text];
  const events =
    codec === "json" ? (JSON.parse(text) as { id: string }[]) : texts.map((line) => JSON.parse(line) as { id: string });
  return events.map((event) => event.id);
}

/** What a target does with a call. */
function receive(world: World, name: Name, outgoing: Outgoing): Promise<Sent | SystemError> {
  const target = world.targets[name];
  const ids = idsIn(outgoing);
  if (outgoing.codec === null && ids[0] !== outgoing.id) world.violations.push(`${ids[0]} came as ${outgoing.id}`);
  for (const id of ids) {
    if (world.acknowledged.has(id)) world.violations.push(`${id} came again after it was acknowledged`);
    if (world.held.get(id)?.name !== name) world.violations.push(`${id} came to ${name}, or after it was lost`);
  }
  target.underWay++;
  if (target.underWay > LIMITS.concurrency) world.violations.push(`${target.underWay} under way to ${name}`);
  return new Promise((resolve) => {
    const answer = (): void => {
      const mood = MOODS[target.mood];
      const said = mood === BAD && !ids.some(isBad) ? SENT : mood;
      if (said === undefined) {
        target.held.push(answer);
        return;
      }
      target.underWay--;
      if (!world.closed) note(world, name, ids, said);
      resolve(said);
    };
    world.rig.timers.after(target.latencyMs, answer);
  });
}

/** What must become of events for which their target said this. */
function note(world: World, name: Name, ids: readonly string[], said: Sent | SystemError): void {
  for (const id of ids) {
    const held = world.held.get(id) as Held;
    if (said === BAD && ids.length > 1) continue; // its part of the batch comes again
    if ("reply" in said) world.acknowledged.add(id);
    else if (said.retryable && ++held.failures <= LIMITS.retriesMax) continue;
    else world.lost[name][said === TOO_LARGE ? "tooLarge" : "retries"]++;
    world.held.delete(id);
  }
}

function offer(world: World, name: Name, tee: number, id: string, bytes: number): void {
  const payload = JSON.stringify({ id, text: "SECRET" }).padEnd(bytes);
  const charge = chargeOf(payload.length);
  const all = [...world.held.values()];
  const own = all.filter((held) => held.name === name);
  const sum = (some: readonly Held[]) => some.reduce((total, held) => total + held.charge, charge);
  world.offered[name]++;
  const memory = sum(all) <= MEMORY / 4 && sum(all) + world.others <= MEMORY;
  const room = all.length < LIMITS.eventsMax && own.length < LIMITS.targetEvents && sum(own) <= LIMITS.targetBytes;
  if (world.closed) world.lost[name].shutdown++;
  else if (charge > LIMITS.targetBytes) world.lost[name].tooLarge++;
  else if (!room || !memory) world.lost[name].full++;
  else world.held.set(id, { name, charge, failures: 0 });
  world.rig.queue.offer(targetOf(name), TEES[tee] as TeeSending, id, payload);
}

function setMood(world: World, name: Name, mood: Mood, latencyMs: number): void {
  const target = world.targets[name];
  target.mood = mood;
  target.latencyMs = latencyMs;
  for (const answer of target.held.splice(0)) answer();
}

function useMemory(world: World, bytes: number): void {
  world.rig.memory.give("bodies", world.others);
  world.others = world.rig.memory.tryTake("bodies", bytes) ? bytes : 0;
}

function checkAccounts(world: World): void {
  const { rig, held } = world;
  expect(world.violations).toEqual([]);
  const gauges = rig.queue.gauges();
  const all = [...held.values()];
  const charges = all.reduce((total, item) => total + item.charge, 0);
  expect({ events: gauges.events, bytes: gauges.bytes }).toEqual({ events: held.size, bytes: charges });
  expect(rig.memory.gauges().uses.find((row) => row.use === "tees")?.bytes).toBe(charges);
  expect(charges).toBeLessThanOrEqual(rig.memory.bytesMax("tees"));
  for (const name of NAMES) {
    const lost = Object.fromEntries(REASONS.map((reason) => [reason, rig.count("teeDropped", `${name}|${reason}`)]));
    expect(lost).toEqual(world.lost[name]);
    const dropped = REASONS.reduce((sum, reason) => sum + rig.count("teeDropped", `${name}|${reason}`), 0);
    const queued = gauges.targets.find((lane) => lane.target === name)?.events ?? 0;
    expect(queued).toBe(all.filter((item) => item.name === name).length);
    expect(rig.count("teeOffered", name)).toBe(world.offered[name]);
    expect(rig.count("teeSent", name) + dropped + queued).toBe(world.offered[name]);
  }
}

/** Each loss is told once, no more than once a second for each target, and no line holds what a target or a client said. */
function checkLog(world: World, drainedAtMs: number): void {
  let told = 0;
  const lastMs = new Map<string, number>();
  for (const { atMs, line } of world.rig.lines) {
    const [, name = "", lost] = /^tee to "(.)": (\d+) lost/.exec(line) ?? [];
    if (lost === undefined) continue; // down, back
    told += Number(lost);
    if (atMs !== drainedAtMs) expect(atMs - (lastMs.get(name) ?? 0)).toBeGreaterThanOrEqual(1000);
    lastMs.set(name, atMs);
  }
  expect(told).toBe(
    NAMES.reduce((sum, name) => sum + REASONS.reduce((all, reason) => all + world.lost[name][reason], 0), 0),
  );
}

async function drain(world: World, drainMs: number): Promise<number> {
  let drainedAtMs = -1;
  const drained = world.rig.queue.drain(drainMs).then(() => {
    drainedAtMs = world.rig.timers.nowMs;
    world.closed = true;
  });
  const before = world.rig.timers.nowMs;
  for (let passed = 0; drainedAtMs === -1 && passed <= drainMs + 100; passed += 50) await world.rig.timers.advance(50);
  await drained;
  expect(drainedAtMs - before).toBeLessThanOrEqual(drainMs);
  return drainedAtMs;
}

type Action =
  | { kind: "offer"; name: Name; tee: number; bytes: number }
  | { kind: "mood"; name: Name; mood: Mood; latencyMs: number }
  | { kind: "memory"; bytes: number }
  | { kind: "advance"; ms: number };

const names = fc.constantFrom(...NAMES);
const actions: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("offer" as const),
      name: names,
      tee: fc.nat(TEES.length - 1),
      bytes: fc.oneof(fc.nat(900), fc.nat(4000)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("mood" as const),
      name: names,
      mood: fc.constantFrom(...(Object.keys(MOODS) as Mood[])),
      latencyMs: fc.nat(400),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("memory" as const), bytes: fc.integer({ min: 0, max: MEMORY }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(1500) }) },
);

async function act(world: World, action: Action, id: string): Promise<void> {
  if (action.kind === "offer") offer(world, action.name, action.tee, id, action.bytes);
  else if (action.kind === "mood") setMood(world, action.name, action.mood, action.latencyMs);
  else if (action.kind === "memory") useMemory(world, action.bytes);
  else await world.rig.timers.advance(action.ms);
  await world.rig.timers.settle();
}

test("whatever targets do, offered = sent + dropped + queued at every step, within memory, and nothing sent twice", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(actions, { maxLength: 80 }),
      fc.integer({ min: 0, max: 3000 }),
      async (script, drainMs) => {
        const world = newWorld();
        for (const [i, action] of script.entries()) {
          await act(world, action, String(i));
          checkAccounts(world);
        }
        const drainedAtMs = await drain(world, drainMs);
        world.closed = true;
        for (const { name } of world.held.values()) world.lost[name].shutdown++;
        world.held.clear();
        checkAccounts(world);
        offer(world, "a", 1, "late", 10);
        // Answers that were still to come, and retries, change nothing.
        for (const name of NAMES) setMood(world, name, "well", 0);
        await world.rig.timers.advance(10_000);
        checkAccounts(world);
        checkLog(world, drainedAtMs);
        expect(world.rig.memory.gauges().uses.find((row) => row.use === "tees")?.bytes).toBe(0);
        expect(world.rig.timers.timerCount()).toBe(0);
      },
    ),
    { numRuns: 1000 },
  );
}, 120_000);

test("once every target is well again, everything that was kept arrives", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(actions, { maxLength: 60 }), async (script) => {
      const world = newWorld();
      for (const [i, action] of script.entries()) await act(world, action, String(i));
      for (const name of NAMES) setMood(world, name, "well", 10);
      await world.rig.timers.advance(20_000);
      expect(world.held.size).toBe(0);
      checkAccounts(world);
    }),
    { numRuns: 300 },
  );
}, 120_000);
