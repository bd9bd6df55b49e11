/**
 * Writes an event as JSON text: what no process touched is copied from the text it came from, byte for byte, white
 * space, escapes and numbers included; only what changed is written anew.
 *
 * The final tree is compared with the parsed one by identity. Processes share what they leave alone, so deletions,
 * moves and folds need no log of edits. A member that is new is appended; one that is gone leaves with its comma.
 */
import type { Event } from "./event.ts";
import { hasOwn, isArray, isObject, isRawNumber, type JsonArray, type JsonObject, type JsonValue } from "./json.ts";
import { type MemberCursor, nextMember, openContainer, skipSpace } from "./scan.ts";

/** The event's JSON text; the very text it came from when nothing changed. */
export function writeEvent(event: Event): string {
  return writeValue(event, event.value);
}

/** Writes `value`, a tree made from the event's (a tee's payload, say), using the event's text where it can. */
export function writeValue(event: Event, value: JsonObject): string {
  if (event.parsed === undefined) return stringify(value);
  if (value === event.parsed) return event.text.slice(event.start, event.end);
  const start = skipSpace(event.text, event.start);
  const stop = event.text.lastIndexOf("}", event.end - 1) + 1;
  const body = writeChanged(event.text, start, stop, value, event.parsed);
  return event.text.slice(event.start, start) + body + event.text.slice(stop, event.end);
}

/** Text of a value that came from nowhere. RawNumbers keep their text. */
export function stringify(value: JsonValue): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isRawNumber(value)) return value.text;
  let text = "";
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) text += (i === 0 ? "" : ",") + stringify(value[i] as JsonValue);
    return `[${text}]`;
  }
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    text += `${i === 0 ? "" : ","}${JSON.stringify(key)}:${stringify(value[key] as JsonValue)}`;
  }
  return `{${text}}`;
}

/** Looking for moved elements stays linear in the array: past this many looks per element the rest is written anew. */
const PROBES_PER_ELEMENT = 8;

/**
 * `value` as text, where `parsed` is what stands in text[start, end). Unchanged runs are
 * copied in one slice.
 */
function writeChanged(text: string, start: number, end: number, value: JsonValue, parsed: JsonValue): string {
  if (value === parsed) return text.slice(start, end);
  if (isObject(value) && isObject(parsed)) return writeObject(text, start, end, value, parsed);
  if (isArray(value) && isArray(parsed)) return writeArray(openContainer(text, start, end), value, parsed);
  return stringify(value);
}

/**
 * The text before the first and behind the last changed member goes over in one slice each; scanning ends with the last
 * change, so an added member costs no scan at all.
 */
function writeObject(text: string, start: number, end: number, value: JsonObject, parsed: JsonObject): string {
  const cursor = openContainer(text, start, end);
  let left = changedMembers(value, parsed); // of the parsed members, still to come
  let kept = 0; // members written so far; only whether there are any matters
  let out = "{";
  let copyFrom = -1; // start of an unchanged run not yet written
  while (left > 0 && nextMember(cursor)) {
    const key = cursor.key;
    const was = parsed[key] as JsonValue;
    const present = hasOwn(value, key);
    if (present && value[key] === was) {
      if (copyFrom === -1) {
        if (kept > 0) out += ",";
        copyFrom = cursor.from;
      }
      kept++;
      continue;
    }
    left--;
    if (copyFrom !== -1) out += text.slice(copyFrom, cursor.from - 1);
    copyFrom = -1;
    if (!present) continue;
    if (kept > 0) out += ",";
    out += text.slice(cursor.from, cursor.valueStart);
    out += writeChanged(text, cursor.valueStart, cursor.valueEnd, value[key] as JsonValue, was);
    out += text.slice(cursor.valueEnd, cursor.to);
    kept++;
  }
  const rest = restOf(text, cursor.to, end - 1, kept);
  if (rest !== "") kept++;
  return `${out}${rest}${addedMembers(value, parsed, kept)}}`;
}

/** How many members of `parsed` are other, or gone, in `value`. */
function changedMembers(value: JsonObject, parsed: JsonObject): number {
  let count = 0;
  const keys = Object.keys(parsed);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    if (value[key] !== parsed[key] || !hasOwn(value, key)) count++;
  }
  return count;
}

// From the comma or bracket the cursor stands on to the closing bracket. A comma has no place where nothing is before it.
function restOf(text: string, from: number, closing: number, kept: number): string {
  if (skipSpace(text, from + 1) >= closing) return "";
  return text.slice(kept === 0 ? from + 1 : from, closing);
}

function addedMembers(value: JsonObject, parsed: JsonObject, kept: number): string {
  let added = "";
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    if (hasOwn(parsed, key)) continue;
    added += `${kept === 0 && added === "" ? "" : ","}${JSON.stringify(key)}:${stringify(value[key] as JsonValue)}`;
  }
  return added;
}

function writeArray(cursor: MemberCursor, value: JsonArray, parsed: JsonArray): string {
  const sameLength = value.length === parsed.length;
  let probes = PROBES_PER_ELEMENT * parsed.length;
  let out = "[";
  let at = -1; // index in `parsed` of the element under the cursor
  for (let i = 0; i < value.length; i++) {
    const element = value[i] as JsonValue;
    let source = i;
    if (!sameLength) {
      // Elements went or came: find this one behind the last one found.
      source = at + 1;
      while (source < parsed.length && parsed[source] !== element && probes-- > 0) source++;
      if (parsed[source] !== element) source = -1;
    }
    if (i > 0) out += ",";
    if (source === -1) {
      out += stringify(element);
      continue;
    }
    while (at < source && nextMember(cursor)) at++;
    out += cursor.text.slice(cursor.from, cursor.valueStart);
    out += writeChanged(cursor.text, cursor.valueStart, cursor.valueEnd, element, parsed[source] as JsonValue);
    out += cursor.text.slice(cursor.valueEnd, cursor.to);
  }
  return `${out}]`;
}
