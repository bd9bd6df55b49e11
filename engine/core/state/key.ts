/**
 * Keys of state: `<partition>:<pipeline>:as` and `<partition>:<pipeline>:<completer>:c:<value>`, the original's layout
 * with the pipeline in both. No two things share a key, and none is a prefix that anybody searches by (B34): colons in
 * names are escaped, and the value, in which anything may stand, comes last.
 */
import { decimalText } from "../event/decimal.ts";
import { isRawNumber, type JsonValue } from "../event/json.ts";

/** Longer texts of events name no state: keys are copied, compared and, in a store outside, limited. Characters. */
export const KEY_TEXT_MAX = 1024;

export function aggregationKey(partition: string, pipeline: string): string {
  return `${partition}:${part(pipeline)}:as`;
}

export function completionKey(partition: string, pipeline: string, completer: string, value: string): string {
  return `${partition}:${part(pipeline)}:${part(completer)}:c:${value}`;
}

function part(name: string): string {
  if (name.indexOf(":") === -1 && name.indexOf("%") === -1) return name;
  return name.split("%").join("%25").split(":").join("%3A");
}

/** A scalar with its type, so that 5 and "5" are two values (B15). "" for what cannot be joined by. */
export function joinText(value: JsonValue | undefined): string {
  if (typeof value === "string") return `s:${value}`;
  if (typeof value === "boolean") return `b:${value}`;
  if (typeof value === "number" || (value !== undefined && value !== null && isRawNumber(value))) {
    return `n:${decimalText(value)}`;
  }
  return "";
}
