/** Opening what a file names: options with their secrets, one system after the other, all of them or none. */
import type { SystemConfig } from "../config/external-systems.ts";
import type { SystemError } from "../core/ports.ts";
import { failure, isSystemError } from "../systems/failure.ts";
import type { Memory } from "../systems/memory.ts";
import { findSystem } from "../systems/registry.ts";
import type { OpenedSystem } from "../systems/system.ts";
import { resolveFields, type SecretError, type Secrets } from "./secrets.ts";

export type OpenedSystems = {
  /** by keyOf */
  opened: Map<string, OpenedSystem>;
  /** why not all of them are open, in sentences; then none is */
  errors: string[];
};

/** What tells two systems of a file apart. */
export function keyOf(system: { type: string; name: string }): string {
  return `${system.type} ${system.name}`;
}

/** Secrets that the options of these systems name and nobody has. */
export function missingSecrets(systems: readonly SystemConfig[], secrets: Secrets): SecretError[] {
  return systems.flatMap((system) => {
    const connection = findSystem(system.type, system.connectionString);
    if ("error" in connection) return [];
    return resolveFields(connection.optionFields, system.options, secrets).errors;
  });
}

/** Opens one. A system that is only out of reach opens all the same: what is sent to it fails until it is there. */
export async function openSystem(
  system: SystemConfig,
  memory: Memory,
  secrets: Secrets,
): Promise<OpenedSystem | SystemError> {
  const connection = findSystem(system.type, system.connectionString);
  if ("error" in connection) return failure("connection", connection.error, false); // the loader refuses such a file
  const { options } = resolveFields(connection.optionFields, system.options, secrets);
  return connection.open({ name: system.name, memory, options });
}

export async function openSystems(
  systems: readonly SystemConfig[],
  memory: Memory,
  secrets: Secrets,
): Promise<OpenedSystems> {
  const opened = new Map<string, OpenedSystem>();
  const errors: string[] = [];
  for (const system of systems) {
    const result = await openSystem(system, memory, secrets);
    if (isSystemError(result)) errors.push(`system "${system.name}": ${result.message}`);
    else opened.set(keyOf(system), result);
  }
  if (errors.length > 0) await Promise.all([...opened.values()].map((system) => system.close()));
  return { opened, errors };
}
