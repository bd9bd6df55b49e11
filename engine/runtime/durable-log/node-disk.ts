/** The disk of this machine. */

import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode } from "../../systems/failure.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { lockFile } from "./lock.ts";

const FLAGS = {
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  write: constants.O_RDWR | constants.O_CREAT,
  read: constants.O_RDONLY,
} as const;

/** Events are nobody else's to read. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

export function nodeDisk(): Disk {
  return {
    open: async (path, mode) => diskFile(await open(path, FLAGS[mode], FILE_MODE)),
    rename,
    unlink,
    list: (dir) => readdir(dir),
    makeFolder,
    async syncFolder(dir) {
      const folder = await open(dir, "r");
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
    lock: lockFile,
  };
}

// Node's `recursive` never ends where the kernel makes no folder and says ENOENT, as below /proc.
async function makeFolder(dir: string): Promise<void> {
  try {
    await makeOne(dir);
  } catch (error) {
    if (errorCode(error) !== "ENOENT" || dirname(dir) === dir) throw error;
    await makeFolder(dirname(dir));
    await makeOne(dir);
  }
}

async function makeOne(dir: string): Promise<void> {
  try {
    await mkdir(dir, { mode: FOLDER_MODE });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error; // a file of that name is said when it is used
  }
}

function diskFile(handle: FileHandle): DiskFile {
  return {
    write: async (bytes, position) => (await handle.write(bytes, 0, bytes.byteLength, position)).bytesWritten,
    read: async (target, position) => (await handle.read(target, 0, target.byteLength, position)).bytesRead,
    dataSync: () => handle.datasync(),
    truncate: (bytes) => handle.truncate(bytes),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}
