/** The external systems of a file: what each is called, how its connection string reads, and its options. */

import type { Fields } from "../core/definition.ts";
import { complain, type Report } from "../core/diagnostic.ts";
import { type JsonObject, newObject } from "../core/event/json.ts";
import type { Plan } from "../core/plan.ts";
import type { SystemType } from "../core/ports.ts";
import { type CheckContext, checkFields, isClean } from "./check.ts";

/** How a connection string is to be understood, or why it cannot; engine/systems knows. */
export type SystemForm =
  | { outputType: string; connectionString: string /** left out: it has no options */; optionFields?: Fields }
  | { code: "E_CONNECTION"; error: string; remedy: string };

export type FindForm = (type: SystemType, connectionString: string) => SystemForm;

/** `options` as the system's own fields describe them; secrets in them still are references. */
export type SystemConfig = { type: SystemType; name: string; connectionString: string; options: JsonObject };

export type ExternalConfig = { externalType: number; name: string; connectionString: string; options?: JsonObject };

// The enum's numbers are the original's (agglo-behaviour 1.2); 0, "unknown", is not among the grammar's values.
const TYPES_BY_NUMBER: readonly (SystemType | undefined)[] = [
  undefined,
  "ExternalKVStore",
  "ExternalObjectStore",
  "ExternalPubSub",
  "ExternalHttp",
  "ExternalLocalFile",
  "ExternalSearchIndex",
];

/** Reads them, and gives the plan a target for each, wrong ones included. An element that is wrong may be null. */
export function readSystems(
  externals: readonly (ExternalConfig | null)[],
  plan: Plan,
  findForm: FindForm,
  context: CheckContext,
): SystemConfig[] {
  const systems: SystemConfig[] = [];
  for (const [i, external] of externals.entries()) {
    if (external === null || !isClean(context.report, ["externalSystems", i])) {
      // Still a name that tees may use: one mistake is one complaint.
      plan.targets.push({
        type: "ExternalKVStore",
        name: external?.name ?? "",
        outputType: "",
        connectionString: "",
      });
      continue;
    }
    const type = TYPES_BY_NUMBER[external.externalType] as SystemType; // the grammar allows 1 to 6
    complainOfDuplicate(systems, type, external.name, i, context.report);
    const { name, connectionString } = external;
    const form = findForm(type, connectionString);
    systems.push({ type, name, connectionString, options: readOptions(form, external, i, context) });
    const shown = "error" in form ? { outputType: "", connectionString: "" } : form;
    plan.targets.push({ type, name, outputType: shown.outputType, connectionString: shown.connectionString });
  }
  return systems;
}

function complainOfDuplicate(
  systems: readonly SystemConfig[],
  type: SystemType,
  name: string,
  index: number,
  report: Report,
): void {
  if (!systems.some((other) => other.type === type && other.name === name)) return;
  const message = `two systems of type ${type} are called "${name}"`;
  complain(report, "E_DUPLICATE_NAME", ["externalSystems", index, "name"], message, "rename one");
}

function readOptions(form: SystemForm, external: ExternalConfig, index: number, context: CheckContext): JsonObject {
  const at = ["externalSystems", index];
  if ("error" in form) {
    complain(context.report, form.code, [...at, "connectionString"], form.error, form.remedy);
    return newObject();
  }
  return checkFields(form.optionFields ?? {}, external.options ?? {}, [...at, "options"], context) ?? newObject();
}
