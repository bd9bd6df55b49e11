/** A transformer's spec as compiled, and how its result is written. */
import { copyObject, isObject, type JsonObject, type JsonValue, setOwn, typeName } from "../event/json.ts";
import { type Path, withValueAt } from "../event/path.ts";
import type { Pattern } from "../ports.ts";
import type { Command } from "./command.ts";
import { type Argument, transformValue } from "./transformation.ts";

export type Spec = {
  /** undefined: the event itself */
  source: Path | undefined;
  target: Path;
  condition: number;
  type: number;
  argument: Argument;
  /** what makes the result; null: one of the transformations of our own */
  command: Command | null;
};

export type TransformerSettings = {
  forward: boolean;
  /** What it makes has the event's reserved keys too: they are forwarded, or the event itself is a source. */
  carriesReserved: boolean;
  specs: Spec[];
};

export type Transformed = { value: JsonObject; side: JsonObject };

/** Applies a spec without a command; "" or what is wrong. */
export function applySpec(spec: Spec, source: JsonValue, patterns: readonly Pattern[], result: Transformed): string {
  const made = transformValue(spec.type, spec.argument, source, patterns);
  return made.error !== "" ? made.error : writeMade(spec, made.value, result);
}

/** Writes what a spec made into `result`; "" or what is wrong. */
export function writeMade(spec: Spec, made: JsonValue, result: Transformed): string {
  if (spec.source === undefined) {
    if (!isObject(made)) return `the event cannot become ${typeName(made)}`;
    result.value = withMembers(result.value, made);
    return "";
  }
  const written = withValueAt(spec.target.reserved ? result.side : result.value, spec.target.names, made);
  if (written.blockedAt !== "") return `"${written.blockedAt}" on the way to the target is no object`;
  if (spec.target.reserved) result.side = written.value;
  else result.value = written.value;
  return "";
}

function withMembers(object: JsonObject, members: JsonObject): JsonObject {
  const copy = copyObject(object);
  const keys = Object.keys(members);
  for (let i = 0; i < keys.length; i++) setOwn(copy, keys[i] as string, members[keys[i] as string] as JsonValue);
  return copy;
}

/** A spec's complaint, with the place it is about. */
export function specError(index: number, spec: Spec, error: string): string {
  return `spec ${index} (${spec.source?.text ?? "the event"} to ${spec.target.text}): ${error}`;
}
