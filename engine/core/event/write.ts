/**
 * Writes an event as JSON text: what no process touched is copied from the text it came from, byte for byte, white
 * space, escapes and numbers included; only what changed is written anew.
 *
 * The final tree is compared with the parsed one by identity. Processes share what they leave alone, so deletions,
 * moves and folds need no log of edits. A member that is new is appended; one that is gone leaves with its comma.
 */
import type { Event } from "./event.ts";
import { hasOwn, isArray, isObject, isRawNumber, type JsonArray, type JsonObject, type JsonValue } from "./json.ts";
import { endValue, isComma, nextMember, nextValue, openContainer, skipElements, skipSpace, valueEnd } from "./scan.ts";

/** The event's JSON text; the very text it came from when nothing changed. */
export function writeEvent(event: Event): string {
  return writeValue(event, event.value);
}

/** Writes `value`, a tree made from the event's (a tee's payload, say), using the event's text where it can. */
export function writeValue(event: Event, value: JsonObject): string {
  const text = event.text;
  if (event.parsed === undefined) return stringify(value);
  if (value === event.parsed) return text.slice(event.start, event.end);
  const closing = text.lastIndexOf("}", event.end - 1);
  const splice: Splice = { text, end: event.end, out: "", copied: event.start };
  spliceObject(splice, skipSpace(text, event.start), closing, value, event.parsed);
  return splice.out + text.slice(splice.copied, event.end);
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

/** The text being written: `out`, then what lies behind `copied` as it stands. Edits come in the order of the text. */
type Splice = { readonly text: string; readonly end: number; out: string; copied: number };

function replace(splice: Splice, from: number, to: number, by: string): void {
  splice.out += splice.text.slice(splice.copied, from) + by;
  splice.copied = to;
}

/** Edits the value that begins at `start`, and was `parsed`, into `value`. */
function spliceValue(splice: Splice, start: number, value: JsonValue, parsed: JsonValue): void {
  if (isObject(value) && isObject(parsed)) {
    spliceObject(splice, start, -1, value, parsed);
  } else if (isArray(value) && isArray(parsed) && value.length === parsed.length) {
    spliceArray(splice, start, value, parsed);
  } else {
    const end = valueEnd(splice.text, start, splice.end);
    const isMoved = isArray(value) && isArray(parsed);
    replace(splice, start, end, isMoved ? moveElements(splice.text, start, end, value, parsed) : stringify(value));
  }
}

/** `closing` is the offset of the closing brace where it is known, else -1. Looks no further than to the last change. */
function spliceObject(splice: Splice, start: number, closing: number, value: JsonObject, parsed: JsonObject): void {
  const text = splice.text;
  const cursor = openContainer(text, start, splice.end);
  let left = changedMembers(value, parsed); // still to come
  let kept = 0; // members before the cursor that stay
  let gone = 0;
  while (left > 0 && nextValue(cursor)) {
    const key = cursor.key;
    const was = parsed[key] as JsonValue;
    if (!hasOwn(value, key)) {
      endValue(cursor);
      // Its comma goes along: the one in front, or, where nothing is in front, the one behind.
      if (kept > 0) replace(splice, cursor.from - 1, cursor.to, "");
      else replace(splice, cursor.from, isComma(text, cursor.to) ? cursor.to + 1 : cursor.to, "");
      gone++;
      left--;
      continue;
    }
    kept++;
    if (value[key] !== was) {
      left--;
      spliceValue(splice, cursor.valueStart, value[key] as JsonValue, was);
    }
    if (left > 0) endValue(cursor);
  }
  const added = addedMembers(value, parsed, Object.keys(parsed).length > gone);
  if (added === "") return;
  const at = closing === -1 ? valueEnd(text, start, splice.end) - 1 : closing;
  replace(splice, at, at, added);
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

function addedMembers(value: JsonObject, parsed: JsonObject, hasOthers: boolean): string {
  let added = "";
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    if (hasOwn(parsed, key)) continue;
    added += `${added !== "" || hasOthers ? "," : ""}${JSON.stringify(key)}:${stringify(value[key] as JsonValue)}`;
  }
  return added;
}

// Of equal length: each element is the one that was there, or was made from it.
function spliceArray(splice: Splice, start: number, value: JsonArray, parsed: JsonArray): void {
  let pos = start + 1;
  let at = 0; // index of the element that begins at `pos`
  for (let i = nextChange(value, parsed, 0); i < value.length; i = nextChange(value, parsed, i + 1)) {
    pos = skipElements(splice.text, pos, splice.end, i - at);
    at = i;
    spliceValue(splice, skipSpace(splice.text, pos), value[i] as JsonValue, parsed[i] as JsonValue);
  }
}

function nextChange(value: JsonArray, parsed: JsonArray, from: number): number {
  let i = from;
  while (i < value.length && value[i] === parsed[i]) i++;
  return i;
}

/** Looking for moved elements stays linear in the array: past this many looks per element the rest is written anew. */
const PROBES_PER_ELEMENT = 8;

/** Text of an array that lost or gained elements: each is looked for behind the one found last. */
function moveElements(text: string, start: number, end: number, value: JsonArray, parsed: JsonArray): string {
  const cursor = openContainer(text, start, end);
  let probes = PROBES_PER_ELEMENT * parsed.length;
  let out = "[";
  let at = -1; // index in `parsed` of the element under the cursor
  for (let i = 0; i < value.length; i++) {
    const element = value[i] as JsonValue;
    let source = at + 1;
    while (source < parsed.length && parsed[source] !== element && probes-- > 0) source++;
    if (i > 0) out += ",";
    if (parsed[source] !== element) {
      out += stringify(element);
      continue;
    }
    while (at < source && nextMember(cursor)) at++;
    out += text.slice(cursor.from, cursor.to);
  }
  return `${out}]`;
}
