/**
 * Whatever is done to a log and whenever its disk fails or the power: what it said yes to is there until it is acked, nothing
 * is there that was not appended, and the order is that of appending.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { nodeTimers, type Timers } from "../ports.ts";
import { readDeadLetters } from "./dead-letters.ts";
import { type DurableLog, type Entry, openLog } from "./log.ts";
import { isLogFailure } from "./log-failure.ts";
import { newSimulatedDisk, type SimulatedDisk } from "./testing/simulated-disk.ts";

const DIR = "/log";

type Command =
  | { do: "append"; sizes: number[] }
  | { do: "take"; count: number; then: "ack" | "release" | "deadLetter" | "keep" }
  | { do: "fail"; writes: number; syncs: number; short: boolean }
  | { do: "fill"; roomBytes: number }
  | { do: "close" }
  | { do: "crash"; how: "powerFails" | "processDies"; operations: number };

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      sizes: fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 8 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("take" as const),
      count: fc.integer({ min: 1, max: 8 }),
      // biome-ignore lint/suspicious/noThenProperty: plain data, nobody awaits it
      then: fc.constantFrom("ack", "ack", "ack", "ack", "release", "deadLetter", "keep"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("fail" as const),
      writes: fc.integer({ min: 0, max: 2 }),
      syncs: fc.integer({ min: 0, max: 2 }),
      short: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("fill" as const), roomBytes: fc.integer({ min: 0, max: 5000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("crash" as const),
      how: fc.constantFrom("powerFails", "processDies"),
      operations: fc.integer({ min: 0, max: 12 }),
    }),
  },
) as fc.Arbitrary<Command>;

/** What the outside knows. */
type World = {
  disk: SimulatedDisk;
  log: DurableLog;
  /** everything that was ever given to append, in order: id to payload */
  given: Map<string, string>;
  /** it said yes */
  acknowledged: Set<string>;
  /** it said no, and no crash came since */
  refused: Set<string>;
  /** acked or dead-lettered, ever: after a crash it may be back, or not */
  done: Set<string>;
  /** the same, since it was opened */
  doneNow: Set<string>;
  /** the dead-letter file said yes */
  dead: Set<string>;
  taken: Entry[];
  nowMs: number;
  random: () => number;
  /** no fault was injected since it was opened */
  clean: boolean;
};

const real = nodeTimers();
/** What waits a few milliseconds for more of its kind goes on in a few turns, so that a short history has it. */
const timers: Timers = {
  ...real,
  after(ms, callback) {
    if (ms > 10) return real.after(ms, callback);
    const turn = setImmediate(callback);
    return () => clearImmediate(turn);
  },
};

async function open(world: Omit<World, "log">): Promise<DurableLog> {
  const log = await openLog({
    dir: DIR,
    disk: world.disk,
    segmentBytes: 1500,
    nowMs: () => world.nowMs,
    timers,
    onProblem: () => undefined,
  });
  if (isLogFailure(log)) throw new Error(`the log does not open: ${log.message}`);
  return log;
}

async function newWorld(seed: number): Promise<World> {
  let state = (seed % 2_147_483_646) + 1;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return (state - 1) / 2_147_483_646;
  };
  const world = {
    disk: newSimulatedDisk(random),
    given: new Map<string, string>(),
    acknowledged: new Set<string>(),
    refused: new Set<string>(),
    done: new Set<string>(),
    doneNow: new Set<string>(),
    dead: new Set<string>(),
    taken: [],
    nowMs: 1_700_000_000_000,
    random,
    clean: true,
  };
  return { ...world, log: await open(world) };
}

async function append(world: World, sizes: readonly number[]): Promise<void> {
  const answers = sizes.map(async (size) => {
    const id = `id-${world.given.size}`;
    const payload = JSON.stringify({ id, filling: "x".repeat(size) });
    world.given.set(id, payload);
    const answer = await world.log.append(Buffer.from(payload), id);
    if (!isLogFailure(answer)) world.acknowledged.add(id);
    else world.refused.add(id);
  });
  await settled(Promise.all(answers));
}

/** Where the disk has stopped nothing is answered any more: then this is over when nothing else happens. */
async function settled(work: Promise<unknown>): Promise<void> {
  let over = false;
  void work.then(() => {
    over = true;
  });
  for (let turn = 0; turn < 60 && !over; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function take(world: World, count: number, what: "ack" | "release" | "deadLetter" | "keep"): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (world.log.state().depth === world.log.state().inFlight) return;
    world.nowMs += 10_000; // whatever was released is due
    let entry: Entry | undefined;
    await settled(
      world.log.take().then((taken) => {
        entry = taken;
      }),
    );
    if (entry === undefined) return;
    check(world, entry);
    expect(world.refused.has(entry.id), "what was refused is not taken").toBe(false);
    if (what === "keep") world.taken.push(entry);
    else if (what === "release") world.log.release(entry, world.nowMs + 5000, entry.attempts + 1);
    else if (what === "ack") {
      world.log.ack(entry);
      world.done.add(entry.id);
      world.doneNow.add(entry.id);
    } else await giveUp(world, entry);
  }
}

async function giveUp(world: World, entry: Entry): Promise<void> {
  await settled(
    world.log.deadLetter(entry, "no good").then((failure) => {
      if (failure !== undefined) return;
      world.done.add(entry.id);
      world.doneNow.add(entry.id);
      world.dead.add(entry.id);
    }),
  );
}

function check(world: World, entry: Pick<Entry, "id" | "payload">): void {
  expect(Buffer.from(entry.payload).toString(), "nothing is invented").toBe(world.given.get(entry.id));
}

/** Opens what the crash has left, and holds it against what was said before. */
async function reopen(world: World, disk: SimulatedDisk, doneIsGone: boolean): Promise<void> {
  world.disk = disk;
  world.taken = [];
  world.refused.clear();
  world.clean = true;
  world.log = await open(world);
  const views = await world.log.entries(0, 100_000);
  for (const view of views) check(world, view);
  const ids = views.map((view) => view.id);
  const present = new Set(ids);
  expect(present.size, "nothing is there twice").toBe(ids.length);
  const lost = [...world.acknowledged].filter((id) => !world.done.has(id) && !present.has(id));
  expect(lost, "nothing acknowledged is lost").toEqual([]);
  const places = [...world.given.keys()];
  const order = ids.map((id) => places.indexOf(id));
  expect(order, "the order is kept").toEqual(order.toSorted((a, b) => a - b));
  if (doneIsGone)
    expect(
      ids.filter((id) => world.doneNow.has(id)),
      "what is done is gone",
    ).toEqual([]);
  world.doneNow.clear();
  const dead = new Set<string>();
  for await (const letter of readDeadLetters(disk, DIR)) if (letter !== undefined) dead.add(letter.id);
  expect(
    [...world.dead].filter((id) => !dead.has(id)),
    "dead letters stay",
  ).toEqual([]);
}

async function run(world: World, what: Command): Promise<void> {
  const { faults } = world.disk;
  switch (what.do) {
    case "append":
      return append(world, what.sizes);
    case "take":
      return take(world, what.count, what.then);
    case "fail":
      world.clean = false;
      faults.failingWrites = what.writes;
      faults.failingSyncs = what.syncs;
      faults.shortWrites = what.short;
      return undefined;
    case "fill": {
      world.clean = false;
      const used = world.disk.files().reduce((sum, path) => sum + world.disk.bytesOf(path).length, 0);
      faults.capacityBytes = used + what.roomBytes;
      return undefined;
    }
    case "close": {
      await world.log.close();
      const { clean } = world;
      return reopen(world, world.disk.powerFails(), clean);
    }
    case "crash": {
      faults.operationsLeft = what.operations;
      await append(world, [100, 700, 300]);
      await take(world, 2, "ack");
      await append(world, [500]);
      return reopen(world, world.disk[what.how](), false);
    }
  }
}

it("keeps what it said yes to through every crash, invents nothing, and keeps the order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 1e9 }),
      fc.array(command, { maxLength: 30, size: "max" }),
      async (seed, commands) => {
        const world = await newWorld(seed);
        for (const what of commands) await run(world, what);
        await reopen(world, world.disk.powerFails(), false);
      },
    ),
    { numRuns: Number(process.env.AGGLO_LOG_RUNS ?? 300) },
  );
}, 120_000);
