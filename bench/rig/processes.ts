/** The processes of a benchmark: started when ready, known by their ids, and none left behind whatever happens, nor their files. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export type Running = {
  pid: number;
  /** SIGTERM, and after a while SIGKILL; resolves when it is gone */
  stop(): Promise<void>;
};

export type Finished = { code: number | null; stdout: string };

const children = new Set<ChildProcess>();
const folders: string[] = [];
const START_TIMEOUT_MS = 30_000;
// Our own server drains for longer than a benchmark wants to wait.
const STOP_TIMEOUT_MS = 500;
const SAID_CHARS_MAX = 100_000;

// The last line of defence: whatever ends the benchmark, no server and no file stays.
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A temporary folder that lives as long as the benchmark. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "agglo-bench-"));
  folders.push(folder);
  return folder;
}

/**
 * Starts a program and waits until `ready`, which sees what it has written so far, gives something. Rejects with what it
 * wrote when it ends before, or takes too long. What goes to an ignored stdout costs nobody anything; a number is a file.
 */
export async function startProcess<T>(
  file: string,
  args: readonly string[],
  ready: (said: string) => T | undefined | Promise<T | undefined>,
  stdout: "pipe" | "ignore" | number = "pipe",
): Promise<{ running: Running; found: T }> {
  const child = spawnChild(file, args, stdout, "pipe");
  let said = "";
  const listen = (chunk: Buffer) => {
    if (said.length < SAID_CHARS_MAX) said += chunk.toString("utf8");
  };
  child.stdout?.on("data", listen);
  child.stderr?.on("data", listen);
  for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end && isAlive(child); await delay(20)) {
    const found = await ready(said);
    if (found !== undefined) return { running: { pid: child.pid as number, stop: () => stop(child) }, found };
  }
  await stop(child);
  throw new Error(`${file} ${args.join(" ")} did not start:\n${said.slice(-3000)}`);
}

/** Runs a program to its end, at most `timeoutMs`; its stderr is ours. */
export function runToEnd(file: string, args: readonly string[], timeoutMs: number): Promise<Finished> {
  const child = spawnChild(file, args, "pipe", "inherit");
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let stdout = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("utf8");
  });
  return new Promise((resolve) => {
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout });
    });
  });
}

/** Ends everything that still runs. */
export async function stopEverything(): Promise<void> {
  await Promise.all([...children].map(stop));
}

type Output = "pipe" | "ignore" | "inherit" | number;

function spawnChild(file: string, args: readonly string[], stdout: Output, stderr: Output): ChildProcess {
  const child = spawn(file, args, { stdio: ["ignore", stdout, stderr] });
  children.add(child);
  child.once("close", () => children.delete(child));
  child.once("error", () => children.delete(child)); // could not start: "close" follows with a code
  return child;
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null && child.pid !== undefined;
}

async function stop(child: ChildProcess): Promise<void> {
  if (!isAlive(child)) return;
  const exit = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await exit;
  clearTimeout(timer);
}
