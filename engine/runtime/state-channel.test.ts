import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { loadConfig } from "../config/load.ts";
import type { JsonObject } from "../core/event/json.ts";
import { Outcome } from "../core/outcome.ts";
import type { States } from "../core/ports.ts";
import { type Fold, failedAnswer, newAnswer, type StateAnswer } from "../core/state/update.ts";
import { testRegexps } from "../core/testing.ts";
import { type MemoryState, newMemoryState, STATE_LIMITS } from "../systems/memory-state.ts";
import { remoteStates, serveStates } from "./state-channel.ts";
import type { Done, StateWorkerData, Task } from "./testing/state-worker.ts";

const sum = (name: string, key: string, aggregationType: string, groupByKeys: string[] = []) => ({
  aggregator: { name, stateStore: "state", aggregation: { key, aggregationType, groupByKeys }, forwardState: true },
});

const CONFIG = {
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  pipelines: [
    { name: "count", processes: ["sum", "count", "average", "high", "low", "words"].map((name) => ({ name })) },
    { name: "join", processes: [{ name: "pair" }, { name: "sum" }] },
  ],
  processDefinitions: [
    sum("sum", "n", "AggSum"),
    sum("count", "n", "AggCount", ["group"]),
    sum("average", "n", "AggAvg", ["group", "word"]),
    sum("high", "n", "AggMax"),
    sum("low", "n", "AggMin"),
    sum("words", "word", "AggDiscreteHistogram"),
    { completer: { name: "pair", stateStore: "state", completion: { joinKeys: ["left", "right", "third"] } } },
  ],
  externalSystems: [{ externalType: "ExternalKVStore", name: "state", connectionString: "mem:local" }],
};

function compile() {
  const loaded = loadConfig(JSON.stringify(CONFIG), {
    file: "test.json",
    regexps: testRegexps,
    systemForm: () => ({ outputType: "kvstore", connectionString: "inMemStore" }),
  });
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  return loaded.plan;
}

/** Repeats from run to run, whatever the threads do. */
function newRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

const EVENTS = 900;
const IN_FLIGHT = 64;
const WORKERS = 4;
const WORDS = ["a", "b", "__proto__", "x:y"];

/** Three events per value, in random order, each with a number, a group and a word. */
function makeTasks(random: (below: number) => number): Task[] {
  const tasks: Task[] = [];
  for (let i = 0; i < EVENTS; i++) {
    const joinKey = ["left", "right", "third"][i % 3] as string;
    const value = Math.floor(i / 3) % 2 === 0 ? Math.floor(i / 3) : `${Math.floor(i / 3) - 1}`;
    const word = WORDS[random(WORDS.length)];
    const event = { n: random(2001) - 1000, group: random(7), word, [joinKey]: value };
    tasks.push({ id: `m${i}`, text: JSON.stringify(event) });
  }
  for (let i = tasks.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [tasks[i], tasks[j]] = [tasks[j] as Task, tasks[i] as Task];
  }
  return tasks;
}

/** The counts of one event after the other, without any store. */
function oracle(tasks: readonly Task[]) {
  const count: Record<string, Map<string, number>> = {};
  const add = (name: string, place: string, n: number) => {
    count[name] ??= new Map();
    count[name].set(place, (count[name].get(place) ?? 0) + n);
  };
  const numbers = tasks.map(({ text }) => JSON.parse(text) as { n: number; group: number; word: string });
  for (const { n, group, word } of numbers) {
    add("count", `${group}`, 1);
    add("num", `${group} ${word}`, 1);
    add("sum", `${group} ${word}`, n);
    add("words", word, 1);
  }
  const all = numbers.map(({ n }) => n);
  return { count, sum: all.reduce((a, b) => a + b, 0), high: Math.max(...all), low: Math.min(...all) };
}

type Rig = { done: Done[]; finished: Promise<void>; close(): Promise<void> };

/**
 * Runs tasks in worker threads, 64 of them under way at any time; one in three is sent again, to another worker, at the
 * same time or later. The main thread answers updates in random order.
 */
function runInWorkers(tasks: readonly Task[], store: MemoryState, random: (below: number) => number): Rig {
  const plan = compile();
  const queue = tasks.flatMap((task, i) => (i % 3 === 0 ? [task, task] : [task]));
  for (let i = 0; i < 40; i++) queue.splice(random(queue.length - 200) + 200, 0, tasks[random(100)] as Task);
  const done: Done[] = [];
  const workers: Worker[] = [];
  const ports: MessagePort[] = [];
  const held: (() => void)[] = [];
  const states: States = {
    update: (_store, update) =>
      new Promise<StateAnswer>((resolve) => {
        held.push(() => resolve(store.update(update)));
        setImmediate(() => held.splice(random(held.length), 1)[0]?.());
      }),
  };
  const finished = new Promise<void>((resolve, reject) => {
    let next = 0;
    const sendNext = () => {
      if (next < queue.length) ports[random(WORKERS)]?.postMessage(queue[next++]);
    };
    for (let i = 0; i < WORKERS; i++) {
      const work = new MessageChannel();
      const state = new MessageChannel();
      serveStates(state.port1, states);
      work.port1.on("message", (finishedTask: Done) => {
        done.push(finishedTask);
        if (done.length === queue.length) resolve();
        sendNext();
      });
      ports.push(work.port1);
      const data: StateWorkerData = { plan, tasks: work.port2, state: state.port2 };
      const worker = new Worker(new URL("./testing/state-worker.ts", import.meta.url), {
        workerData: data,
        transferList: [work.port2, state.port2],
      });
      worker.on("error", reject);
      workers.push(worker);
    }
    for (let i = 0; i < IN_FLIGHT; i++) sendNext();
  });
  return { done, finished, close: async () => void (await Promise.all(workers.map((worker) => worker.terminate()))) };
}

describe("one store, four worker threads, 64 events under way, a third of them sent twice:", () => {
  let rig: Rig | undefined;
  afterEach(() => rig?.close());

  test.each([1, 2, 3])("counts, sums and completions are exact (seed %d)", async (seed) => {
    const random = newRandom(seed);
    const tasks = makeTasks(random);
    const store = newMemoryState(STATE_LIMITS, Date.now);
    rig = runInWorkers(tasks, store, random);
    await rig.finished;
    const { done } = rig;
    expect(done.filter(({ outcome }) => outcome !== Outcome.next)).toEqual([]);

    const expected = oracle(tasks);
    const key = "3f2504e0-4f89-11d3-9a0c-0305e82c3301:count:as";
    const read: Fold = { kind: "fold", id: "", key, path: [], numbers: [], reads: true };
    const values = JSON.parse(JSON.stringify(store.update(read).values)) as { [member: string]: JsonObject };
    expect(values["n:AggSum"]).toEqual({ value: expected.sum });
    expect(values["n:AggMax"]).toEqual({ value: expected.high });
    expect(values["n:AggMin"]).toEqual({ value: expected.low });
    expect(leaves(values["n:AggCount"])).toEqual(sorted(expected.count.count, " value"));
    const averages = [...sorted(expected.count.num, " num"), ...sorted(expected.count.sum, " sum")];
    expect(leaves(values["n:AggAvg"])).toEqual(averages.sort());
    expect(leaves(values["word:AggDiscreteHistogram"])).toEqual(sorted(expected.count.words, "", "buckets "));

    // 300 values, each complete by exactly one event, however often it was sent.
    const statuses = new Map<string, Set<unknown>>();
    for (const { id, side } of done) {
      statuses.set(id, (statuses.get(id) ?? new Set()).add(side["internal:completion:pair"]));
    }
    expect([...statuses.values()].filter((set) => set.size !== 1)).toEqual([]);
    const complete = [...statuses].filter(([, set]) => set.has("complete")).map(([id]) => Number(id.slice(1)));
    expect(complete).toHaveLength(EVENTS / 3);
    expect(new Set(complete.map((i) => Math.floor(i / 3))).size).toBe(EVENTS / 3);
    expect(store.size().pending).toBe(0);
  });
});

/** Every number with the way to it, sorted. */
function leaves(object: JsonObject | undefined, way = ""): string[] {
  return Object.entries(object ?? {})
    .flatMap(([name, value]) =>
      typeof value === "number" ? `${way}${name} = ${value}` : leaves(value as JsonObject, `${way}${name} `),
    )
    .sort();
}

function sorted(counts: Map<string, number> | undefined, after: string, before = ""): string[] {
  return [...(counts ?? [])].map(([place, n]) => `${before}${place}${after} = ${n}`).sort();
}

describe("a worker whose main thread", () => {
  const update: Fold = { kind: "fold", id: "1", key: "k", path: [], numbers: [], reads: false };

  test("answers at once or later gets each answer for its own question", async () => {
    const { port1, port2 } = new MessageChannel();
    serveStates(port1, {
      update: (store) => {
        const answer = { ...newAnswer(), error: store };
        return store === "slow" ? new Promise((resolve) => setImmediate(() => resolve(answer))) : answer;
      },
    });
    const states = remoteStates(port2);
    const answers = await Promise.all(["slow", "fast"].map((store) => states.update(store, update)));
    expect(answers.map((answer) => answer.error)).toEqual(["slow", "fast"]);
    port2.close();
  });

  test("is gone gets an error for what is under way and for what comes", async () => {
    const { port1, port2 } = new MessageChannel();
    const states = remoteStates(port2);
    const pending = states.update("state", update);
    port1.close();
    const gone = failedAnswer("the thread that keeps the state is gone", "error", false);
    expect(await pending).toEqual(gone);
    expect(states.update("state", update)).toEqual(gone);
  });

  test("answers is asked again and again", async () => {
    const { port1, port2 } = new MessageChannel();
    serveStates(port1, { update: () => newAnswer() });
    const states = remoteStates(port2);
    for (let round = 0; round < 6; round++) {
      const answers = await Promise.all(Array.from({ length: 2000 }, () => states.update("state", update)));
      expect(answers.filter(({ error }) => error !== "")).toEqual([]);
    }
    port2.close();
  });

  test("does not answer is not asked without end", async () => {
    const { port1, port2 } = new MessageChannel();
    const states = remoteStates(port2);
    for (let i = 0; i < 10_000; i++) void states.update("state", update);
    expect(states.update("state", update)).toMatchObject({ reason: "overload" });
    port1.close();
    port2.close();
  });
});
