/**
 * Files of our own in the original's grammar, one for each of those in its repository, with the results that it gives
 * (agglo-behaviour 9). What stands under `internal:` is part of a final event there, and compared whatever its order.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Outcome } from "../../engine/core/outcome.ts";
import { exposition } from "../../engine/runtime/exposition.ts";
import { echo, filesIn, finalEvent, finalOf, folders, type Json, readOriginal, runEvent, start } from "./harness.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function hidden(number: number, pipeline: string): Json {
  const partition = `6f1c2a50-0000-4000-8000-${String(number).padStart(12, "0")}`;
  return { "internal:partitionID": partition, "internal:name": pipeline };
}

function teed(outputType: string, connectionString: string, response?: Json): Json {
  const entry = { uuid: expect.stringMatching(UUID), outputType, connectionString };
  return response === undefined ? entry : { ...entry, response };
}

describe("C1: files, a dotted condition, a sum, a pattern", () => {
  async function basics() {
    const root = folders("before", "after");
    const runtime = await start(readOriginal("c01", { "/tmp/agglo-c01": root }));
    const both = [teed("localfile", `${root}/before`), teed("localfile", `${root}/after`)];
    return { root, runtime, both };
  }
  const names = hidden(1, "Basics");

  test("an event that the annotator and the sum take, and what both folders have of it", async () => {
    const { root, runtime, both } = await basics();
    const event = { sender: { kind: "partner" }, amount: 367.5, note: "abc" };
    const final = await finalEvent(runtime, event);
    const sum = { "internal:aggregation:Basics": { "amount:AggSum": { value: 367.5 } } };
    expect(final).toEqual({ ...event, ...names, ...sum, verdict: "known", "internal:tee:output": both });
    const [before, after] = final["internal:tee:output"] as Json[];
    expect(filesIn(root, "before")).toEqual({ [`${before?.uuid}.json`]: { ...event, ...names } });
    const last = { ...final, "internal:tee:output": [before] };
    expect(filesIn(root, "after")).toEqual({ [`${after?.uuid}.json`]: last });
  });

  test("an event that only the transformer takes: the state is forwarded empty", async () => {
    const { runtime, both } = await basics();
    const event = { topic: "buzz/fizz", ref: 12 };
    const made = { topicTail: "fizz", "internal:aggregation:Basics": {}, "internal:tee:output": both };
    expect(await finalEvent(runtime, event)).toEqual({ ...event, ...names, ...made });
  });

  test("an empty event", async () => {
    const { runtime, both } = await basics();
    const made = { "internal:aggregation:Basics": {}, "internal:tee:output": both };
    expect(await finalEvent(runtime, {})).toEqual({ ...names, ...made });
  });

  test.each([
    [{ amount: "12" }, "amountSum"],
    [{ topic: 5 }, "cutTopic"],
  ])("%j fails in %s", async (event, process) => {
    const { root, runtime } = await basics();
    const results = await runEvent(runtime, event);
    expect(results).toMatchObject([{ outcome: Outcome.fault, process, faultReason: "error" }]);
    expect([Object.keys(filesIn(root, "before")).length, Object.keys(filesIn(root, "after")).length]).toEqual([1, 0]);
  });

  test("null is copied, where the original crashes (B21)", async () => {
    const { runtime } = await basics();
    expect(await finalEvent(runtime, { topic: null })).toMatchObject({ topic: null, topicTail: null });
  });

  test("events one after the other, as a daemon has them: 1, then 5, are 1, then 6; a failed one between counts nothing", async () => {
    const { runtime } = await basics();
    const sum = async (amount: number) =>
      (await finalEvent(runtime, { amount }))["internal:aggregation:Basics"] as Json;
    expect(await sum(1)).toEqual({ "amount:AggSum": { value: 1 } });
    expect(await runEvent(runtime, { amount: "x" })).toMatchObject([{ outcome: Outcome.fault }]); // B13
    expect(await sum(5)).toEqual({ "amount:AggSum": { value: 6 } });
  });
});

describe("C2: traffic that goes two ways", () => {
  async function split() {
    const main = await echo("/events");
    const trial = await echo("/events");
    const runtime = await start(
      readOriginal("c02", {
        "http://127.0.0.1:19021/events": main.url,
        "http://127.0.0.1:19022/events": trial.url,
      }),
    );
    return { main, trial, runtime };
  }
  const names = hidden(2, "Split");

  test("an event on trial goes to both; the first reply is part of what the second gets", async () => {
    const { main, trial, runtime } = await split();
    const event = { trial: "true", price: 1.5 };
    const final = await finalEvent(runtime, event);
    const copy = { ...event, ...names, trialPrice: 1.5, onTrial: true };
    expect(trial.received).toEqual([{ contentType: "application/json", body: copy }]);
    const first = teed("web", trial.url, copy);
    const body = { ...event, ...names, "internal:tee:output": [first] };
    expect(main.received).toEqual([{ contentType: "application/json", body }]);
    const second = teed("web", main.url, body);
    expect(final).toEqual({ ...event, ...names, "internal:tee:output": [first, second] });
  });

  test.each([[{ trial: "false", price: 1.5 }], [{ trial: true, price: 1.5 }], [{ price: 1.5 }]])(
    "%j goes to the main service only",
    async (event) => {
      const { main, trial, runtime } = await split();
      const final = await finalEvent(runtime, event);
      expect(trial.received).toEqual([]);
      expect(main.received.map(({ body }) => body)).toEqual([{ ...event, ...names }]);
      expect(final["internal:tee:output"]).toEqual([teed("web", main.url, { ...event, ...names })]);
    },
  );
});

describe("C6: a histogram, a join, a store, a filter, a command", () => {
  test("three events", async () => {
    const runtime = await start(readOriginal("c06"));
    const shelf = runtime.memory.keyValueStore("shelf");
    const shelved = async (final: Json): Promise<string> => {
      const [{ uuid }] = final["internal:tee:output"] as [Json];
      return Buffer.from((await shelf.get(uuid)) as Uint8Array).toString("utf8"); // mem: has it
    };
    const names = hidden(6, "Pairs");
    const store = { "internal:tee:output": [teed("kvstore", "inMemStore")] };
    const colours = (buckets: Json): Json => ({
      "internal:aggregation:Pairs": { "colour:AggDiscreteHistogram": { buckets } },
    });

    const left = { left: { id: "k1" }, colour: "red", weights: [1, 2, 3] };
    const first = await finalEvent(runtime, { ...left, privateNote: "x", box: { privateKey: 1, size: 2 } });
    const triggered = { "internal:completion:pair": "triggered" };
    const seen = { ...left, ...names, ...colours({ red: 1 }), ...triggered, ...store, side: "left", box: { size: 2 } };
    expect(first).toEqual({ ...seen, "internal:spawn:output": [{ look: { keys: Object.keys(seen).sort() } }] });
    // What the transformer did not make is not in the copy, the reserved keys neither.
    expect(JSON.parse(await shelved(first))).toEqual({ label: { side: "left", weight: 6, pieces: 3 } });

    const second = await finalEvent(runtime, { right: { id: "k1" }, colour: "red" });
    const resolved = { "left.id": true, "right.id": true };
    expect(second).toEqual({
      right: { id: "k1" },
      colour: "red",
      side: "right",
      ...names,
      ...colours({ red: 2 }),
      ...store,
      "internal:completion:pair": "complete",
      "internal:completion:state:pair": { value: "k1", resolved, deadline: expect.any(Number) },
    });
    expect(JSON.parse(await shelved(second))).toEqual({ label: { side: "right" } });

    const third = await finalEvent(runtime, { colour: "blue" });
    expect(third).toEqual({ colour: "blue", ...names, ...colours({ red: 2, blue: 1 }), ...store });
    expect(await shelved(third)).toBe("{}\n");
  });

  test("an event with both sides has no side, and counts for the first join key", async () => {
    const runtime = await start(readOriginal("c06"));
    const final = await finalEvent(runtime, { left: { id: 1 }, right: { id: 1 } });
    expect(final.side).toBeUndefined();
    expect(final["internal:completion:pair"]).toBe("triggered");
  });
});

describe("C7: checkpoints, groups, a join of three", () => {
  const names = hidden(7, "Delivery");
  const build = { build: { id: 7, digest: "d1", seconds: 61 }, team: "core" };

  async function delivery() {
    const root = folders("records", "done");
    return { root, runtime: await start(readOriginal("c07", { "/tmp/agglo-c07": root })) };
  }

  test("the third event is complete and goes to the folder, as a whole", async () => {
    const { root, runtime } = await delivery();
    const commit = await finalEvent(runtime, { commit: { digest: "d1" } }, "m1");
    const triggered = { "internal:completion:shipped": "triggered" };
    expect(commit).toEqual({
      commit: { digest: "d1" },
      ...names,
      ...triggered,
      "internal:messageID": "m1",
      "internal:aggregation:Delivery": {},
    });

    const built = await finalEvent(runtime, build, "m2");
    const state = { "build.id:AggCount": { core: { nil: { value: 1 } } }, "build.seconds:AggMax": { value: 61 } };
    expect(built).toMatchObject({ ...build, ...triggered, "internal:aggregation:Delivery": state });
    expect(filesIn(root, "done")).toEqual({});

    const final = await finalEvent(runtime, { deploy: { digest: "d1" } }, "m3");
    const { "internal:tee:output": output, ...event } = final;
    expect(output).toEqual([teed("localfile", `${root}/done`)]);
    const resolved = { "commit.digest": true, "build.digest": true, "deploy.digest": true };
    expect(event).toEqual({
      deploy: { digest: "d1" },
      ...names,
      "internal:messageID": "m3",
      "internal:aggregation:Delivery": state,
      "internal:completion:shipped": "complete",
      "internal:completion:state:shipped": { value: "d1", resolved, deadline: -1 },
    });
    expect(Object.values(filesIn(root, "done"))).toEqual([{ ...event, archived: true }]);
    expect(filesIn(root, "records")).toEqual({});

    const counted = Object.fromEntries(
      runtime.counters.snapshot().map(({ name, label, value }) => [`${name} ${label}`, value]),
    );
    expect(counted).toMatchObject({
      "pipelineRuns Delivery|success": 3, // B27: counted
      "processRuns Delivery.buildsByTeam|success": 3,
    });
    const metrics = exposition(runtime.metrics.families());
    expect(metrics).toContain('agglo_pipeline_duration_seconds_count{pipeline="Delivery"} 3\n');
    expect(metrics).toContain('agglo_process_duration_seconds_count{process="Delivery.archive"} 3\n');
  });

  test("aggregators of one pipeline stay right under 60 events at once (B14)", async () => {
    const { runtime } = await delivery();
    const events = Array.from({ length: 60 }, (_, i) => ({
      build: { id: i, seconds: i },
      team: i % 2 === 0 ? "a" : "b",
    }));
    await Promise.all(events.map((event, i) => runEvent(runtime, event, `m${i}`)));
    const last = await finalEvent(runtime, {});
    expect(last["internal:aggregation:Delivery"]).toEqual({
      "build.id:AggCount": { a: { nil: { value: 30 } }, b: { nil: { value: 30 } } },
      "build.seconds:AggMax": { value: 59 },
    });
  });

  test("groups are the values of both keys, one in the other", async () => {
    const { runtime } = await delivery();
    await finalEvent(runtime, build);
    await finalEvent(runtime, { ...build, branch: "main" });
    const final = await finalEvent(runtime, { ...build, branch: "main", build: { ...build.build, seconds: 3 } });
    expect(final["internal:aggregation:Delivery"]).toEqual({
      "build.id:AggCount": { core: { nil: { value: 1 }, main: { value: 2 } } },
      "build.seconds:AggMax": { value: 61 },
    });
  });

  test("an event whose last process failed is given again: it goes on there, and counts once (B24)", async () => {
    const { root, runtime } = await delivery();
    for (const event of [{ commit: { digest: "d1" } }, { deploy: { digest: "d1" } }]) await finalEvent(runtime, event);
    rmSync(join(root, "done"), { recursive: true });
    expect(await runEvent(runtime, build, "m9")).toMatchObject([{ outcome: Outcome.fault, process: "archive" }]);
    const record = filesIn(root, "records")["Delivery:m9.json"];
    expect(record).toMatchObject({ "internal:checkpoint:idx": 3, "internal:checkpoint:data": build });
    mkdirSync(join(root, "done"));
    const final = await finalEvent(runtime, build, "m9");
    expect(final["internal:aggregation:Delivery"]["build.id:AggCount"]).toEqual({ core: { nil: { value: 1 } } });
    expect(final["internal:completion:shipped"]).toBe("complete");
    expect(Object.keys(filesIn(root, "done"))).toHaveLength(1);
    expect(filesIn(root, "records")).toEqual({});
    // Twice without an id, once before the fault: the processes that were finished did not run again.
    const runs = runtime.counters.snapshot().filter(({ name }) => name === "processRuns");
    const count = (label: string) => runs.find((row) => row.label === label)?.value;
    expect(count("Delivery.shipped|success")).toBe(3);
    expect([count("Delivery.archive|failure"), count("Delivery.archive|success")]).toEqual([1, 3]);
    const next = await finalEvent(runtime, { build: { id: 8 }, team: "core" });
    expect(next["internal:aggregation:Delivery"]["build.id:AggCount"]).toEqual({ core: { nil: { value: 2 } } });
  });
});

test("C8, leniently and with less patience: a command that writes nothing answers null", async () => {
  const text = readOriginal("c08", { "/tmp/agglo-c08": folders(), "30000": "30" });
  const final = await finalEvent(await start(text, true), { id: 1 });
  expect(final).toEqual({ id: 1, ...hidden(8, "Slow"), "internal:spawn:output": [{ slow: null }] });
});

test("C9, leniently: only events for which the condition holds are counted and carry the state", async () => {
  const root = folders("posts");
  const runtime = await start(readOriginal("c09", { "/tmp/agglo-c09": `${root}/posts` }), true);
  const state = async (event: Json) => (await finalEvent(runtime, event))["internal:aggregation:Posts"] as Json;
  expect(await state({ lang: "de", followers: 2000 })).toEqual({ "lang:AggDiscreteHistogram": { buckets: { de: 1 } } });
  expect(await state({ lang: "de", followers: 999 })).toBeUndefined();
  expect(await state({ lang: "de" })).toBeUndefined();
  expect(await state({ lang: "fr", followers: 1000 })).toEqual({
    "lang:AggDiscreteHistogram": { buckets: { de: 1, fr: 1 } },
  });
  expect(Object.keys(filesIn(root, "posts"))).toHaveLength(4);
});

describe("C11: three pipelines, each for its own kind of event", () => {
  async function activity(event: object) {
    const root = folders("tickets", "commits", "builds");
    const board = await echo("/activity");
    const runtime = await start(
      readOriginal("c11", { "/tmp/agglo-c11": root, "http://127.0.0.1:19111/activity": board.url }),
    );
    const results = await runEvent(runtime, event);
    const files = ["tickets", "commits", "builds"].map((name) => Object.keys(filesIn(root, name)).length);
    return { root, board, results, files, outcomes: results.map(({ outcome }) => outcome) };
  }
  const { next, stop } = Outcome;

  test("a ticket", async () => {
    const event = { source: "tracker:eu", issue: { state: "Done", owner: { mail: "ann@example.com" } } };
    const { root, board, results, files, outcomes } = await activity(event);
    expect(outcomes).toEqual([next, stop, stop]);
    expect(files).toEqual([1, 0, 0]);
    const row = { ...event, ...hidden(11, "Tickets"), who: "ann@example.com", closed: "yes" };
    const stored = { ...row, "internal:spawn:output": [{ storeTicket: { table: "tickets", dbUser: row.who } }] };
    expect(board.received.map(({ body }) => body)).toEqual([stored]);
    const posted = teed("web", board.url, stored);
    const output = [posted, teed("localfile", `${root}/tickets`)];
    expect(finalOf(results[0] as (typeof results)[0])).toEqual({ ...stored, "internal:tee:output": output });
    expect(Object.values(filesIn(root, "tickets"))).toEqual([{ ...stored, "internal:tee:output": [posted] }]);
  });

  test("a push, of which the first commit and their number are kept", async () => {
    const event = { source: "forge", ref: "refs/heads/main", pusher: "bo", commits: [{ id: 1 }, { id: 2 }] };
    const { board, results, files, outcomes } = await activity(event);
    expect(outcomes).toEqual([stop, next, stop]);
    expect(files).toEqual([0, 1, 0]);
    expect(finalOf(results[1] as (typeof results)[0])).toMatchObject({
      ...event,
      ...hidden(11, "Commits"),
      newest: { id: 1 },
      howMany: 2,
      who: "bo",
      "internal:spawn:output": [{ storeCommit: { table: "commits", dbUser: "bo" } }],
    });
    expect(board.received).toHaveLength(1);
  });

  test("events at once: each has what its own command made of it (B18)", async () => {
    const root = folders("tickets", "commits", "builds");
    const board = await echo("/activity");
    const runtime = await start(
      readOriginal("c11", { "/tmp/agglo-c11": root, "http://127.0.0.1:19111/activity": board.url }),
    );
    const people = Array.from({ length: 12 }, (_, i) => `user-${i}`);
    const runs = await Promise.all(
      people.map((by) => runEvent(runtime, { source: "ci", build: { status: "ok", by } })),
    );
    const users = runs.map(
      ([, , build]) => finalOf(build as (typeof runs)[0][0])["internal:spawn:output"][0].storeBuild.dbUser,
    );
    expect(users).toEqual(people);
  });

  test("a build, and a ticket that is still open", async () => {
    const build = await activity({ source: "ci", build: { status: "ok", by: "ci" } });
    expect(build.outcomes).toEqual([stop, stop, next]);
    expect(build.files).toEqual([0, 0, 1]);
    const open = await activity({ source: "tracker", issue: { state: "Open", owner: { mail: "a@b" } } });
    expect(open.outcomes).toEqual([stop, stop, stop]); // "tracker" is not "tracker:"
  });

  test.each([
    [{ source: "forge", ref: "refs/tags/v1", commits: [] }],
    [{ source: "forge" }],
    [{ source: 5, ref: "x" }],
    [{}],
  ])("%j stops them all, and nothing leaves: a missing variable or a wrong type is no", async (event) => {
    const { board, files, outcomes } = await activity(event);
    expect(outcomes).toEqual([stop, stop, stop]);
    expect(files).toEqual([0, 0, 0]);
    expect(board.received).toEqual([]);
  });
});
