import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Checkpoints, TeeTarget } from "../core/ports.ts";
import { checkpointsIn } from "./checkpoints.ts";
import { isSystemError } from "./failure.ts";
import { openFile } from "./file.ts";
import { openMem, parseMem } from "./mem.ts";
import { newMemory } from "./memory.ts";
import type { OpenedSystem } from "./system.ts";

const TARGET: TeeTarget = { type: "ExternalKVStore", name: "c", outputType: "", connectionString: "" };

type Bench = { checkpoints: Checkpoints; opened: OpenedSystem; keys(): Promise<string[]>; end(): Promise<void> };

async function inMemory(): Promise<Bench> {
  const memory = newMemory();
  const parsed = parseMem("ExternalKVStore", "mem:x");
  if ("error" in parsed) throw new Error(parsed.error);
  const opened = await openMem(parsed, { name: "c", memory });
  return {
    checkpoints: checkpointsIn(() => opened.port),
    opened,
    keys: async () => memory.keyValueStore("c").keys().sort(),
    end: () => opened.close(),
  };
}

async function inFolder(): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), "agglo-checkpoints-"));
  const opened = await openFile({
    type: "ExternalLocalFile",
    lines: "",
    outputType: "localfile",
    connectionString: directory,
    directory,
  });
  if (isSystemError(opened)) throw new Error(opened.message);
  return {
    checkpoints: checkpointsIn(() => opened.port),
    opened,
    keys: async () => (await readdir(directory)).sort(),
    end: () => rm(directory, { recursive: true }),
  };
}

/** [pipeline, message id] that a careless name would mix up or lead astray. */
const NAMES: [string, string][] = [
  ["p", "m"],
  ["p:m", "m"],
  ["p", "m:m"],
  ["../up", "m"],
  ["p", "../../m"],
  ["p", "."],
  ["", ""],
  ["p%3a", "m"],
  ["Ünïcode/π", "m"],
  ["p", "x".repeat(500)],
  ["p", `${"x".repeat(500)}y`],
];

describe.each([
  ["a key-value store", inMemory],
  ["a folder", inFolder],
])("checkpoints in %s", (_title, open) => {
  test("come back as they were written, each its own, until they are removed", async () => {
    const { checkpoints, keys, end } = await open();
    for (const [pipeline, id] of NAMES) {
      expect(await checkpoints.read(TARGET, pipeline, id)).toBeUndefined();
      expect(await checkpoints.write(TARGET, pipeline, id, `{"of":${JSON.stringify([pipeline, id])}}`)).toBeUndefined();
    }
    expect((await keys()).length).toBe(NAMES.length);
    for (const [pipeline, id] of NAMES) {
      const found = await checkpoints.read(TARGET, pipeline, id);
      expect(found !== undefined && "record" in found && JSON.parse(found.record)).toEqual({ of: [pipeline, id] });
    }
    for (const [pipeline, id] of NAMES) {
      expect(await checkpoints.remove(TARGET, pipeline, id)).toBeUndefined();
      expect(await checkpoints.remove(TARGET, pipeline, id)).toBeUndefined();
    }
    expect(await keys()).toEqual([]);
    await end();
  });

  test("are replaced by later ones", async () => {
    const { checkpoints, keys, end } = await open();
    await checkpoints.write(TARGET, "p", "m", "1");
    await checkpoints.write(TARGET, "p", "m", "2");
    expect(await checkpoints.read(TARGET, "p", "m")).toEqual({ record: "2\n" });
    expect((await keys()).length).toBe(1);
    await end();
  });

  test("say when their store is closed", async () => {
    const { checkpoints, opened, end } = await open();
    await opened.close();
    const answers = [
      checkpoints.read(TARGET, "p", "m"),
      checkpoints.write(TARGET, "p", "m", ""),
      checkpoints.remove(TARGET, "p", "m"),
    ];
    for (const answer of answers) expect(await answer).toMatchObject({ code: "closed" });
    await end();
  });
});

test("the original's names are ours where they are plain: <pipeline>:<messageID>", async () => {
  const memory = await inMemory();
  await memory.checkpoints.write(TARGET, "Pipe line", "5f0c", "{}");
  expect(await memory.keys()).toEqual(["Pipe line:5f0c"]);
  const folder = await inFolder();
  await folder.checkpoints.write(TARGET, "Basic_1", "5f0c-11", "{}");
  expect(await folder.keys()).toEqual(["Basic_1:5f0c-11.json"]);
  await folder.end();
});

test("a file is whole: a record and a line end", async () => {
  const directory = await mkdtemp(join(tmpdir(), "agglo-checkpoints-"));
  const opened = await openFile({
    type: "ExternalLocalFile",
    lines: "",
    outputType: "localfile",
    connectionString: directory,
    directory,
  });
  if (isSystemError(opened)) throw new Error(opened.message);
  await checkpointsIn(() => opened.port).write(TARGET, "p", "m", '{"a":1}');
  expect(await readFile(join(directory, "p:m.json"), "utf8")).toBe('{"a":1}\n');
  await rm(directory, { recursive: true });
});

test("a store that is not open is an error", async () => {
  const checkpoints = checkpointsIn(() => undefined);
  expect(await checkpoints.read(TARGET, "p", "m")).toMatchObject({ code: "notOpen", retryable: false });
  expect(await checkpoints.write(TARGET, "p", "m", "")).toMatchObject({ code: "notOpen" });
  expect(await checkpoints.remove(TARGET, "p", "m")).toMatchObject({ code: "notOpen" });
});
