/**
 * A lock file: who made it holds it, until it is gone. It names its holder, so that one whose process has ended is taken
 * over. It works among the processes of one machine (or container) that see each other's ids; two containers that share a
 * volume do not.
 */
import { randomUUID } from "node:crypto";
import { link, readFile, unlink, writeFile } from "node:fs/promises";
import { errorCode } from "../../systems/failure.ts";
import type { Lock } from "./disk.ts";

/** `startedAt`: an id is given again, to another process, after a restart of the container even the same one. */
type Holder = { pid: number; startedAt: string };

/** Rejects as the disk does. */
export async function lockFile(path: string): Promise<Lock | { holder: string }> {
  const text = JSON.stringify({ pid: process.pid, startedAt: await startOf(process.pid) } satisfies Holder);
  if (await make(path, text)) return heldLock(path);
  const holder = await livingHolder(path);
  if (holder !== undefined) return { holder };
  // Only who has this second lock may take away the first: else two could, one of them another's new one.
  const taking = `${path}.takeover`;
  if ((await livingHolder(taking)) === undefined) await remove(taking);
  if (!(await make(taking, text))) return { holder: "a process that is starting" };
  try {
    const other = await livingHolder(path);
    if (other !== undefined) return { holder: other };
    await remove(path);
    return (await make(path, text)) ? heldLock(path) : { holder: "a process that is starting" };
  } finally {
    await remove(taking);
  }
}

function heldLock(path: string): Lock {
  return { release: () => remove(path) };
}

/** Whole or not at all: nobody reads a lock without its holder. */
async function make(path: string, text: string): Promise<boolean> {
  const own = `${path}.${randomUUID()}`;
  await writeFile(own, text, { mode: 0o600 });
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    await unlink(own);
  }
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (errorCode(error) !== "ENOENT") throw error;
  });
}

/** undefined: there is no lock, or its holder is dead. */
async function livingHolder(path: string): Promise<string | undefined> {
  let holder: Holder;
  try {
    holder = JSON.parse(await readFile(path, "utf8")) as Holder;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isAlive(holder.pid) || (await startOf(holder.pid)) !== holder.startedAt) return undefined;
  return `process ${holder.pid}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM"; // another user's
  }
}

/** When a process started, in ticks since which boot; "" where the system has no /proc, and the id must do. */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may have spaces; the start is field 22, the 20th behind it (proc_pid_stat(5)).
    return `${boot.trim()} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return "";
  }
}
