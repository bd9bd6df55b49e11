/** A real Envoy for `npm start` and the tests: on ports of its own, in a folder of its own, ended by its id. */
import type { ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ended, spawnInto } from "./child.ts";
import { envoyPath } from "./programs.ts";
import { runProgram } from "./run-program.ts";

export type RunningEnvoy = {
  /** of the listener */
  port: number;
  /** host and port of the admin interface */
  admin: string;
  /** what it has written so far, the access log included */
  output(): Promise<string>;
  stop(): Promise<void>;
};

const START_TIMEOUT_MS = 30_000;

/** Starts Envoy with the text of a bootstrap whose ports are 0, and waits until it takes traffic. */
export async function startEnvoy(bootstrap: string): Promise<RunningEnvoy> {
  const program = await envoyPath();
  const folder = await mkdtemp(join(tmpdir(), "agglo-envoy-"));
  const output = join(folder, "output");
  const adminFile = join(folder, "admin");
  await writeFile(join(folder, "envoy.yaml"), bootstrap);
  const args = ["-c", join(folder, "envoy.yaml"), "--admin-address-path", adminFile];
  const child = spawnInto(output, program, [...args, ...QUIET], "SIGKILL");
  const stop = async () => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const admin = await until(async () => await readyAdmin(adminFile), child);
    return { port: await listenerPort(admin), admin, output: () => readFile(output, "utf8"), stop };
  } catch (error) {
    const said = await readFile(output, "utf8").catch(() => "");
    await stop();
    throw new Error(`Envoy did not start:\n${said.slice(-3000)}`, { cause: error });
  }
}

const QUIET = ["--disable-hot-restart", "--concurrency", "1", "-l", "warning", "--file-flush-interval-msec", "50"];

/** What `--mode validate` complains of; the empty text when it does not. */
export async function validateEnvoy(bootstrap: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "agglo-envoy-"));
  try {
    await writeFile(join(folder, "envoy.yaml"), bootstrap);
    const args = ["--mode", "validate", "-c", join(folder, "envoy.yaml"), "-l", "warning"];
    const { code, output } = await runProgram(await envoyPath(), args, process.env, START_TIMEOUT_MS);
    return code === 0 ? "" : output;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first answer of `ask` that is not undefined. */
async function until<T>(ask: () => Promise<T | undefined>, child: ChildProcess): Promise<T> {
  for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end; await delay(20)) {
    if (child.exitCode !== null) throw new Error(`exit code ${child.exitCode}`);
    const answer = await ask().catch(() => undefined); // not there yet
    if (answer !== undefined) return answer;
  }
  throw new Error(`not ready within ${START_TIMEOUT_MS} ms`);
}

async function readyAdmin(file: string): Promise<string | undefined> {
  const admin = (await readFile(file, "utf8")).trim();
  const ready = await fetch(`http://${admin}/ready`);
  return ready.status === 200 ? admin : undefined;
}

async function listenerPort(admin: string): Promise<number> {
  const answer = await fetch(`http://${admin}/listeners?format=json`);
  const { listener_statuses } = (await answer.json()) as {
    listener_statuses: { local_address: { socket_address: { port_value: number } } }[];
  };
  return (listener_statuses[0] as (typeof listener_statuses)[number]).local_address.socket_address.port_value;
}
