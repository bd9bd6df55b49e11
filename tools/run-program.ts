/** Runs a program to its end and keeps what it printed: enough for `--version` and for pip. */
import { spawn } from "node:child_process";

/** `code` is null when it could not start, was killed, or took longer than `timeoutMs`. */
export interface Finished {
  readonly code: number | null;
  readonly output: string;
}

/** Never rejects: a program that is not there is an answer too. `output` is stdout and stderr as they came. */
export function runProgram(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeoutMs?: number,
): Promise<Finished> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    // Node's own timeout goes on after a program could not start, and keeps the process alive for as long.
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill(), timeoutMs);
    const end = (finished: Finished): void => {
      clearTimeout(timer);
      resolve(finished);
    };
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", () => end({ code: null, output: "" }));
    child.on("close", (code) => end({ code, output: Buffer.concat(chunks).toString("utf8") }));
  });
}
