import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type DurableLog, type Entry, openLog } from "../engine/runtime/durable-log/log.ts";
import { isLogFailure } from "../engine/runtime/durable-log/log-failure.ts";
import { nodeDisk } from "../engine/runtime/durable-log/node-disk.ts";
import { nodeTimers } from "../engine/runtime/ports.ts";
import { queue } from "./queue.ts";

let dir: string;
let out: string;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "agglo-queue-"));
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  const log = await open();
  for (const id of ["a", "b", "c", "d"]) await log.append(Buffer.from(`{"id":"${id}",\n"n":1.50}`), id);
  log.ack((await log.take()) as Entry);
  await log.deadLetter((await log.take()) as Entry, "the target says 400");
  log.release((await log.take()) as Entry, Date.UTC(2100, 0), 2);
  await log.close();
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

async function open(): Promise<DurableLog> {
  const log = await openLog({
    dir,
    disk: nodeDisk(),
    nowMs: Date.now,
    timers: nodeTimers(),
    onProblem: () => undefined,
  });
  if (isLogFailure(log)) throw new Error(log.message);
  return log;
}

/** The code and what it printed. */
async function binge(...args: string[]): Promise<[number, string]> {
  out = "";
  const code = await queue(args);
  return [code, out];
}

it("lists what is queued, with its times and tries, and the dead letters with their reasons", async () => {
  const [code, text] = await binge("ls", dir);
  expect(code).toBe(0);
  const time = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;
  expect(text.replace(time, "TIME").split("\n")).toEqual([
    "3 c TIME released, due TIME, tries 2, 20 bytes",
    "4 d TIME queued, tries 0, 20 bytes",
    "2 b TIME dead since TIME, tries 0: the target says 400",
    "",
  ]);
});

it("exports events as lines, as they are, also while a server has the queue open", async () => {
  const log = await open();
  expect(await binge("export", dir)).toEqual([0, '{"id":"c", "n":1.50}\n{"id":"d", "n":1.50}\n']);
  expect(await binge("export", dir, "--dead")).toEqual([0, '{"id":"b", "n":1.50}\n']);
  await log.close();
});

it("verifies every record, and says what is damaged and where", async () => {
  expect(await binge("verify", dir)).toEqual([0, "sound: 4 events on disk, 2 of them not done, 1 dead letters\n"]);
  const name = readdirSync(dir).find((one) => one.endsWith(".log")) as string;
  const bytes = readFileSync(join(dir, name));
  const at = bytes.indexOf('"c"');
  bytes[at] = 0;
  writeFileSync(join(dir, name), bytes);
  const [code, text] = await binge("verify", dir);
  expect(code).toBe(1);
  expect(text).toMatch(/\.log: byte \d+: damaged, 1 events cannot be read\n1 damage: 3 events on disk, 1 of them/);
});

it("queues dead letters again, under their ids", async () => {
  expect(await binge("replay", dir, "nobody")).toEqual([1, "0 queued again\n"]);
  expect(await binge("replay", dir)).toEqual([0, "1 queued again\n"]);
  const log = await open();
  expect((await log.entries(0, 9)).map(({ id, offset }) => [id, offset])).toEqual([
    ["c", 3],
    ["d", 4],
    ["b", 5],
  ]);
  expect(log.state().deadLetters).toBe(0);
  await log.close();
});

it("drops by id, all of it, or dead letters", async () => {
  expect(await binge("drop", dir, "c")).toEqual([0, "1 dropped\n"]);
  expect((await binge("ls", dir))[1]).toMatch(/^4 d .*\n2 b .*dead/);
  expect(await binge("drop", dir, "--dead", "b")).toEqual([0, "1 dropped\n"]);
  expect(await binge("drop", dir, "--all")).toEqual([0, "1 dropped\n"]);
  expect(await binge("ls", dir)).toEqual([0, ""]);
  await expect(binge("drop", dir)).rejects.toThrow("name ids, or say --all");
});

it("does not write while a server has the queue open, and says what to do", async () => {
  const log = await open();
  for (const action of ["replay", "drop"]) {
    await expect(queue([action, dir, "b"])).rejects.toThrow(
      `${dir} is in use by process ${process.pid}; stop it first`,
    );
  }
  await log.close();
});

it("says so where there is no queue", async () => {
  const empty = mkdtempSync(join(tmpdir(), "agglo-queue-"));
  await expect(queue(["ls", empty])).rejects.toThrow("holds no queue");
  await expect(queue(["ls", join(empty, "none")])).rejects.toThrow("there is no folder");
  await expect(queue(["look", empty])).rejects.toThrow("expected one of ls, verify, export, replay, drop");
  rmSync(empty, { recursive: true });
});
