/** Where a verb writes what it makes: standard output or a file, with back-pressure. */
import { createWriteStream, openSync } from "node:fs";
import { finished } from "node:stream/promises";
import { errorCode } from "../engine/systems/failure.ts";
import { Ending, Exit } from "./exit.ts";

export type Output = {
  /** False: nobody reads on (`| head`), which is an end and no error. Throws an Ending where writing fails. */
  write(text: string): Promise<boolean>;
  /** Resolves when all of it is written. */
  close(): Promise<void>;
};

/** `file` is truncated; undefined: standard output. */
export function openOutput(file: string | undefined): Output {
  const stream = file === undefined ? process.stdout : createWriteStream(file, { fd: create(file) });
  let failed: unknown;
  let wake = (): void => {};
  stream.on("drain", () => wake());
  stream.on("error", (error) => {
    failed = error;
    wake();
  });
  const goesOn = (): boolean => {
    if (failed === undefined) return true;
    if (errorCode(failed) === "EPIPE") return false;
    // binge.ts says it of standard output
    throw new Ending(Exit.io, file === undefined ? "" : `${file}: cannot write: ${errorCode(failed)}`);
  };
  return {
    async write(text) {
      if (!goesOn()) return false;
      if (!stream.write(text)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (failed !== undefined) resolve();
        });
      }
      return goesOn();
    },
    async close() {
      if (!goesOn()) return;
      if (stream === process.stdout) await new Promise<void>((resolve) => void stream.write("", () => resolve()));
      else await finished(stream.end()).catch(() => undefined); // it is in `failed` too
      goesOn();
    },
  };
}

function create(file: string): number {
  try {
    return openSync(file, "w");
  } catch (error) {
    throw new Ending(Exit.cannotCreate, `${file}: cannot create it: ${errorCode(error)}`);
  }
}
