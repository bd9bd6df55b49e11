import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { nodeTimers } from "../ports.ts";
import type { Disk } from "./disk.ts";
import { type DurableLog, type Entry, type LogOptions, openLog } from "./log.ts";
import { isLogFailure, type LogFailure } from "./log-failure.ts";
import { nodeDisk } from "./node-disk.ts";
import { recordBytes, writeHeader, writeRecord } from "./record.ts";
import { newSimulatedDisk, type SimulatedDisk } from "./testing/simulated-disk.ts";

const DIR = "/log";

type Opened = { log: DurableLog; problems: string[] };

async function open(disk: Disk, options: Partial<LogOptions> = {}): Promise<Opened> {
  const problems: string[] = [];
  const log = await openLog({
    dir: DIR,
    disk,
    nowMs: Date.now,
    timers: nodeTimers(),
    onProblem: (line) => problems.push(line),
    ...options,
  });
  if (isLogFailure(log)) throw new Error(log.message);
  return { log, problems };
}

function simulated(): SimulatedDisk {
  return newSimulatedDisk(() => 0.3);
}

function append(log: DurableLog, ...texts: string[]) {
  return Promise.all(texts.map((text) => log.append(Buffer.from(text), `id-${text.slice(0, 20)}`)));
}

async function takeText(log: DurableLog): Promise<string> {
  const entry = (await log.take()) as Entry;
  return Buffer.from(entry.payload).toString();
}

async function texts(log: DurableLog): Promise<string[]> {
  return (await log.entries(0, 1000)).map(({ payload }) => Buffer.from(payload).toString());
}

function segments(disk: SimulatedDisk): string[] {
  return disk.files().filter((path) => path.includes(".log"));
}

it("answers after the write and the sync, one of each for all who wait", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  await append(log, "first");
  const before = disk.journal.length;
  const answers = await append(log, "a", "b", "c");
  expect(answers).toEqual([
    { offset: 2, id: "id-a" },
    { offset: 3, id: "id-b" },
    { offset: 4, id: "id-c" },
  ]);
  const [segment] = segments(disk);
  expect(disk.journal.slice(before)).toEqual([`write ${segment}`, `sync ${segment}`]);
});

it("gives entries in the order of appending, and those that were released when they are due, with their tries", async () => {
  let nowMs = 1000;
  const { log } = await open(simulated(), { nowMs: () => nowMs });
  await append(log, "a", "b", "c");
  const a = (await log.take()) as Entry;
  expect(a).toMatchObject({ offset: 1, id: "id-a", queuedAtMs: 1000, attempts: 0 });
  log.release(a, 1500, 1);
  expect(await takeText(log)).toBe("b");
  expect(await log.entries(0, 9)).toMatchObject([
    { id: "id-a", state: "waiting", dueAtMs: 1500, attempts: 1, takenAtMs: undefined },
    { id: "id-b", state: "inFlight", takenAtMs: 1000 },
    { id: "id-c", state: "queued", takenAtMs: undefined },
  ]);
  nowMs = 1500;
  expect(await log.take()).toMatchObject({ id: "id-a", attempts: 1 });
  expect(await takeText(log)).toBe("c");
});

it("wakes who waits when an entry comes, when one is due, and when taking ends", async () => {
  const { log } = await open(simulated());
  const waiting = log.take();
  await append(log, "a");
  const entry = (await waiting) as Entry;
  log.release(entry, Date.now() + 5, 1);
  const again = (await log.take()) as Entry;
  expect(again.id).toBe("id-a");
  const ended = log.take();
  log.endTaking();
  expect(await ended).toBeUndefined();
  expect(await log.take()).toBeUndefined();
  log.ack(again);
  expect(log.state().depth).toBe(0);
});

it("queues what was in flight again, keeps tries and ids, forgets what is done", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  await append(log, "a", "b", "c");
  log.ack((await log.take()) as Entry);
  log.release((await log.take()) as Entry, 0, 4);
  await log.take();
  await log.close();
  expect(await log.append(Buffer.from("d"))).toMatchObject({ code: "closed", retryable: false });
  const again = await open(disk);
  expect(await again.log.take()).toMatchObject({ id: "id-b", attempts: 4 });
  expect(await again.log.take()).toMatchObject({ id: "id-c", attempts: 0, offset: 3 });
  expect(await append(again.log, "d")).toEqual([{ offset: 4, id: "id-d" }]);
});

it("removes a segment when all of its entries are done, and no other", async () => {
  const disk = simulated();
  const { log } = await open(disk, { segmentBytes: 200 });
  for (const text of ["a".repeat(150), "b".repeat(150), "c".repeat(150)]) await append(log, text);
  expect(segments(disk)).toHaveLength(3);
  const first = (await log.take()) as Entry;
  log.ack((await log.take()) as Entry);
  await log.close();
  expect(segments(disk)).toHaveLength(2);
  const again = await open(disk, { segmentBytes: 200 });
  expect(await again.log.take()).toMatchObject({ id: first.id });
});

it.each(["processDies", "powerFails"] as const)(
  "writes a finished segment's file over, of which nothing comes back when the %s",
  async (how) => {
    const disk = simulated();
    const { log } = await open(disk, { segmentBytes: 1000 });
    const old = ["a", "b", "c", "d"].map((text) => text.repeat(170));
    for (const text of old) await append(log, text);
    await append(log, "e".repeat(500)); // in the second one
    for (const _ of old) log.ack((await log.take()) as Entry);
    await expect.poll(() => disk.files()).toContain(`${DIR}/spare`);
    await append(log, "f".repeat(500)); // the second one is full
    expect(disk.files()).not.toContain(`${DIR}/spare`);
    const [, third] = segments(disk) as [string, string];
    expect(disk.bytesOf(third).toString("latin1")).toContain("d".repeat(170));
    const left = disk[how]();
    const again = await open(left, { segmentBytes: 1000 });
    expect(await texts(again.log)).toEqual(["e".repeat(500), "f".repeat(500)]);
    expect(again.problems).toEqual([]);
    await again.log.close();
    for (const path of left.files()) expect(left.bytesOf(path).toString("latin1")).not.toContain("dddd");
  },
);

it("lets go of the file that it has put by when it is closed, and when it is opened after a crash", async () => {
  const spare = `${DIR}/spare`;
  const disk = simulated();
  const { log } = await open(disk, { segmentBytes: 200 });
  const putOneBy = async (own: DurableLog, on: SimulatedDisk) => {
    for (const text of ["a", "b"]) await append(own, text.repeat(150));
    own.ack((await own.take()) as Entry);
    await expect.poll(() => on.files()).toContain(spare);
  };
  await putOneBy(log, disk);
  const left = disk.processDies();
  const again = await open(left, { segmentBytes: 200 });
  expect(left.files()).not.toContain(spare);
  again.log.ack((await again.log.take()) as Entry);
  await putOneBy(again.log, left);
  await again.log.close();
  expect(left.files()).not.toContain(spare);
});

it("has room ahead of what is written, which is no torn write after a crash, and gives it back at the end", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  await append(log, "first");
  const [segment] = segments(disk) as [string];
  expect(disk.bytesOf(segment).length).toBeGreaterThan(64 * 1024);
  const left = disk.powerFails();
  const again = await open(left);
  expect(await texts(again.log)).toEqual(["first"]);
  expect(again.problems).toEqual([]);
  expect(left.bytesOf(segment).length).toBeLessThan(200);
  await append(again.log, "second");
  await again.log.close();
  for (const path of segments(left)) expect(left.bytesOf(path).length).toBeLessThan(200);
});

it("goes on without room ahead where the disk has none", async () => {
  const disk = simulated();
  disk.faults.capacityBytes = 10_000;
  const { log, problems } = await open(disk);
  await append(log, "first");
  await append(log, "second");
  const [segment] = segments(disk) as [string];
  expect(disk.bytesOf(segment).length).toBeLessThan(200);
  expect(await texts(log)).toEqual(["first", "second"]);
  expect(problems).toEqual([]);
});

it("cuts a torn tail, and says so", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  await append(log, "kept");
  await append(log, "torn"); // nothing behind it says that it was on disk
  const [segment] = segments(disk) as [string];
  const left = disk.processDies();
  left.damage(segment, disk.bytesOf(segment).indexOf("torn"));
  const again = await open(left);
  expect(await texts(again.log)).toEqual(["kept"]);
  expect(again.problems).toEqual([expect.stringContaining("was not finished, nobody was told of it; cut")]);
  expect(again.log.state().problems).toMatchObject({ tornTails: 1, entriesLost: 0 });
});

it("sets a damaged segment aside, keeps what can be read of it, and counts what cannot", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  for (const text of ["first", "second", "third"]) await append(log, text);
  await log.close();
  const [segment] = segments(disk) as [string];
  disk.damage(segment, disk.bytesOf(segment).indexOf("second"));
  const again = await open(disk);
  expect(await texts(again.log)).toEqual(["first", "third"]);
  expect(again.log.state().problems).toMatchObject({ segmentsSetAside: 1, entriesLost: 1, tornTails: 0 });
  expect(again.problems).toEqual([expect.stringContaining("1 entries cannot be read; what can be read of it is kept")]);
  for (let i = 0; i < 2; i++) again.log.ack((await again.log.take()) as Entry);
  await append(again.log, "fourth");
  await again.log.close();
  expect(segments(disk)).toContain(`${segment}.corrupt`);
  const last = await open(disk);
  expect(await texts(last.log)).toEqual(["fourth"]);
  expect(last.problems).toEqual([]);
});

it("takes nothing that a client wrote into a payload for a record, not even where one is damaged", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  await append(log, "first");
  const [segment] = segments(disk) as [string];
  const record = Buffer.from(disk.bytesOf(segment).subarray(24));
  record.writeDoubleLE(99, 16); // as a client would, who does not know the salt
  await log.append(Buffer.concat([Buffer.alloc(40), record]), "evil");
  await append(log, "third");
  disk.damage(segment, disk.bytesOf(segment).indexOf("evil"));
  const again = await open(disk.processDies());
  expect(await texts(again.log)).toEqual(["first", "third"]);
});

it("believes the next segment where one has entries that were refused and could not be cut", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  await append(log, "first");
  const [old] = segments(disk) as [string];
  const left = disk.processDies();
  const write = async (path: string, position: number, bytes: Buffer) => {
    const file = await left.open(path, "write");
    await file.write(bytes, position);
  };
  const record = (salt: number, text: string) => {
    const bytes = Buffer.alloc(recordBytes(text, Buffer.from(text)));
    writeRecord(bytes, 0, salt, { kind: 1, offset: 2, syncedBytes: 24, timeMs: 0, id: text }, Buffer.from(text));
    return bytes;
  };
  await write(old, left.bytesOf(old).length, record(Number.parseInt(old.slice(-12, -4), 16), "refused"));
  await write(`${DIR}/0000000000000002-000000ff.log`, 0, Buffer.concat([writeHeader(2), record(255, "second")]));
  expect(await texts((await open(left)).log)).toEqual(["first", "second"]);
});

it("never syncs a segment again whose sync has failed: those who waited are told, the next go to a new one", async () => {
  const disk = simulated();
  const { log, problems } = await open(disk);
  await append(log, "first");
  disk.faults.failingSyncs = 1;
  expect(await append(log, "a", "b")).toMatchObject([{ code: "failed", retryable: true }, { code: "failed" }]);
  expect(problems).toEqual([expect.stringContaining("EIO")]);
  const [old] = segments(disk) as [string];
  const before = disk.journal.length;
  await append(log, "second");
  expect(disk.journal.slice(before).filter((what) => what.endsWith(old))).toEqual([]);
  const again = await open(disk.powerFails());
  expect(await texts(again.log)).toEqual(["first", "second"]);
});

it("answers full where there is no room, and takes entries again when there is", async () => {
  let nowMs = 0;
  const disk = simulated();
  const { log, problems } = await open(disk, { nowMs: () => nowMs });
  await append(log, "first");
  disk.faults.capacityBytes = 0;
  for (let i = 0; i < 5; i++) expect(await append(log, "a")).toMatchObject([{ code: "full", retryable: true }]);
  expect(log.state().full).toBe(true);
  expect(problems).toHaveLength(1);
  disk.faults.capacityBytes = 1e6;
  nowMs += 1000;
  expect(await append(log, "second")).toMatchObject([{ id: "id-second" }]);
  expect(log.state().full).toBe(false);
  expect(await texts(log)).toEqual(["first", "second"]);
});

it("answers full at bytesMax, and takes entries again when others are done", async () => {
  const { log } = await open(simulated(), { bytesMax: 1000, segmentBytes: 300 });
  const large = (letter: string) => letter.repeat(200);
  await append(log, large("a"));
  await append(log, large("b"));
  expect(await append(log, large("c"), large("d"))).toMatchObject([{ offset: 3 }, { code: "full" }]);
  for (let i = 0; i < 2; i++) log.ack((await log.take()) as Entry);
  await expect.poll(async () => (await append(log, large("e")))[0]).toMatchObject({ offset: 4 });
});

it("refuses what it cannot hold, each with its reason", async () => {
  const { log } = await open(simulated(), { payloadBytesMax: 10, waitingBytesMax: 85 });
  expect(await append(log, "x".repeat(11))).toMatchObject([{ code: "tooLarge", retryable: false }]);
  expect(await log.append(Buffer.from("x"), "a/b")).toMatchObject({ code: "badId" });
  const answers = await append(log, "1234567890", "a", "b");
  expect(answers.map((answer) => (answer as LogFailure).code)).toEqual([undefined, undefined, "busy"]);
});

it("writes a dead letter down, with its reason and its event as it was, before the entry is done", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  await log.append(Buffer.from('{"n":12345678901234567890,\n "s":",\\"event\\":"}'), "dead");
  await log.append(Buffer.from([0xff, 0x00]), "bytes");
  const before = disk.journal.length;
  for (let i = 0; i < 2; i++)
    expect(await log.deadLetter((await log.take()) as Entry, 'no "such" bucket')).toBe(undefined);
  expect(disk.journal.slice(before, before + 2)).toEqual(
    ["write", "sync"].map((what) => `${what} ${DIR}/dead-letters.ndjson`),
  );
  const [line, other] = disk.bytesOf(`${DIR}/dead-letters.ndjson`).toString().split("\n") as [string, string];
  expect(line).toMatch(/"event":\{"n":12345678901234567890, {2}"s":",\\"event\\":"\}\}$/);
  expect(JSON.parse(line)).toMatchObject({ id: "dead", offset: 1, reason: 'no "such" bucket', attempts: 0 });
  expect(JSON.parse(other)).toMatchObject({ id: "bytes", base64: "/wA=" });
  expect(log.state()).toMatchObject({ depth: 0, deadLetters: 2 });
});

it("keeps an entry in flight whose dead letter cannot be written", async () => {
  const disk = simulated();
  const { log } = await open(disk);
  await append(log, "a");
  disk.faults.failingWrites = 1;
  const entry = (await log.take()) as Entry;
  expect(await log.deadLetter(entry, "why")).toMatchObject({ code: "failed" });
  expect(log.state()).toMatchObject({ depth: 1, inFlight: 1, deadLetters: 0 });
  expect(await log.deadLetter(entry, "why")).toBe(undefined);
  await log.close();
  expect((await open(disk)).log.state()).toMatchObject({ depth: 0, deadLetters: 1 });
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "agglo-log-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

it("works on real files: thousands of entries, many takers, closed and opened again", async () => {
  const dir = join(folder(), "made", "here");
  const options = { dir, segmentBytes: 64 * 1024 };
  const { log } = await open(nodeDisk(), options);
  const names = Array.from({ length: 3000 }, (_, i) => `event-${i}`);
  await append(log, ...names);
  expect(log.state().depth).toBe(3000);
  for (let i = 0; i < 1000; i++) log.ack((await log.take()) as Entry);
  await log.close();
  const again = await open(nodeDisk(), options);
  expect(again.problems).toEqual([]);
  const taken: string[] = [];
  const taker = async () => {
    for (let entry = await again.log.take(); entry !== undefined; entry = await again.log.take()) {
      taken.push(Buffer.from(entry.payload).toString());
      again.log.ack(entry);
      if (taken.length === 2000) again.log.endTaking();
    }
  };
  await Promise.all(Array.from({ length: 10 }, taker));
  expect(taken).toEqual(names.slice(1000));
  await again.log.close();
  expect(readdirSync(dir).filter((name) => name.endsWith(".log"))).toHaveLength(1);
  expect(readdirSync(dir)).not.toContain("lock");
});

it("keeps a second process out, and takes a dead one's lock over", async () => {
  const dir = folder();
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  const started = execFileSync("cat", [`/proc/${child.pid}/stat`])
    .toString()
    .split(") ")[1]
    ?.split(" ")[19];
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  writeFileSync(join(dir, "lock"), JSON.stringify({ pid: child.pid, startedAt: `${boot} ${started}` }));
  const options = { dir, disk: nodeDisk(), nowMs: Date.now, timers: nodeTimers(), onProblem: () => undefined };
  expect(await openLog(options)).toMatchObject({ code: "locked", message: `${dir} is in use by process ${child.pid}` });
  child.kill("SIGKILL");
  await once(child, "exit");
  const { log } = await open(nodeDisk(), { dir });
  expect(await openLog(options)).toMatchObject({ code: "locked" });
  // An id that was given again: the same number, started at another time.
  writeFileSync(join(dir, "lock"), JSON.stringify({ pid: process.pid, startedAt: `${boot} 1` }));
  const again = await open(nodeDisk(), { dir });
  await Promise.all([log.close(), again.log.close()]);
});

it.runIf(process.platform === "linux")("says where no folder can be made, and does not try for ever", async () => {
  const options = { disk: nodeDisk(), nowMs: Date.now, timers: nodeTimers(), onProblem: () => {} };
  const opened = await openLog({ dir: "/proc/agglo/queue", ...options });
  expect(opened).toMatchObject({ code: "failed", message: expect.stringContaining("ENOENT") });
});
