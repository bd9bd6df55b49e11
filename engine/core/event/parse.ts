/** JSON text in, without loss: what `JSON.parse` would let through or round off is found here. */
import {
  hasOwn,
  isArray,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  newObject,
  newRawNumber,
  setOwn,
} from "./json.ts";
import {
  endValue,
  type MemberCursor,
  newScan,
  nextValue,
  openContainer,
  readString,
  scanText,
  skipSpace,
} from "./scan.ts";

/** Why a text is no event; each is a fault reason of http.md. */
export type ParseFault = "unparsable" | "ambiguous";

export type ParsedText = {
  fault: ParseFault | undefined;
  /** what is wrong, in words, without any of the text */
  detail: string;
  value: JsonValue;
};

/**
 * Parses text[start, end) as one JSON value. A text nested deeper than `depthMax` or with the same key twice in one
 * object is a fault: the one may kill a reader further on, of the other each reader sees another value.
 */
export function parseText(text: string, start: number, end: number, depthMax: number): ParsedText {
  const scan = newScan();
  scanText(text, start, end, depthMax, scan);
  const parsed: ParsedText = { fault: undefined, detail: "", value: null };
  if (scan.depth > depthMax) {
    parsed.fault = "unparsable";
    parsed.detail = `nested deeper than ${depthMax} levels`;
    return parsed;
  }
  try {
    parsed.value = JSON.parse(start === 0 && end === text.length ? text : text.slice(start, end)) as JsonValue;
  } catch {
    // The parser's message quotes the text: it is not passed on.
    parsed.fault = "unparsable";
    parsed.detail = "not valid JSON";
    return parsed;
  }
  if (scan.escapedKey || !scan.exact) readWhole(parsed, text, skipSpace(text, start), end);
  else if (countMembers(parsed.value) !== scan.members) setAmbiguous(parsed);
  return parsed;
}

function setAmbiguous(parsed: ParsedText): void {
  parsed.fault = "ambiguous";
  parsed.detail = "a key stands twice in one object";
}

/**
 * Reads valid JSON where JSON.parse loses something:
 * - numbers that a double does not give back become RawNumbers; at once and not when such a number moves, so that from
 *   here on identity alone tells where a value came from, and no process has to think of it;
 * - of a key with an escape in it V8 compares the source with a key that an earlier text had at its place, and may take
 *   that one (nodejs/node#63785): a client could hide `"\u0070assword"` from every rule.
 *
 * Texts without either, nearly all, do not come here.
 */
function readWhole(parsed: ParsedText, text: string, start: number, end: number): void {
  const whole = openContainer(text, start - 1, end);
  whole.valueStart = start;
  parsed.value = readMember(whole, parsed);
}

/** The value that nextValue stands at; moves the cursor behind it. `parsed` hears of keys that stand twice. */
function readMember(cursor: MemberCursor, parsed: ParsedText): JsonValue {
  const text = cursor.text;
  const first = text.charAt(cursor.valueStart);
  if (first === "{" || first === "[") {
    const inner = openContainer(text, cursor.valueStart, cursor.end);
    const value = inner.isObject ? readObject(inner, parsed) : readArray(inner, parsed);
    cursor.valueEnd = inner.to + 1;
    cursor.to = skipSpace(text, cursor.valueEnd);
    return value;
  }
  endValue(cursor);
  const source = text.slice(cursor.valueStart, cursor.valueEnd);
  if (first === '"') return readString(source);
  if (first === "t" || first === "f") return first === "t";
  if (first === "n") return null;
  const number = Number(source);
  return isExact(number, source) ? number : newRawNumber(source);
}

function readObject(members: MemberCursor, parsed: ParsedText): JsonObject {
  const object = newObject();
  while (nextValue(members)) {
    if (hasOwn(object, members.key)) setAmbiguous(parsed);
    setOwn(object, members.key, readMember(members, parsed));
  }
  return object;
}

function readArray(elements: MemberCursor, parsed: ParsedText): JsonArray {
  const array: JsonArray = [];
  while (nextValue(elements)) array.push(readMember(elements, parsed));
  return array;
}

/** More digits than these do not all survive a double. */
const EXACT_DIGITS_MAX = 15;

// A number of 16 digits may print as it stands and still be the double of its neighbour's text.
function isExact(value: number, source: string): boolean {
  return String(value) === source && source.split(/[^0-9]+/).join("").length <= EXACT_DIGITS_MAX;
}

// for-in: no list of keys is made, which is two thirds of the cost. Names that somebody put on Object.prototype would be
// counted too, and the event then be refused: no way past.
function countMembers(value: JsonValue): number {
  let count = 0;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const element = value[i] as JsonValue;
      if (typeof element === "object") count += countMembers(element);
    }
    return count;
  }
  if (typeof value !== "object") return 0;
  const object = value as JsonObject | null; // as it comes from the parser: no RawNumber
  for (const key in object) {
    count++;
    const member = object[key] as JsonValue;
    if (typeof member === "object") count += countMembers(member);
  }
  return count;
}
