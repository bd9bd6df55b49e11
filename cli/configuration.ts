/** Reading a configuration file for a verb: every complaint on stderr, the plan or an end. */
import { readFileSync } from "node:fs";
import { type Loaded, loadConfig } from "../engine/config/load.ts";
import { printDiagnostics } from "../engine/config/print.ts";
import type { Plan } from "../engine/core/plan.ts";
import { filesBeside } from "../engine/runtime/config-files.ts";
import { re2Regexps } from "../engine/runtime/regexps.ts";
import { ajvSchemas } from "../engine/runtime/schemas.ts";
import { findSystem } from "../engine/systems/registry.ts";
import { Ending, Exit } from "./exit.ts";

export type Configuration = Loaded & { plan: Plan };

/** Reads and checks; opens nothing. Throws an Ending when the file cannot be read. */
export function readConfiguration(file: string, lenient = false): Loaded {
  const regexps = re2Regexps();
  const schemas = ajvSchemas(regexps);
  const readFile = filesBeside(file);
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

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    const why = code === "ENOENT" ? "there is no such file" : code;
    throw new Ending(Exit.config, `${file}: cannot read the configuration: ${why}`);
  }
}
