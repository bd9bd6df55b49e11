/**
 * Events out as JSON text, for nginx: stands in for engine/core/event/write.ts in the bundle. What nobody changed keeps its
 * bytes; what only gained members at the top gains them in its text; anything else is printed anew and whole, because
 * splicing inside costs njs more than printing.
 */
import type { Event } from "../engine/core/event/event.ts";
import type { JsonObject, JsonValue } from "../engine/core/event/json.ts";

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
  const kept = before.length;
  const count = keys.length;
  if (count <= kept) return "";
  // A copy keeps the order of what it copies, so what it gained comes last; no member is undefined.
  for (let i = 0; i < kept; i++) {
    const key = before[i] as string;
    if (keys[i] !== key || value[key] !== parsed[key]) return "";
  }
  let text = "";
  for (let i = kept; i < count; i++) {
    const key = keys[i] as string;
    text += `${i === 0 ? "" : ","}${JSON.stringify(key)}:${JSON.stringify(value[key])}`;
  }
  return text;
}

export function stringify(value: JsonValue): string {
  return JSON.stringify(value);
}
