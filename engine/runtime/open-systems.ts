/** Opening what a file names: its options with their secrets, then the system itself. */
import type { SystemConfig } from "../config/external-systems.ts";
import type { JsonObject } from "../core/event/json.ts";
import type { SystemError } from "../core/ports.ts";
import { failure } from "../systems/failure.ts";
import type { Stores } from "../systems/memory.ts";
import { findSystem } from "../systems/registry.ts";
import type { OpenedSystem } from "../systems/system.ts";
import { resolveFields, type SecretError, type Secrets } from "./secrets.ts";

/** A system's options with the secrets in the place of their references, and those that nobody has. */
export function resolveOptions(system: SystemConfig, secrets: Secrets): { options: JsonObject; errors: SecretError[] } {
  const connection = findSystem(system.type, system.connectionString);
  if ("error" in connection) return { options: system.options, errors: [] };
  return resolveFields(connection.optionFields, system.options, secrets);
}

/** Secrets that the options of these systems name and nobody has. */
export function missingSecrets(systems: readonly SystemConfig[], secrets: Secrets): SecretError[] {
  return systems.flatMap((system) => resolveOptions(system, secrets).errors);
}

/**
 * Opens one, with resolved options. A system that is only out of reach opens all the same: what is sent to it fails until
 * it is there.
 */
export async function openSystem(
  system: SystemConfig,
  options: JsonObject,
  memory: Stores,
): Promise<OpenedSystem | SystemError> {
  const connection = findSystem(system.type, system.connectionString);
  if ("error" in connection) return failure("connection", connection.error, false); // the loader refuses such a file
  return connection.open({ name: system.name, memory, options });
}
