import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { loadConfig } from "../config/load.ts";
import { type LinkedSection, treat } from "../core/routes/section.ts";
import type { Fold } from "../core/state/update.ts";
import { findSystem } from "../systems/registry.ts";
import { exposition } from "./exposition.ts";
import { type Candidate, type Generations, startGenerations } from "./generations.ts";
import { re2Regexps } from "./regexps.ts";
import { type Runtime, StartError } from "./runtime.ts";
import { newStanding, type Standing } from "./standing.ts";
import { queueFamilies } from "./system-pool.ts";
import { readExposition } from "./testing/exposition-reader.ts";

let folder: string;
let standing: Standing;
let generations: Generations;
let lines: string[];
/** what the next reading of the file finds */
let text: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agglo-generations-"));
  lines = [];
  standing = newStanding({ log: (level, message) => lines.push(`${level} ${message}`) });
});
afterEach(async () => {
  await generations?.close(1000);
  rmSync(folder, { recursive: true, force: true });
});

/** A file whose route adds `{"added": value}`, counts in `state` and mirrors to a folder. */
function config(value: number, mirror = "mirror"): string {
  return JSON.stringify({
    pipelines: [{ name: "p", processes: [{ name: "add" }, { name: "total" }, { name: "copy" }] }],
    processDefinitions: [
      { annotator: { name: "add", annotations: [{ fieldKey: "added", value: String(value) }] } },
      {
        aggregator: {
          name: "total",
          stateStore: "state",
          aggregation: { key: "amount", aggregationType: "AggSum", groupByKeys: ["country"] },
        },
      },
      { tee: { name: "copy", outputConnectorRef: mirror } },
    ],
    externalSystems: [
      { externalType: "ExternalKVStore", name: "state", connectionString: "local" },
      { externalType: "ExternalLocalFile", name: mirror, connectionString: join(folder, mirror) },
    ],
    http: { version: 1, routes: [{ name: "all", request: { pipelines: ["p"] } }] },
  });
}

function load(): Candidate {
  const loaded = loadConfig(text, { file: "test.json", regexps: re2Regexps(), systemForm: findSystem });
  if (loaded.plan === undefined) return { complaints: loaded.diagnostics.map(({ message }) => message).join("\n") };
  return { plan: loaded.plan, systems: loaded.systems, text };
}

async function start(): Promise<void> {
  mkdirSync(join(folder, "mirror"));
  mkdirSync(join(folder, "elsewhere"));
  text = config(1);
  generations = await startGenerations({ standing, file: "test.json", load, drainMs: 1000 });
}

async function send(runtime: Runtime): Promise<string | undefined> {
  const section = runtime.routes[0]?.request as LinkedSection;
  const verdict = await treat(section, '{"amount":2,"country":"de"}', undefined, "application/json");
  expect(verdict.detail).toBe("");
  return /"added":\s*"?(\d)/.exec(verdict.text ?? "")?.[1];
}

const written = (name: string) => readdirSync(join(folder, name)).filter((file) => file.endsWith(".json")).length;

test("new streams get the new configuration, a stream keeps its own", async () => {
  await start();
  const old = generations.enter();
  text = config(2);
  expect(await generations.reload()).toMatchObject({ outcome: "applied", generation: 2 });
  const young = generations.enter();
  expect([await send(old), await send(young), generations.state().oldStreams]).toEqual(["1", "2", 1]);
  generations.leave(old);
  expect(generations.state().oldStreams).toBe(0);
  generations.leave(young);
});

test("a wrong file leaves the one before at work, and the answer says what is wrong", async () => {
  await start();
  text = config(2).replace("annotations", "anotations");
  const answer = await generations.reload();
  expect(answer).toMatchObject({ outcome: "refused", generation: 1 });
  expect(answer.message).toContain("no such field");
  text = config(2, "nowhere");
  expect((await generations.reload()).message).toMatch(/test.json: system "nowhere": there is no directory/);
  expect(await send(generations.enter())).toBe("1");
  expect(lines.filter((line) => line.startsWith("error reload refused"))).toHaveLength(2);
  expect(standing.metrics.counters.snapshot()).toContainEqual({ name: "reloads", label: "refused", value: 2 });
  text = config(3);
  await generations.reload();
  expect(await send(generations.enter())).toBe("3");
});

test("a start with a wrong file is a StartError", async () => {
  text = "{";
  const started = startGenerations({ standing, file: "test.json", load, drainMs: 0 });
  await expect(started).rejects.toThrow(StartError);
});

test("a system of the same type, name and connection keeps its state and its queue", async () => {
  await start();
  await send(generations.enter());
  text = config(2);
  await generations.reload();
  await send(generations.enter());
  const read: Fold = { kind: "fold", id: "", key: ":p:as", path: [], numbers: [], reads: true };
  const { values } = standing.memory.state("state").update(read);
  expect(values).toEqual({ "amount:AggSum": { de: { value: 4 } } });
  await vi.waitFor(() => expect(written("mirror")).toBe(2));
  expect(standing.systems.queued().map(({ name }) => name)).toEqual(["state", "mirror"]);
});

test("a system that is named no more goes on until the last old stream ends, then sends what it holds", async () => {
  await start();
  const old = generations.enter();
  text = config(2, "elsewhere");
  await generations.reload();
  await send(old);
  const leaving = send(old); // offered, and not yet sent when the stream ends
  generations.leave(old);
  await leaving;
  await vi.waitFor(() => expect(written("mirror")).toBe(2));
  await vi.waitFor(() => expect(standing.systems.queued().map(({ name }) => name)).toEqual(["state", "elsewhere"]));
  const rows = standing.metrics.counters.snapshot();
  expect(rows).toContainEqual({ name: "teeSent", label: "mirror", value: 2 });
  expect(rows.some(({ name }) => name === "teeDropped")).toBe(false);
});

test("a system that has moved is another one: copies go where their stream's configuration says", async () => {
  await start();
  const old = generations.enter();
  text = config(2).replaceAll(join(folder, "mirror"), join(folder, "elsewhere"));
  await generations.reload();
  await Promise.all([send(old), send(generations.enter())]);
  // One name to Prometheus: two series of it would have the whole scrape refused.
  const series = readExposition(exposition(queueFamilies(standing.systems.queued())));
  expect(series.get('agglo_tee_queued_events{target="mirror"}')).toBe(2);
  await vi.waitFor(() => expect([written("mirror"), written("elsewhere")]).toEqual([1, 1]));
  generations.leave(old);
});

test("while an old generation lives, changes wait and become one", async () => {
  await start();
  const old = generations.enter();
  text = config(2);
  await generations.reload();
  text = config(3);
  expect(await generations.reload()).toMatchObject({ outcome: "waiting", generation: 2 });
  text = "{";
  expect((await generations.reload()).outcome).toBe("refused");
  text = config(4);
  expect((await generations.reload()).message).toContain("generation 1 still has 1 stream");
  expect(await send(generations.enter())).toBe("2");
  generations.leave(old);
  await vi.waitFor(() => expect(generations.state().number).toBe(3));
  expect(await send(generations.enter())).toBe("4");
});

test("a stream that does not end holds up the second change for drainMs, then it is told to", async () => {
  await start();
  await generations.close(0);
  generations = await startGenerations({ standing, file: "test.json", load, drainMs: 100 });
  const told: string[] = [];
  const enter = (name: string) => {
    const stream = {
      place: 0,
      outdated() {
        told.push(name);
        generations.leave(runtime, stream);
      },
    };
    const runtime = generations.enter(stream);
  };
  enter("first");
  enter("second");
  text = config(2);
  await generations.reload();
  enter("young");
  expect(generations.state().oldStreams).toBe(2);
  text = config(3);
  expect(await generations.reload()).toMatchObject({ outcome: "waiting", generation: 2 });
  await vi.waitFor(() => expect(generations.state().number).toBe(3));
  expect(told).toEqual(["first", "second"]); // one change ends no stream
  expect(await send(generations.enter())).toBe("3");
  expect(lines).toContain("warn a change waits: 2 streams of generation 1 are ended");
});

test("changes asked for at once are two: the one under way, and one for all that came meanwhile", async () => {
  await start();
  const loads = vi.fn(load);
  await generations.close(0);
  generations = await startGenerations({ standing, file: "test.json", load: loads, drainMs: 0 });
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => generations.reload()));
  expect(answers.map(({ generation }) => generation)).toEqual([2, 3, 3, 3, 3]);
  expect(loads).toHaveBeenCalledTimes(3);
});

test("what ends takes no more changes", async () => {
  await start();
  await generations.close(0);
  expect((await generations.reload()).outcome).toBe("refused");
});
