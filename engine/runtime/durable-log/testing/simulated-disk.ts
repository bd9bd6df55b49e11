/**
 * A disk in memory that does its worst within what a disk may do. What was not synced may be there after a power failure, or
 * not, each sector of 512 bytes for itself; names that the folder was not synced with come in their order, as far as they
 * come. A sync that fails drops what it should have written, and the next one says yes. Writes may be short.
 */
import type { Disk, DiskFile } from "../disk.ts";

const SECTOR_BYTES = 512;

export type Faults = {
  /** the room of all files together, as they are */
  capacityBytes: number;
  /** so many of the next writes fail with EIO, so many of the next syncs */
  failingWrites: number;
  failingSyncs: number;
  /** writes take a part of what they are given */
  shortWrites: boolean;
  /** operations until everything stops for ever; Infinity: never */
  operationsLeft: number;
};

type Write = { position: number; bytes: Buffer } | { truncate: number };
type Inode = { now: Buffer; durable: Buffer; pending: Write[] };
type FolderChange = { kind: "link"; name: string; inode: Inode } | { kind: "unlink"; name: string };

export type SimulatedDisk = Disk & {
  faults: Faults;
  /** syncs and writes in the order in which they were answered: `write NAME`, `sync NAME` */
  journal: string[];
  /** What is left when the power fails: a new disk, and nothing that still runs on this one goes on. */
  powerFails(): SimulatedDisk;
  /** What is left when the process is killed: all that was written. */
  processDies(): SimulatedDisk;
  /** One bit of a file turns. */
  damage(path: string, position: number): void;
  files(): string[];
  bytesOf(path: string): Buffer;
};

/** `random`: at least 0, less than 1. */
export function newSimulatedDisk(random: () => number): SimulatedDisk {
  return diskOf(deviceOf(random, { names: new Map(), durableNames: new Map(), changes: [] }));
}

type Device = {
  random(): number;
  names: Map<string, Inode>;
  durableNames: Map<string, Inode>;
  /** what was done to `durableNames` to make `names` of them, and not synced */
  changes: FolderChange[];
  faults: Faults;
  journal: string[];
  stopped: boolean;
};

function deviceOf(random: () => number, of: Pick<Device, "names" | "durableNames" | "changes">): Device {
  const faults: Faults = {
    capacityBytes: Number.POSITIVE_INFINITY,
    failingWrites: 0,
    failingSyncs: 0,
    shortWrites: false,
    operationsLeft: Number.POSITIVE_INFINITY,
  };
  return { random, ...of, faults, journal: [], stopped: false };
}

/** Takes its time, as a disk does; for ever, once the disk has stopped. */
async function operate<Result>(device: Device, run: () => Result): Promise<Result> {
  device.faults.operationsLeft--;
  if (device.faults.operationsLeft < 0) device.stopped = true;
  for (let turns = Math.floor(device.random() * 3); turns > 0; turns--) await undefined;
  if (device.stopped) return new Promise(() => undefined);
  return run();
}

function apply(change: FolderChange, to: Map<string, Inode>): void {
  if (change.kind === "link") to.set(change.name, change.inode);
  else to.delete(change.name);
}

function change(device: Device, what: FolderChange): void {
  apply(what, device.names);
  device.changes.push(what);
}

function fileOf(device: Device, path: string, inode: Inode): DiskFile {
  return {
    write: (bytes, position) => operate(device, () => write(device, path, inode, bytes, position)),
    read: (target, position) =>
      operate(device, () =>
        inode.now.copy(target, 0, Math.min(position, inode.now.length), position + target.byteLength),
      ),
    dataSync: () => operate(device, () => dataSync(device, path, inode)),
    truncate: (bytes) =>
      operate(device, () => {
        inode.now = cut(inode.now, bytes);
        inode.pending.push({ truncate: bytes });
      }),
    size: () => operate(device, () => inode.now.length),
    close: () => operate(device, () => undefined),
  };
}

function write(device: Device, path: string, inode: Inode, bytes: Uint8Array, position: number): number {
  const { faults, names, random, journal } = device;
  if (faults.failingWrites > 0) {
    faults.failingWrites--;
    throw diskError("EIO");
  }
  const used = [...names.values()].reduce((sum, one) => sum + one.now.length, 0);
  const room = faults.capacityBytes - used + inode.now.length - position;
  if (room <= 0) throw diskError("ENOSPC");
  let taken = Math.min(bytes.byteLength, room);
  if (faults.shortWrites) taken = Math.max(1, Math.floor(taken * random()));
  const part = Buffer.from(bytes.subarray(0, taken));
  inode.now = written(inode.now, position, part);
  inode.pending.push({ position, bytes: part });
  journal.push(`write ${path}`);
  return taken;
}

function dataSync({ faults, random, journal }: Device, path: string, inode: Inode): void {
  const fails = faults.failingSyncs > 0;
  if (fails) faults.failingSyncs--;
  for (const one of inode.pending) inode.durable = settled(inode.durable, one, fails ? random : () => 0);
  inode.pending = [];
  if (fails) throw diskError("EIO");
  journal.push(`sync ${path}`);
}

function diskOf(device: Device): SimulatedDisk {
  const { names, durableNames, changes, random, faults, journal } = device;
  const locks = new Set<string>();

  return {
    faults,
    journal,
    open: (path, mode) =>
      operate(device, () => {
        const known = names.get(path);
        if (known === undefined && mode === "read") throw diskError("ENOENT");
        if (known !== undefined && mode !== "create") return fileOf(device, path, known);
        const inode = { now: Buffer.alloc(0), durable: Buffer.alloc(0), pending: [] };
        change(device, { kind: "link", name: path, inode });
        return fileOf(device, path, inode);
      }),
    rename: (from, to) =>
      operate(device, () => {
        const inode = names.get(from);
        if (inode === undefined) throw diskError("ENOENT");
        change(device, { kind: "link", name: to, inode });
        change(device, { kind: "unlink", name: from });
      }),
    unlink: (path) =>
      operate(device, () => {
        if (!names.has(path)) throw diskError("ENOENT");
        change(device, { kind: "unlink", name: path });
      }),
    list: (dir) => operate(device, () => namesIn(dir, [...names.keys(), ...locks])),
    makeFolder: () => operate(device, () => undefined),
    syncFolder: () =>
      operate(device, () => {
        for (const one of changes.splice(0)) apply(one, durableNames);
      }),
    lock: (path) =>
      operate(device, () => {
        if (locks.has(path)) return { holder: "process 1" };
        locks.add(path);
        return { release: () => operate(device, () => void locks.delete(path)) };
      }),
    powerFails() {
      device.stopped = true;
      const kept = Math.floor(random() * (changes.length + 1));
      for (const one of changes.slice(0, kept)) apply(one, durableNames);
      const left = new Map<string, Inode>();
      for (const [path, inode] of durableNames) {
        let bytes = inode.durable;
        for (const one of inode.pending) bytes = settled(bytes, one, random);
        left.set(path, { now: bytes, durable: bytes, pending: [] });
      }
      return diskOf(deviceOf(random, { names: left, durableNames: new Map(left), changes: [] }));
    },
    processDies() {
      device.stopped = true;
      return diskOf(deviceOf(random, { names, durableNames, changes })); // the page cache stays, unsynced as it was
    },
    damage(path, position) {
      const inode = names.get(path);
      if (inode === undefined) throw new Error(`there is no ${path}`);
      inode.now = flipped(inode.now, position);
      inode.durable = flipped(inode.durable, position);
    },
    files: () => [...names.keys()].sort(),
    bytesOf: (path) => (names.get(path) as Inode).now,
  };
}

/** Files and folders, each once. */
function namesIn(dir: string, paths: readonly string[]): string[] {
  const inside = paths.filter((path) => path.startsWith(`${dir}/`));
  return [...new Set(inside.map((path) => path.slice(dir.length + 1).split("/")[0] as string))];
}

function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: the simulated disk fails`), { code });
}

function written(before: Buffer, position: number, bytes: Buffer): Buffer {
  const after = Buffer.alloc(Math.max(before.length, position + bytes.length));
  before.copy(after);
  bytes.copy(after, position);
  return after;
}

function cut(before: Buffer, length: number): Buffer {
  const after = Buffer.alloc(length);
  before.copy(after);
  return after;
}

/** What becomes of a write: each sector is there where `random` is under a half. */
function settled(before: Buffer, write: Write, random: () => number): Buffer {
  if ("truncate" in write) return random() < 0.5 ? cut(before, write.truncate) : before;
  let after = before;
  const end = write.position + write.bytes.length;
  for (let from = write.position; from < end; ) {
    const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    const part = write.bytes.subarray(from - write.position, to - write.position);
    if (random() < 0.5) after = written(after, from, part);
    from = to;
  }
  return after;
}

function flipped(before: Buffer, position: number): Buffer {
  const after = Buffer.from(before);
  after[position] = (after[position] as number) ^ 1;
  return after;
}
