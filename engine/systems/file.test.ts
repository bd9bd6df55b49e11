import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, takesEvents } from "./contract.ts";
import { isSystemError } from "./failure.ts";
import { openFile, parseFile } from "./file.ts";
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
    const opened = await openFile({ outputType: "localfile", connectionString: missing, directory: missing });
    expect(opened).toMatchObject({ code: "ENOENT", message: `there is no directory "${missing}"; mkdir -p makes it` });
  });

  test("that is a file is said at opening", async () => {
    const name = join(directory, "plain");
    await writeFile(name, "");
    const opened = await openFile({ outputType: "localfile", connectionString: name, directory: name });
    expect(opened).toMatchObject({ code: "ENOTDIR", message: `"${name}" is a file; name a directory` });
  });

  test("that may not be written to is said at opening (but root may write anywhere)", async () => {
    await chmod(directory, 0o555);
    const opened = await openFile({ outputType: "localfile", connectionString: directory, directory });
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
  ["file:/var/events.ndjson", "appending to one file is not there yet"],
];

describe("a folder's connection string", () => {
  test.each(FORMS)("%j means %j", (connectionString, expected) => {
    const parsed = parseFile("ExternalLocalFile", connectionString);
    expect("error" in parsed ? parsed.error : parsed.directory).toBe(expected);
    if (!("error" in parsed)) expect(parsed.connectionString).toBe(parsed.directory);
  });
});
