/** JSON text in, without loss: what `JSON.parse` would let through or round off is found here. */
import { isArray, isObject, type JsonArray, type JsonObject, type JsonValue, newRawNumber, setOwn } from "./json.ts";
import { type MemberCursor, newScan, nextMember, openContainer, scanText, skipSpace } from "./scan.ts";

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
  if (countMembers(parsed.value) !== scan.members) {
    parsed.fault = "ambiguous";
    parsed.detail = "a key stands twice in one object";
  } else if (!scan.exact) {
    parsed.value = keepNumbers(parsed.value, text, skipSpace(text, start), end);
  }
  return parsed;
}

/**
 * Replaces each number that a double does not give back by a RawNumber, in place: nobody else has seen the tree yet. Done
 * at once and not when such a number moves: from here on identity alone tells where a value came from, and no process
 * has to think of it. Only texts that hold such a number pay.
 */
function keepNumbers(value: JsonValue, text: string, start: number, end: number): JsonValue {
  if (typeof value === "number") {
    const source = text.slice(start, end);
    return isExact(value, source) ? value : newRawNumber(source);
  }
  if (isArray(value) || isObject(value)) keepNumbersIn(value, openContainer(text, start, end));
  return value;
}

function keepNumbersIn(container: JsonArray | JsonObject, cursor: MemberCursor): void {
  for (let i = 0; nextMember(cursor); i++) {
    const member = isArray(container) ? (container[i] as JsonValue) : (container[cursor.key] as JsonValue);
    if (typeof member !== "number" && typeof member !== "object") continue;
    const kept = keepNumbers(member, cursor.text, cursor.valueStart, cursor.valueEnd);
    if (kept === member) continue;
    if (isArray(container)) container[i] = kept;
    else setOwn(container, cursor.key, kept);
  }
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
  const object = value as JsonObject | null; // as it comes from the parser: no RawNumber yet
  for (const key in object) {
    count++;
    const member = object[key] as JsonValue;
    if (typeof member === "object") count += countMembers(member);
  }
  return count;
}
