/** Reading a configuration file for a verb: every complaint on stderr, the plan or an end. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Loaded, loadConfig } from "../engine/config/load.ts";
import { printDiagnostics } from "../engine/config/print.ts";
import type { Plan } from "../engine/core/plan.ts";
import { filesBeside } from "../engine/runtime/config-files.ts";
import type { Candidate } from "../engine/runtime/generations.ts";
import { re2Regexps } from "../engine/runtime/regexps.ts";
import { ajvSchemas } from "../engine/runtime/schemas.ts";
import { findSystem } from "../engine/systems/registry.ts";
import { Ending, Exit } from "./exit.ts";

export type Configuration = Loaded & { plan: Plan };

/**
 * Reads and checks; opens nothing. Throws an Ending when the file cannot be read. `onFile` is told of every other file
 * before it is read.
 */
export function readConfiguration(file: string, lenient = false, onFile?: (path: string) => void): Loaded {
  const regexps = re2Regexps();
  const schemas = ajvSchemas(regexps);
  const beside = filesBeside(file);
  const readFile = (name: string) => {
    onFile?.(resolve(dirname(file), name));
    return beside(name);
  };
  return loadConfig(readText(file), { file, regexps, schemas, readFile, systemForm: findSystem, lenient });
}

/** The plan of a file that is right; otherwise its complaints and exit 78. */
export function requireConfiguration(file: string, write: (text: string) => void): Configuration {
  const loaded = readConfiguration(file);
  if (loaded.diagnostics.length > 0) write(`${printDiagnostics(loaded.diagnostics, loaded.document, {})}\n`);
  const plan = loaded.plan;
  if (plan === undefined) throw new Ending(Exit.config, "");
  return { ...loaded, plan };
}

/**
 * What a server reads, again and again: never an exception. Complaints that do not keep the file from use go to `warn`;
 * `onFile` is told of every other file before it is read.
 */
export function readCandidate(file: string, warn: (text: string) => void, onFile: (path: string) => void): Candidate {
  let loaded: Loaded;
  try {
    loaded = readConfiguration(file, false, onFile);
  } catch (error) {
    if (error instanceof Ending) return { complaints: error.message };
    throw error;
  }
  const { plan, systems, document, diagnostics } = loaded;
  const printed = printDiagnostics(diagnostics, document, {});
  if (plan === undefined) return { complaints: printed };
  if (printed !== "") warn(printed);
  return { plan, systems, text: document.text };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    const why = code === "ENOENT" ? "there is no such file" : code;
    throw new Ending(Exit.config, `${file}: cannot read the configuration: ${why}`);
  }
}
