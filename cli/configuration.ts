/** Reading a configuration file for a verb: every complaint on stderr, the plan or an end. */
import type { Loaded } from "../engine/config/load.ts";
import { printDiagnostics } from "../engine/config/print.ts";
import type { Plan } from "../engine/core/plan.ts";
import { loadFile, type ReadOptions } from "../engine/runtime/configuration.ts";
import type { Candidate } from "../engine/runtime/generations.ts";
import { Ending, Exit } from "./exit.ts";

export type Configuration = Loaded & { plan: Plan };

/** Reads and checks; opens nothing. Throws an Ending when the file cannot be read. */
export function readConfiguration(file: string, options: ReadOptions = {}): Loaded {
  const loaded = loadFile(file, options);
  if ("error" in loaded) throw new Ending(Exit.config, loaded.error);
  return loaded;
}

/** The plan of a file that is right; otherwise its complaints and exit 78. */
export function requireConfiguration(
  file: string,
  write: (text: string) => void,
  options: ReadOptions = {},
): Configuration {
  const loaded = readConfiguration(file, options);
  if (loaded.diagnostics.length > 0) write(`${printDiagnostics(loaded.diagnostics, loaded.document, {})}\n`);
  const plan = loaded.plan;
  if (plan === undefined) throw new Ending(Exit.config, "");
  return { ...loaded, plan };
}

/**
 * What a server reads, again and again: never an exception. Complaints that do not keep the file from use go to `warn`.
 */
export function readCandidate(file: string, options: ReadOptions, warn: (text: string) => void): Candidate {
  const loaded = loadFile(file, options);
  if ("error" in loaded) return { complaints: loaded.error };
  const { plan, systems, document, diagnostics } = loaded;
  const printed = printDiagnostics(diagnostics, document, {});
  if (plan === undefined) return { complaints: printed };
  if (printed !== "") warn(printed);
  return { plan, systems, text: document.text };
}
