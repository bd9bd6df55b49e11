/**
 * Events out as JSON text, for nginx: stands in for engine/core/event/write.ts in the bundle. What nobody changed keeps its
 * bytes; what was changed is printed anew and whole, because splicing costs njs more than printing.
 */
import type { Event } from "../engine/core/event/event.ts";
import type { JsonObject, JsonValue } from "../engine/core/event/json.ts";

export function writeEvent(event: Event): string {
  return writeValue(event, event.value);
}

export function writeValue(event: Event, value: JsonObject): string {
  return event.parsed === value ? event.text.slice(event.start, event.end) : JSON.stringify(value);
}

export function stringify(value: JsonValue): string {
  return JSON.stringify(value);
}
