/** `binge check FILE`: whether every external system of a file is there, tried without leaving anything behind. */
import { setTimeout as delay } from "node:timers/promises";
import type { SystemConfig } from "../engine/config/external-systems.ts";
import { missingSecrets, openSystem, resolveOptions } from "../engine/runtime/open-systems.ts";
import { newSecrets, type Secrets } from "../engine/runtime/secrets.ts";
import { failure, isSystemError } from "../engine/systems/failure.ts";
import { newMemory } from "../engine/systems/memory.ts";
import { readArguments } from "./arguments.ts";
import { requireConfiguration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";

export const CHECK_HELP = `binge check FILE
  Connects to every external system of FILE, writes and removes a probe where that is harmless, and prints what it found.
  Exit 69 when one is out of reach.`;

/** Systems bound their own probes; this is for one that does not. */
const PROBE_MS = 30_000;

type Row = { name: string; type: string; connection: string; ok: boolean; result: string };

export async function check(args: readonly string[]): Promise<number> {
  const { positionals } = readArguments("check", args, {}, true);
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) {
    throw new Ending(Exit.usage, "binge check: name one file; see binge --help");
  }
  const { plan, systems } = requireConfiguration(file, (text) => process.stderr.write(text));
  const secrets = newSecrets(process.env);
  const missing = missingSecrets(systems, secrets).map(({ error, remedy }) => `${file}: ${error}; ${remedy}`);
  if (missing.length > 0) throw new Ending(Exit.config, missing.join("\n"));
  // As tees show them: without any password.
  const shown = (system: SystemConfig) =>
    plan.targets.find((target) => target.type === system.type && target.name === system.name)?.connectionString ?? "";
  const rows = await Promise.all(systems.map((system) => tryOut(system, shown(system), secrets)));
  process.stdout.write(rows.length === 0 ? `${file}: names no external system\n` : secrets.mask(table(rows)));
  return rows.every((row) => row.ok) ? Exit.ok : Exit.unavailable;
}

async function tryOut(system: SystemConfig, connection: string, secrets: Secrets): Promise<Row> {
  const { name, type } = system;
  const started = performance.now();
  const { options } = resolveOptions(system, secrets);
  const opened = await openSystem(system, options, newMemory());
  if (isSystemError(opened)) return { name, type, connection, ok: false, result: opened.message };
  const late = new AbortController();
  const timeout = delay(PROBE_MS, failure("timeout", `no answer within ${PROBE_MS} ms`, true), { signal: late.signal });
  const probed = await Promise.race([opened.probe(), timeout]);
  late.abort();
  await opened.close();
  if (isSystemError(probed)) return { name, type, connection, ok: false, result: probed.message };
  const ms = Math.round(performance.now() - started);
  return { name, type, connection, ok: true, result: `${probed.found} (${ms} ms)` };
}

function table(rows: readonly Row[]): string {
  const cells = rows.map(({ name, type, connection, ok, result }) => [
    ok ? "ok" : "FAILED",
    name,
    type,
    connection,
    result.replaceAll(/\s+/g, " "),
  ]);
  const widths = ["", "", "", ""].map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  return cells.map((row) => `${row.map((text, i) => text.padEnd(widths[i] ?? 0)).join("  ")}\n`).join("");
}
