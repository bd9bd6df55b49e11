/** A program that runs beside us until it is ended by its id, what it says written to a file. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/** `atExit`: the signal it gets when we end without having stopped it. */
export function spawnInto(output: string, file: string, args: string[], atExit: NodeJS.Signals): ChildProcess {
  const fd = openSync(output, "a");
  try {
    const child = spawn(file, args, { stdio: ["ignore", fd, fd] });
    // Whoever started it may die without stopping it.
    const kill = () => child.kill(atExit);
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    return child;
  } finally {
    closeSync(fd);
  }
}

/** Asks it to stop, and waits until it has. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  await exit;
}
