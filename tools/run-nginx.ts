/** A real nginx for the tests and the bench, on the folder that `binge nginx` wrote: ended by its id, no root needed. */
import { readFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ended, spawnInto } from "./child.ts";

export type RunningNginx = {
  pid: number;
  port: number;
  /** what it has written so far to its error log */
  output(): string;
  /** of a file that it writes in its folder */
  read(name: string): string;
  stop(): Promise<void>;
};

const START_TIMEOUT_MS = 30_000;

/** Starts `program` in `folder`, whose nginx.conf listens on `port`; rejects with what it said. */
export async function startNginx(program: string, folder: string, port: number): Promise<RunningNginx> {
  // Started by root, its workers are "nobody".
  await chmod(folder, 0o755);
  const output = join(folder, "output");
  const child = spawnInto(output, program, ["-p", folder, "-c", "nginx.conf"], "SIGTERM");
  const said = () => readFileSync(output, "utf8");
  for (const end = Date.now() + START_TIMEOUT_MS; !(await answers(port)); await delay(20)) {
    if (child.exitCode === null && Date.now() < end) continue;
    await ended(child);
    throw new Error(`nginx did not start:\n${said().slice(-3000)}`);
  }
  return {
    pid: child.pid as number, // it runs
    port,
    output: said,
    read: (name) => readFileSync(join(folder, name), "utf8"),
    stop: () => ended(child),
  };
}

/** The process of a worker; Linux only. nginx listens before it has started one. */
export async function firstWorker(nginx: RunningNginx): Promise<number> {
  for (;;) {
    const worker = Number.parseInt(readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, "utf8"), 10);
    if (Number.isInteger(worker)) return worker;
    await delay(10);
  }
}

/** A port that nobody listens on just now: nginx takes none of its own choice. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
