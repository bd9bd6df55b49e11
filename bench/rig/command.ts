/** How a benchmark begins and ends: everything that it started ends with it, whatever happens. */
import { MissingProgram } from "../../tools/missing-program.ts";
import { stopEverything } from "./processes.ts";

/** stdout is for the results. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Ends the process with what `main` answers; 69 where a program is missing, 130 after Ctrl-C. `name` is for messages. */
export function runCommand(name: string, main: () => Promise<number>): void {
  // Ctrl-C reaches the children too, so that what waits for them fails; that is no error then.
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
    void stopEverything().finally(() => process.exit(130));
  };
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  main().then(
    (code) => stopEverything().finally(() => process.exit(code)),
    (error: unknown) => {
      if (interrupted) return;
      const missing = error instanceof MissingProgram;
      say(missing ? error.message : `${name}: ${error instanceof Error ? error.stack : error}`);
      void stopEverything().finally(() => process.exit(missing ? error.exitCode : 70));
    },
  );
}
