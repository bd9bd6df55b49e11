/** The command as a child process, for the tests of this folder and of test/e2e. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const BINGE = fileURLToPath(new URL("./binge.ts", import.meta.url));

type Ended = { code: number | null; stdout: string; stderr: string };

/** Runs the command in a folder. `said` waits for a text on stderr. */
export function startBinge(
  args: readonly string[],
  folder: string,
  env: NodeJS.ProcessEnv = {},
): {
  child: ChildProcess;
  ended: Promise<Ended>;
  said: (text: string) => Promise<string>;
} {
  const child = spawn(process.execPath, [BINGE, ...args], { cwd: folder, env: { ...process.env, ...env } });
  let stdout = "";
  let stderr = "";
  const waiting: (() => void)[] = [];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    for (const wake of waiting) wake();
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
  const said = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (stderr.includes(text)) resolve(stderr);
      };
      waiting.push(look);
      void ended.then(({ code }) => reject(new Error(`ended with ${code}: ${stderr}`)));
      look();
    });
  return { child, ended, said };
}
