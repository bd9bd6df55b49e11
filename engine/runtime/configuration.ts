/** Reading a configuration on Node, the one way for every host and command: RE2, JSON Schema, files beside it, systems. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Loaded, type LoadOptions, loadConfig } from "../config/load.ts";
import { findSystem } from "../systems/registry.ts";
import { filesBeside } from "./config-files.ts";
import { re2Regexps } from "./regexps.ts";
import { ajvSchemas } from "./schemas.ts";

export type ReadOptions = Pick<LoadOptions, "lenient" | "bind"> & {
  /** told of every file beside the configuration before it is read */
  onFile?: (path: string) => void;
};

/** Reads and checks the text of a configuration; opens nothing. `file` is its name, beside which others are found. */
export function loadText(text: string, file: string, options: ReadOptions = {}): Loaded {
  const regexps = re2Regexps();
  const schemas = ajvSchemas(regexps);
  const beside = filesBeside(file);
  const readFile = (name: string) => {
    options.onFile?.(resolve(dirname(file), name));
    return beside(name);
  };
  return loadConfig(text, { ...options, file, regexps, schemas, readFile, systemForm: findSystem });
}

/** The same of a file. An error says in words why the file cannot be read. */
export function loadFile(file: string, options: ReadOptions = {}): Loaded | { error: string } {
  try {
    return loadText(readFileSync(file, "utf8"), file, options);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error; // a bug of ours, no answer of the file system
    return { error: `${file}: cannot read the configuration: ${code === "ENOENT" ? "there is no such file" : code}` };
  }
}
