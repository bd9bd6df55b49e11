/**
 * A server of somebody else's, for tests and examples: on loopback, with its data in a temporary folder, ended by its id.
 * It can be killed and started again with the same data on the same port.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export type Server = {
  /** Ends the process; SIGKILL leaves it no time to tidy up. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again, with the data it had. */
  start(): Promise<void>;
  /** It stands still, its connections open, as a machine that swaps or a disk that hangs. */
  pause(): void;
  resume(): void;
  /** Ends the process and removes its data. */
  end(): Promise<void>;
};

export type ServerProgram = {
  name: string;
  file: string;
  args: readonly string[];
  folder: string;
  /** resolves when it takes requests; rejects or says false while it does not */
  ready(): Promise<boolean>;
};

const START_TIMEOUT_MS = 60_000;

export async function startServer(program: ServerProgram): Promise<Server> {
  let child = await started(program);
  return {
    stop: (signal = "SIGTERM") => ended(child, signal),
    async start() {
      child = await started(program);
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async end() {
      child.kill("SIGCONT"); // one that stands still does not hear SIGTERM
      await ended(child, "SIGTERM");
      await rm(program.folder, { recursive: true, force: true });
    },
  };
}

export function serverFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `agglo-${name}-`));
}

/** A port that nobody listens on at the moment, for servers that cannot choose one and say which. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function started(program: ServerProgram): Promise<ChildProcess> {
  const output = join(program.folder, "output");
  const child = spawnInto(output, program);
  try {
    for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end; await delay(25)) {
      const isGone = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
      if (isGone) throw new Error(`exit code ${child.exitCode}`);
      if (await program.ready().catch(() => false)) return child; // not there yet
    }
    throw new Error(`not ready within ${START_TIMEOUT_MS} ms`);
  } catch (error) {
    const said = await readFile(output, "utf8").catch(() => "");
    await ended(child, "SIGKILL");
    throw new Error(`${program.name} did not start:\n${said.slice(-3000)}`, { cause: error });
  }
}

function spawnInto(output: string, { file, args, folder }: ServerProgram): ChildProcess {
  const fd = openSync(output, "a");
  try {
    const child = spawn(file, args, { stdio: ["ignore", fd, fd], cwd: folder });
    child.once("error", () => {}); // then it has no id, and `started` says so
    // Whoever started it may die without stopping it.
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    return child;
  } finally {
    closeSync(fd);
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
}
