/** Starting a runtime for a verb: what is missing ends it with a sentence and the right code. */
import { type Runtime, StartError, startRuntime } from "../engine/runtime/runtime.ts";
import type { RuntimeOptions } from "../engine/runtime/standing.ts";
import type { Configuration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";

export async function startOrEnd(configuration: Configuration, options: RuntimeOptions): Promise<Runtime> {
  try {
    return await startRuntime(configuration.plan, configuration.systems, options);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    const file = configuration.document.file;
    const text = error.message
      .split("\n")
      .map((line) => `${file}: ${line}`)
      .join("\n");
    throw new Ending(error.configuration ? Exit.config : Exit.unavailable, text);
  }
}
