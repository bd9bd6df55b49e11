/**
 * A scanner over JSON text that knows where values begin and end, and nothing else. It decides what `JSON.parse` cannot:
 * nesting (before parsing: the parser takes millions of levels), the number of members (more than the keys parsed =
 * duplicate keys), whether a key has an escape in it and whether a double gives back every number's text. Validity is the
 * parser's business: on text that is not JSON the scanner ends, with any answer. Offsets are string offsets; one pass,
 * 1 µs per KB.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const UPPER_E = 0x45;
const LOWER_E = 0x65;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/** More digits than these do not all survive a double. */
const EXACT_DIGITS_MAX = 15;

export type Scan = {
  /** deepest nesting seen; the scan ends at the first level over the limit */
  depth: number;
  /** members of all objects together, duplicates included */
  members: number;
  /** false: some number may not be given back by a double (a cheap test; parse.ts decides) */
  exact: boolean;
  /** some key is spelled with a backslash (parse.ts says why that matters) */
  escapedKey: boolean;
};

export function newScan(): Scan {
  return { depth: 0, members: 0, exact: true, escapedKey: false };
}

/** Scans text[start, end) into `scan`; stops where nesting passes `depthMax` (then scan.depth > depthMax). */
export function scanText(text: string, start: number, end: number, depthMax: number, scan: Scan): void {
  // Locals, and every kind of character once: each KB of every event passes through here (bench:engine).
  let depth = 0;
  let deepest = 0;
  let members = 0;
  let exact = true;
  let escapedKey = false;
  let slash = nextSlash(text, start);
  let string = start;
  let pos = start;
  while (pos < end) {
    const code = text.charCodeAt(pos);
    if (code === QUOTE) {
      string = pos;
      pos = stringEnd(text, pos, end);
    } else if (code === COLON) {
      // The string before is a key. Slashes of values before it are passed here, and each once.
      if (slash < string) slash = nextSlash(text, string);
      if (slash < pos) escapedKey = true;
      members++;
      pos++;
    } else if (code >= OPEN_BRACKET) {
      const bracket = code | 0x20; // brackets and braces differ in one bit
      if (bracket === OPEN_BRACE && ++depth > deepest) deepest = depth;
      else if (bracket === CLOSE_BRACE) depth--;
      if (deepest > depthMax) break;
      pos++;
    } else if (code >= DIGIT_0 || code === MINUS) {
      const stop = numberEnd(text, pos, end);
      if (exact) exact = isPlainNumber(text, pos, stop);
      pos = stop;
    } else {
      pos++;
    }
  }
  scan.depth = deepest;
  scan.members = members;
  scan.exact = exact;
  scan.escapedKey = escapedKey;
}

/** The offset of the first backslash from `pos` on; the text's length when there is none. */
function nextSlash(text: string, pos: number): number {
  const at = text.indexOf("\\", pos);
  return at === -1 ? text.length : at;
}

/** Strings up to this long are looked through character by character. */
const SHORT_CHARS = 32;

/** The offset behind the string that opens at `pos`; `end` when it never closes. */
function stringEnd(text: string, pos: number, end: number): number {
  // Most strings are short: a loop beats a call. Long ones are for indexOf.
  let at = pos + 1;
  const near = at + SHORT_CHARS;
  let inner = text.charCodeAt(at);
  while (inner !== QUOTE && inner !== BACKSLASH && at < near) inner = text.charCodeAt(++at);
  return inner === QUOTE && at < end ? at + 1 : restOfString(text, at, end);
}

/** The offset behind the string that `from` lies in, where no escape is open. */
function restOfString(text: string, from: number, end: number): number {
  let quote = text.indexOf('"', from);
  while (quote !== -1 && quote < end) {
    let slash = quote - 1;
    while (slash >= from && text.charCodeAt(slash) === BACKSLASH) slash--;
    if (((quote - slash) & 1) === 1) return quote + 1; // an even number of backslashes: the quote is not escaped
    quote = text.indexOf('"', quote + 1);
  }
  return end;
}

function numberEnd(text: string, pos: number, end: number): number {
  let stop = pos + 1;
  while (stop < end) {
    const code = text.charCodeAt(stop);
    if (code < 0x2b || code > LOWER_E || (code > DIGIT_9 && code !== UPPER_E && code !== LOWER_E)) break;
    if (code === COMMA) break;
    stop++;
  }
  return stop;
}

// True only where String(Number(text)) === text is certain without making either: digits, at most one fraction that
// does not end in 0 and is not tiny, no exponent, not -0.
function isPlainNumber(text: string, start: number, end: number): boolean {
  const first = text.charCodeAt(start) === MINUS ? start + 1 : start;
  if (end - first > EXACT_DIGITS_MAX) return false;
  let dot = -1;
  for (let i = first; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) dot = i;
    else if (code < DIGIT_0 || code > DIGIT_9) return false;
  }
  if (dot === -1) return first === start || text.charCodeAt(first) !== DIGIT_0;
  if (text.charCodeAt(end - 1) === DIGIT_0) return false;
  // below 1e-6 a double is printed with an exponent
  return dot !== first + 1 || text.charCodeAt(first) !== DIGIT_0 || !text.startsWith("00000", dot + 1);
}

export function skipSpace(text: string, start: number): number {
  let pos = start;
  while (text.charCodeAt(pos) <= SPACE) pos++;
  return pos;
}

/** The offset behind the value that begins at `pos`. For text that parses; bounded by `end` for any other. */
export function valueEnd(text: string, start: number, end: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return stringEnd(text, start, end);
  let pos = start;
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    while (pos < end) {
      const code = text.charCodeAt(pos);
      if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= SPACE) return pos;
      pos++;
    }
    return end;
  }
  let depth = 0;
  while (pos < end) {
    const code = text.charCodeAt(pos++);
    if (code === QUOTE) {
      pos = stringEnd(text, pos - 1, end);
    } else if (code >= OPEN_BRACKET) {
      const bracket = code | 0x20; // brackets and braces differ in one bit
      if (bracket === OPEN_BRACE) depth++;
      else if (bracket === CLOSE_BRACE && --depth === 0) return pos;
    }
  }
  return end;
}

/**
 * A cursor over the members of an object or the elements of an array in valid JSON text. The text between the bracket
 * or comma before and the comma or bracket behind, spaces included, is [from, to).
 */
export type MemberCursor = {
  text: string;
  from: number;
  /** the key as a program sees it; "" in arrays */
  key: string;
  valueStart: number;
  valueEnd: number;
  to: number;
  isObject: boolean;
  end: number;
};

/** A cursor for the container that opens at `start` (its bracket). */
export function openContainer(text: string, start: number, end: number): MemberCursor {
  const isObject = text.charCodeAt(start) === OPEN_BRACE;
  return { text, from: start, key: "", valueStart: start, valueEnd: start, to: start, isObject, end };
}

/** Moves to the next member or element; false at the closing bracket (`to` then lies on it). */
export function nextMember(cursor: MemberCursor): boolean {
  if (!nextValue(cursor)) return false;
  endValue(cursor);
  return true;
}

/** As nextMember, but looks no further than to where the value begins: `valueEnd` and `to` come with endValue. */
export function nextValue(cursor: MemberCursor): boolean {
  const text = cursor.text;
  if (isClosing(text.charCodeAt(cursor.to))) return false; // behind the last one
  const from = cursor.to + 1;
  let pos = skipSpace(text, from);
  if (isClosing(text.charCodeAt(pos)) || pos >= cursor.end) {
    cursor.to = pos;
    return false;
  }
  cursor.from = from;
  if (cursor.isObject) {
    const keyEnd = stringEnd(text, pos, cursor.end);
    cursor.key = readString(text.slice(pos, keyEnd));
    pos = skipSpace(text, skipSpace(text, keyEnd) + 1);
  }
  cursor.valueStart = pos;
  return true;
}

function isClosing(code: number): boolean {
  return code === CLOSE_BRACE || code === CLOSE_BRACKET;
}

/** Finds the end of the value that nextValue stands at. */
export function endValue(cursor: MemberCursor): void {
  cursor.valueEnd = valueEnd(cursor.text, cursor.valueStart, cursor.end);
  cursor.to = skipSpace(cursor.text, cursor.valueEnd);
}

/** The offset behind the `count`th comma after `start`, which lies between elements of an array in valid JSON text. */
export function skipElements(text: string, start: number, end: number, count: number): number {
  let left = count;
  let depth = 0;
  let pos = start;
  while (left > 0 && pos < end) {
    const code = text.charCodeAt(pos++);
    if (code === COMMA) {
      if (depth === 0) left--;
    } else if (code === QUOTE) {
      // A loop of its own and no call: this is where large events are written.
      const near = pos + SHORT_CHARS;
      let inner = text.charCodeAt(pos);
      while (inner !== QUOTE && inner !== BACKSLASH && pos < near) inner = text.charCodeAt(++pos);
      pos = inner === QUOTE ? pos + 1 : restOfString(text, pos, end);
    } else if (code >= OPEN_BRACKET) {
      const bracket = code | 0x20; // brackets and braces differ in one bit
      if (bracket === OPEN_BRACE) depth++;
      else if (bracket === CLOSE_BRACE) depth--;
    }
  }
  return pos;
}

/** True where the text has a comma at `pos`. */
export function isComma(text: string, pos: number): boolean {
  return text.charCodeAt(pos) === COMMA;
}

/** What a string means; `source` is valid, with its quotes. */
export function readString(source: string): string {
  return source.indexOf("\\") === -1 ? source.slice(1, -1) : (JSON.parse(source) as string);
}
