import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../core/event/json.ts";
import { type Bench, keepsObjects, opened, takesEvents } from "./contract.ts";
import { isSystemError } from "./failure.ts";
import { openFile, parseFile } from "./file.ts";
import { newMemory } from "./memory.ts";
import { sendEvent } from "./send.ts";
import type { OpenedSystem } from "./system.ts";

async function open(connectionString: string): Promise<OpenedSystem> {
  const parsed = parseFile("ExternalLocalFile", connectionString);
  if ("error" in parsed) throw new Error(parsed.error);
  const opened = await openFile(parsed);
  if (isSystemError(opened)) throw new Error(opened.message);
  return opened;
}

async function openBench(): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), "agglo-file-"));
  const opened = await open(directory);
  return {
    opened,
    arrived: (id) => readFile(join(directory, `${id}.json`), "utf8").catch(() => undefined),
    // A name that is left over from writing would show here.
    ids: async () => (await readdir(directory)).map((name) => name.replace(/\.json$/, "")).sort(),
    async end() {
      await opened.close();
      await rm(directory, { recursive: true });
    },
  };
}

takesEvents("a folder", openBench);

async function openObjects(directory: string): Promise<OpenedSystem> {
  const parsed = parseFile("ExternalObjectStore", `file:${directory}`);
  if ("error" in parsed) throw new Error(parsed.error);
  return opened(openFile(parsed));
}

takesEvents("a folder of objects", async () => {
  const directory = await mkdtemp(join(tmpdir(), "agglo-file-"));
  const system = await openObjects(directory);
  return {
    opened: system,
    arrived: (id) => readFile(join(directory, id), "utf8").catch(() => undefined),
    ids: async () => (await readdir(directory)).sort(),
    async end() {
      await system.close();
      await rm(directory, { recursive: true });
    },
  };
});

describe("folders of objects", () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "agglo-file-"));
  });
  afterAll(() => rm(root, { recursive: true }));

  keepsObjects("a folder of objects", async () => {
    const { port } = await openObjects(await mkdtemp(join(root, "o-")));
    if (port.type !== "ExternalObjectStore") throw new Error(port.type);
    return port.objects;
  });

  test("are made as keys say, and hold no temporary names", async () => {
    const directory = await mkdtemp(join(root, "o-"));
    const { port } = await openObjects(directory);
    if (port.type !== "ExternalObjectStore") throw new Error(port.type);
    expect(await port.objects.put("2026/11/dt=24/a.ndjson.gz", Uint8Array.of(0, 255))).toBeUndefined();
    expect([...(await readFile(join(directory, "2026/11/dt=24/a.ndjson.gz")))]).toEqual([0, 255]);
    expect(await readdir(join(directory, "2026/11/dt=24"))).toEqual(["a.ndjson.gz"]);
  });

  test.each(["../a", "a/../b", "a//b", "/a", "a/", ".a", "a/.b", "a\\b", "a\0b"])(
    "are not left or hidden in by the key %j",
    async (key) => {
      const { port } = await openObjects(await mkdtemp(join(root, "o-")));
      if (port.type !== "ExternalObjectStore") throw new Error(port.type);
      expect(await port.objects.put(key, Uint8Array.of(1))).toMatchObject({ code: "badId", retryable: false });
    },
  );
});

describe("one file for all events", () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "agglo-file-"));
    path = join(directory, "events.ndjson");
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function openLines(options: JsonObject = {}): Promise<OpenedSystem> {
    const parsed = parseFile("ExternalLocalFile", `file:${path}`);
    if ("error" in parsed) throw new Error(parsed.error);
    return opened(openFile(parsed, { name: "lines", memory: newMemory(), options }));
  }
  const send = async (system: OpenedSystem, payload: string) =>
    expect(isSystemError(await sendEvent(system.port, "id", payload))).toBe(false);

  test("gets a line for each, in the order they came, whatever their white space", async () => {
    const system = await openLines();
    const payloads = Array.from({ length: 500 }, (_, i) => `{\n  "n": ${i},\r\n "t": "a\\nb é"}`);
    await Promise.all(payloads.map((payload) => send(system, payload)));
    await system.close();
    const lines = (await readFile(path, "utf8")).split("\n");
    expect(lines.pop()).toBe("");
    expect(lines.map((line) => JSON.parse(line))).toEqual(payloads.map((payload) => JSON.parse(payload)));
  });

  test("goes on after what was there, and ends a line that a killed process left", async () => {
    await writeFile(path, '{"n":1}\n{"n":');
    const system = await openLines();
    await send(system, '{"n":2}');
    await system.close();
    expect(await readFile(path, "utf8")).toBe('{"n":1}\n{"n":\n{"n":2}\n');
  });

  test("is renamed before it becomes too long, and no more than so many are kept", async () => {
    const system = await openLines({ rotateBytes: 1024, keep: 2 });
    const payload = (n: number) => JSON.stringify({ n, text: "x".repeat(480) });
    for (let n = 0; n < 12; n++) {
      await send(system, payload(n));
      await untilNextMillisecond(); // names of one millisecond and process would be the same
    }
    await system.close();
    const names = (await readdir(directory)).sort();
    expect(names).toEqual([
      expect.stringMatching(/^events-\d{8}T\d{6}\.\d{3}Z-\d+\.ndjson$/),
      expect.stringMatching(/^events-\d{8}T\d{6}\.\d{3}Z-\d+\.ndjson$/),
      "events.ndjson",
    ]);
    const texts = await Promise.all(names.map((name) => readFile(join(directory, name), "utf8")));
    expect(texts.join("")).toBe([6, 7, 8, 9, 10, 11].map((n) => `${payload(n)}\n`).join(""));
  });

  test("that somebody moves away is made anew, and nothing is lost", async () => {
    const system = await openLines();
    await send(system, '{"n":1}');
    await rename(path, join(directory, "taken"));
    await send(system, '{"n":2}');
    await system.close();
    expect(await readFile(join(directory, "taken"), "utf8")).toBe('{"n":1}\n');
    expect(await readFile(path, "utf8")).toBe('{"n":2}\n');
  });

  test("whose folder goes away is an error worth retrying, and works again when it is back", async () => {
    const system = await openLines();
    await send(system, '{"n":1}');
    await rm(directory, { recursive: true });
    expect(await sendEvent(system.port, "id", "{}")).toMatchObject({ code: "ENOENT", retryable: true });
    await mkdir(directory);
    await send(system, '{"n":2}');
    await system.close();
    expect(await readFile(path, "utf8")).toBe('{"n":2}\n');
  });

  test("is not written through a link", async () => {
    await writeFile(join(directory, "target"), "precious");
    await symlink(join(directory, "target"), path);
    const system = await openLines();
    expect(await sendEvent(system.port, "id", "{}")).toMatchObject({ code: "ELOOP", retryable: false });
    expect(await readFile(join(directory, "target"), "utf8")).toBe("precious");
    await system.close();
  });

  test("keeps no checkpoints", async () => {
    const { port } = await openLines();
    if (port.type !== "ExternalLocalFile") throw new Error(port.type);
    expect(await port.file.read("a")).toMatchObject({ code: "oneFile", retryable: false });
  });

  test("is probed by a file beside it", async () => {
    const system = await openLines();
    expect(await system.probe()).toEqual({ found: "wrote and removed a file" });
    expect(await readdir(directory)).toEqual([]);
  });
});

async function untilNextMillisecond(): Promise<void> {
  for (const from = Date.now(); Date.now() === from; ) await new Promise(setImmediate);
}

describe("a folder", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "agglo-file-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  test("holds files that others may read", async () => {
    await sendEvent((await open(directory)).port, "a", "{}");
    expect((await stat(join(directory, "a.json"))).mode & 0o777 & ~process.umask()).toBe(0o644 & ~process.umask());
  });

  test("gets a file in place of a link of that name, and the link's target is left alone", async () => {
    const target = join(directory, "target");
    await writeFile(target, "precious");
    await symlink(target, join(directory, "a.json"));
    expect(await sendEvent((await open(directory)).port, "a", "{}")).toEqual({ reply: "" });
    expect(await readFile(target, "utf8")).toBe("precious");
    expect(await readFile(join(directory, "a.json"), "utf8")).toBe("{}");
  });

  test("that goes away is an error worth retrying, and works again when it is back", async () => {
    const opened = await open(directory);
    await rm(directory, { recursive: true });
    expect(await sendEvent(opened.port, "a", "{}")).toEqual({
      code: "ENOENT",
      message: "writing the file failed (ENOENT)",
      retryable: true,
    });
    await writeFile(directory, "in its place");
    expect(await sendEvent(opened.port, "a", "{}")).toMatchObject({ code: "ENOTDIR", retryable: true });
    await rm(directory);
    await mkdir(directory);
    expect(await sendEvent(opened.port, "a", "{}")).toEqual({ reply: "" });
  });

  test("whose event cannot be put in place is not left with half of it", async () => {
    const opened = await open(directory);
    await mkdir(join(directory, "a.json", "x"), { recursive: true });
    expect(await sendEvent(opened.port, "a", "{}")).toMatchObject({ retryable: false });
    expect(await readdir(directory)).toEqual(["a.json"]);
  });

  test("that is not there is said at opening, with what makes it", async () => {
    const missing = join(directory, "missing");
    const opened = await openFile({
      type: "ExternalLocalFile",
      lines: "",
      outputType: "localfile",
      connectionString: missing,
      directory: missing,
    });
    expect(opened).toMatchObject({ code: "ENOENT", message: `there is no directory "${missing}"; mkdir -p makes it` });
  });

  test("that is a file is said at opening", async () => {
    const name = join(directory, "plain");
    await writeFile(name, "");
    const opened = await openFile({
      type: "ExternalLocalFile",
      lines: "",
      outputType: "localfile",
      connectionString: name,
      directory: name,
    });
    expect(opened).toMatchObject({ code: "ENOTDIR", message: `"${name}" is a file; name a directory` });
  });

  test("that may not be written to is said at opening (but root may write anywhere)", async () => {
    await chmod(directory, 0o555);
    const opened = await openFile({
      type: "ExternalLocalFile",
      lines: "",
      outputType: "localfile",
      connectionString: directory,
      directory,
    });
    const root = process.getuid?.() === 0;
    expect(opened).toMatchObject(root ? { port: { type: "ExternalLocalFile" } } : { code: "EACCES" });
    await chmod(directory, 0o755);
  });
});

/** [connection string, directory or what is wrong] */
const FORMS: readonly (readonly [string, string])[] = [
  ["/var/mirror", "/var/mirror"],
  ["mirror/here", "mirror/here"],
  ["file:/var/mirror", "/var/mirror"],
  ["file:///var/mirror", "/var/mirror"],
  ["./a:b", "./a:b"],
  ["", "the connection string names no directory"],
  ["file:", "the connection string names no directory"],
  ["/var/\0", "the connection string names no directory"],
  ["s3:endpoint=x,bucketName=y", 'ExternalLocalFile knows no "s3:"'],
  ["https://example.com", 'ExternalLocalFile knows no "https:"'],
  ["file:/var/events.ndjson", "/var"],
  ["/var/events.ndjson", "/var/events.ndjson"],
];

describe("a folder's connection string", () => {
  test.each(FORMS)("%j means %j", (connectionString, expected) => {
    const parsed = parseFile("ExternalLocalFile", connectionString);
    expect("error" in parsed ? parsed.error : parsed.directory).toBe(expected);
    if (!("error" in parsed)) expect(parsed.connectionString).toBe(parsed.lines || parsed.directory);
  });
});
