/** `binge schema`: the JSON Schema of a configuration file, for editors. */
import { configurationSchema } from "../engine/config/schema.ts";
import { readArguments } from "./arguments.ts";
import { Exit } from "./exit.ts";

export const SCHEMA_HELP = `binge schema
  Prints the JSON Schema (2020-12) of configuration files: write it somewhere and name it as "$schema".`;

export async function schema(args: readonly string[]): Promise<number> {
  readArguments("schema", args, {}, false);
  process.stdout.write(`${JSON.stringify(configurationSchema(), null, 2)}\n`);
  return Exit.ok;
}
