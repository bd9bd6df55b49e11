/**
 * What the original indexes of an event (agglo-behaviour 3.7): its top-level fields by kind, and the whole event as a
 * blob. Its mapping and its queries count on this form.
 */
import { isObject, type JsonObject, type JsonValue } from "../core/event/json.ts";

type Entry = { id: string; value: JsonValue };
export type SearchDocument = {
  numeric: Entry[];
  keywords: Entry[];
  text: Entry[];
  date: Entry[];
  /** the event, base64 */
  blob: string[];
  created?: string[];
};

/** Longer words are no keywords. Bytes. */
const KEYWORD_BYTES_MAX = 32;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** undefined: the bytes are no JSON object */
export function searchDocument(event: Uint8Array): SearchDocument | undefined {
  const bytes = Buffer.from(event.buffer, event.byteOffset, event.byteLength);
  const value = parse(bytes.toString("utf8"));
  if (!isObject(value)) return undefined;
  const document: SearchDocument = { numeric: [], keywords: [], text: [], date: [], blob: [bytes.toString("base64")] };
  for (const [id, field] of Object.entries(value)) addField(document, id, field);
  return document;
}

// Digits that a double does not hold are in the blob; numeric fields of an index are doubles themselves.
function parse(text: string): JsonObject | JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function addField(document: SearchDocument, id: string, value: JsonValue): void {
  if (typeof value === "number") document.numeric.push({ id, value });
  if (typeof value !== "string") return;
  const date = dateOf(value);
  if (date !== undefined && id === "created") document.created = [date];
  else if (date !== undefined) document.date.push({ id, value: date });
  else if (value.includes(" ")) document.text.push({ id, value });
  else if (Buffer.byteLength(value) <= KEYWORD_BYTES_MAX) document.keywords.push({ id, value });
}

/** `YYYY-MM-DD HH:MM:SS` in UTC; undefined: it is no RFC 3339 time. */
function dateOf(text: string): string | undefined {
  if (!RFC3339.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}
