/**
 * Events out as JSON text, for nginx: stands in for engine/core/event/write.ts in the bundle. What nobody changed keeps its
 * bytes; what only gained members at the top gains them in its text; anything else is printed anew and whole, because
 * splicing inside costs njs more than printing.
 */
import type { Event } from "../engine/core/event/event.ts";
import { hasOwn, type JsonObject, type JsonValue } from "../engine/core/event/json.ts";

export function writeEvent(event: Event): string {
  return writeValue(event, event.value);
}

export function writeValue(event: Event, value: JsonObject): string {
  const parsed = event.parsed;
  if (parsed === value) return event.text.slice(event.start, event.end);
  const added = parsed === undefined ? "" : addedMembers(value, parsed);
  if (added === "") return JSON.stringify(value);
  const closing = event.text.lastIndexOf("}", event.end - 1);
  return event.text.slice(event.start, closing) + added + event.text.slice(closing, event.end);
}

/** Text of the members that `value` has and `parsed` has not; "" when that is not all that differs. */
function addedMembers(value: JsonObject, parsed: JsonObject): string {
  const before = Object.keys(parsed);
  const keys = Object.keys(value);
  if (keys.length <= before.length) return "";
  for (let i = 0; i < before.length; i++) {
    const key = before[i] as string;
    if (value[key] !== parsed[key] || !hasOwn(value, key)) return "";
  }
  let text = "";
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    if (hasOwn(parsed, key)) continue;
    const comma = text === "" && before.length === 0 ? "" : ",";
    text += `${comma}${JSON.stringify(key)}:${JSON.stringify(value[key])}`;
  }
  return text;
}

export function stringify(value: JsonValue): string {
  return JSON.stringify(value);
}
