/** `binge list`: the processes and systems there are. */
import { LATER_PROCESSES, processes } from "../engine/core/processes/registry.ts";
import { systems } from "../engine/systems/registry.ts";
import { readArguments } from "./arguments.ts";
import { Exit } from "./exit.ts";

export const LIST_HELP = `binge list
  Prints the processes and external systems there are, and those that are not there yet.`;

export async function list(args: readonly string[]): Promise<number> {
  readArguments("list", args, {}, false);
  const rows = processes.map(({ definition }) => [definition.key, definition.summary]);
  process.stdout.write(table("processes", rows, LATER_PROCESSES));
  const schemes = systems.map(({ definition }) => [
    definition.grammar,
    `${definition.summary} (${definition.types.join(", ")})`,
  ]);
  process.stdout.write(table("systems", schemes, []));
  return Exit.ok;
}

function table(title: string, rows: readonly (readonly string[])[], later: readonly string[]): string {
  const width = Math.max(...rows.map((row) => row[0]?.length ?? 0));
  const lines = rows.map(([name = "", summary = ""]) => `  ${name.padEnd(width)}  ${summary}`);
  if (later.length > 0) lines.push(`  not there yet: ${later.join(", ")}`);
  return `${title}\n${lines.join("\n")}\n`;
}
