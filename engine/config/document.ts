/**
 * Reads a configuration file: strict JSON, all that is wrong with its syntax at once, and where everything stands.
 *
 * The tokens are jsonc-parser's; the grammar is ours, because its own parser answers one slip with a handful of errors
 * and recurses as deep as the text says. After a slip reading goes on where the next member plainly begins; where
 * brackets do not match nothing below would make sense, so there it ends.
 *
 * A string's content never stands in a message here: nobody knows yet which one is a secret.
 */
import { createScanner, type JSONScanner } from "jsonc-parser";
import type { Diagnostic, DocumentPath } from "../core/diagnostic.ts";
import { type JsonArray, type JsonObject, type JsonValue, newObject, setOwn } from "../core/event/json.ts";
import { lineAt, lineStarts, type Place, placeIn, quote } from "./print.ts";

export type PlacedDiagnostic = Diagnostic & { place: Place };

export type Document = {
  file: string;
  text: string;
  /** undefined where the syntax is wrong; with doubled keys the last one, as the original would have it */
  value: JsonValue | undefined;
  /** what is wrong with the text itself: E_SYNTAX, E_DUPLICATE_KEY */
  diagnostics: PlacedDiagnostic[];
  /** Where a value, or with `atKey` its key, stands. A path that leads nowhere: the nearest thing above it that is there. */
  locate(path: DocumentPath, atKey: boolean): Place;
};

/** Whatever reads the value afterwards may recurse. */
const MAX_DEPTH = 200;
/** The sixth complaint is seldom about a mistake of its own. */
const MAX_SYNTAX_ERRORS = 5;

// jsonc-parser's SyntaxKind is a const enum of its declarations: types only.
const OPEN_BRACE = 1;
const CLOSE_BRACE = 2;
const OPEN_BRACKET = 3;
const CLOSE_BRACKET = 4;
const COMMA = 5;
const COLON = 6;
const NULL = 7;
const TRUE = 8;
const FALSE = 9;
const STRING = 10;
const NUMBER = 11;
const LINE_COMMENT = 12;
const TRIVIA = 15;
const UNKNOWN = 16;
const END = 17;

// ScanError, likewise.
const UNCLOSED_STRING = 2;
const BAD_CHARACTER = 6;

type Node = { start: number; end: number; value: JsonValue; members: Map<string, Member>; items: Node[] };
type Member = { keyStart: number; keyEnd: number; node: Node };

type Reader = {
  text: string;
  lines: readonly number[];
  scanner: JSONScanner;
  /** kind and extent of the token to be read next */
  token: number;
  start: number;
  end: number;
  path: (string | number)[];
  diagnostics: PlacedDiagnostic[];
  syntaxErrors: number;
  /** nothing from here on would make sense */
  stopped: boolean;
  /** a string that was not closed took the comma behind it along: its absence is no mistake of its own */
  commaLost: boolean;
  /** a comment has been complained about; a file with comments has many */
  commented: boolean;
};

export function readDocument(text: string, file: string): Document {
  const lines = lineStarts(text);
  const scanner = createScanner(text, false);
  const reader: Reader = {
    text,
    lines,
    scanner,
    token: UNKNOWN,
    start: 0,
    end: 0,
    path: [],
    diagnostics: [],
    syntaxErrors: 0,
    stopped: false,
    commaLost: false,
    commented: false,
  };
  if (text.startsWith("\ufeff")) {
    fault(reader, 0, 1, "expected JSON, found a byte order mark (U+FEFF)", "save the file as UTF-8 without BOM");
    scanner.setPosition(1);
  }
  advance(reader);
  const root = readRoot(reader);
  return {
    file,
    text,
    value: reader.syntaxErrors > 0 ? undefined : root.value,
    diagnostics: reader.diagnostics,
    locate: (path, atKey) => locate(text, lines, root, path, atKey),
  };
}

function readRoot(reader: Reader): Node {
  if (reader.token === END) {
    fault(reader, 0, 0, "expected a JSON object, found an empty file", "");
    return newNode(0);
  }
  const root = readValue(reader);
  if (reader.token !== END && !reader.commaLost) {
    complainToken(reader, "the end of the file", "one JSON value is all a file may hold");
  }
  return root;
}

function newNode(start: number): Node {
  return { start, end: start, value: null, members: new Map(), items: [] };
}

/** Reads one value; complains, and stays where it is, if none begins here. */
function readValue(reader: Reader): Node {
  const node = newNode(reader.start);
  node.end = reader.end;
  const { token } = reader;
  if (token === OPEN_BRACE || token === OPEN_BRACKET) {
    readContainer(reader, node);
    return node;
  }
  if (token === STRING) {
    node.value = reader.scanner.getTokenValue();
    checkString(reader);
  } else if (token === NUMBER) {
    node.value = readNumber(reader);
    node.end = reader.end;
  } else if (token === TRUE || token === FALSE) {
    node.value = token === TRUE;
  } else if (token !== NULL) {
    complainToken(reader, "a value", valueRemedy(reader));
    if (token === UNKNOWN || token === COLON) skipItem(reader);
    return node;
  }
  advance(reader);
  return node;
}

function readContainer(reader: Reader, node: Node): void {
  const isObject = reader.token === OPEN_BRACE;
  const closer = isObject ? CLOSE_BRACE : CLOSE_BRACKET;
  const object = newObject();
  const array: JsonArray = [];
  node.value = isObject ? object : array;
  if (reader.path.length >= MAX_DEPTH) {
    fault(reader, reader.start, 1, `expected at most ${MAX_DEPTH} levels of nesting, found more`, "");
    stop(reader);
    return;
  }
  advance(reader);
  if (reader.token !== closer) {
    do {
      if (isObject) readMember(reader, node, object);
      else readElement(reader, node, array);
    } while (separate(reader, closer, node.start));
  }
  node.end = reader.end;
  if (reader.token === closer) advance(reader);
}

function readElement(reader: Reader, node: Node, array: JsonArray): void {
  reader.path.push(array.length);
  const item = readValue(reader);
  reader.path.pop();
  node.items.push(item);
  array.push(item.value);
}

function readMember(reader: Reader, node: Node, object: JsonObject): void {
  const { token, start: keyStart, end: keyEnd } = reader;
  const isString = token === STRING;
  const key = isString ? reader.scanner.getTokenValue() : reader.text.slice(keyStart, keyEnd);
  if (isString) checkString(reader);
  else if (token === UNKNOWN || (token >= NULL && token <= NUMBER)) {
    fault(reader, keyStart, keyEnd - keyStart, `expected a field name in double quotes, found ${key}`, "");
  } else {
    complainToken(reader, "a field name in double quotes", "");
    skipItem(reader);
    return;
  }
  advance(reader);
  while (!isString && reader.token === UNKNOWN) advance(reader);
  if (reader.commaLost) return;
  if (reader.token === COLON) advance(reader);
  else {
    complainToken(reader, `":" after the field name ${quote(key)}`, "");
    if (!beginsValue(reader.token)) return;
  }
  const known = node.members.get(key);
  if (known !== undefined) complainTwice(reader, key, keyStart, keyEnd, known);
  reader.path.push(key);
  const value = readValue(reader);
  reader.path.pop();
  node.members.set(key, { keyStart, keyEnd, node: value });
  setOwn(object, key, value.value);
}

/** Between two items: reads the comma, or complains that there is none. False: no item follows. */
function separate(reader: Reader, closer: number, opened: number): boolean {
  const lost = reader.commaLost;
  reader.commaLost = false;
  const isObject = closer === CLOSE_BRACE;
  if (lost && reader.token === UNKNOWN) skipItem(reader);
  if (lost && reader.token === END) stop(reader);
  if (!isSeparator(reader.token) && !lost) {
    complainToken(reader, isObject ? '"," or "}"' : '"," or "]"', "");
    if (isObject ? reader.token !== STRING : !beginsValue(reader.token)) skipItem(reader);
  }
  if (!isSeparator(reader.token)) return !reader.stopped;
  if (reader.token === closer) return false;
  if (reader.token !== COMMA) {
    const what = `the ${isObject ? "object" : "array"} opened in line ${lineAt(reader.lines, opened)} is not closed`;
    complainToken(reader, isObject ? '"," or "}"' : '"," or "]"', what);
    stop(reader);
    return false;
  }
  const comma = reader.start;
  advance(reader);
  if (reader.token !== closer) return true;
  const next = isObject ? "another field" : "another value";
  fault(reader, comma, 1, `expected ${next} after the comma, found ${foundToken(reader)}`, "take the comma away");
  return false;
}

function isSeparator(token: number): boolean {
  return token === COMMA || token === CLOSE_BRACE || token === CLOSE_BRACKET || token === END;
}

function beginsValue(token: number): boolean {
  return token === OPEN_BRACE || token === OPEN_BRACKET || (token >= NULL && token <= NUMBER);
}

/** To the comma or bracket behind the item that cannot be read. */
function skipItem(reader: Reader): void {
  let depth = 0;
  while (reader.token !== END && (depth > 0 || !isSeparator(reader.token))) {
    if (reader.token === OPEN_BRACE || reader.token === OPEN_BRACKET) depth++;
    else if (reader.token === CLOSE_BRACE || reader.token === CLOSE_BRACKET) depth--;
    advance(reader);
  }
}

function advance(reader: Reader): void {
  const { scanner } = reader;
  do {
    reader.token = reader.stopped ? END : scanner.scan();
    reader.start = scanner.getTokenOffset();
    reader.end = scanner.getPosition();
    if (reader.token === LINE_COMMENT || reader.token === LINE_COMMENT + 1) {
      if (!reader.commented) complainToken(reader, "JSON", "JSON has no comments: take them out");
      reader.commented = true;
    }
  } while (reader.token >= LINE_COMMENT && reader.token <= TRIVIA);
}

function stop(reader: Reader): void {
  reader.stopped = true;
  reader.token = END;
}

function checkString(reader: Reader): void {
  const error = reader.scanner.getTokenError();
  if (error === 0) return;
  const { start, end } = reader;
  const body = reader.text.slice(start, end);
  if (error === UNCLOSED_STRING) {
    reader.commaLost = true;
    fault(reader, start, end - start, `expected a closing ", found the end of the line`, "");
  } else if (error === BAD_CHARACTER) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const index = body.search(/[\u0000-\u001f]/);
    const found = JSON.stringify(body.charAt(index)).slice(1, -1);
    fault(reader, start + index, 1, "expected no control character in a string, found one", `write ${found}`);
  } else {
    // The first backslash that begins no escape; `\\d` of a pattern is the usual one.
    const good = /^(?:[^\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*/.exec(body)?.[0].length ?? 0;
    const found = printableEscape(body.slice(good, good + 2));
    fault(reader, start + good, 2, `expected an escape of JSON, found ${found}`, `a backslash itself is written \\\\`);
  }
}

// A letter says which escape was meant and gives nothing away.
function printableEscape(text: string): string {
  return /^\\[!-~]$/.test(text) ? text : "a lone backslash";
}

/** The token's number. jsonc-parser ends `01` or `1_000` early: the whole word is looked at, and read. */
function readNumber(reader: Reader): number {
  const word = /^[-+.\w]+/.exec(reader.text.slice(reader.start))?.[0] ?? "";
  const length = word.length;
  if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(word)) {
    fault(reader, reader.start, length, `expected a number, found ${quote(word)}`, "");
  } else if (!Number.isFinite(Number(word))) {
    fault(reader, reader.start, length, `expected a number that a double can hold, found ${quote(word)}`, "");
  }
  reader.end = reader.start + length;
  reader.scanner.setPosition(reader.end);
  return Number(word);
}

/** Words that other languages write for a value. Any other may be a secret without quotes and is not repeated. */
const FOREIGN_WORDS: { readonly [word: string]: string } = {
  true: "true",
  yes: "true",
  false: "false",
  no: "false",
  null: "null",
  none: "null",
  nil: "null",
  undefined: "null",
  nan: "",
  infinity: "",
};

function valueRemedy(reader: Reader): string {
  if (reader.token !== UNKNOWN) return "";
  const word = reader.text.slice(reader.start, reader.end);
  const meant = FOREIGN_WORDS[word.toLowerCase()];
  if (meant !== undefined) return meant === "" ? "JSON has no such number" : `write ${meant}`;
  return "a string stands in double quotes";
}

/** What the next token is, without what a string says. */
function foundToken(reader: Reader): string {
  const text = reader.text.slice(reader.start, reader.end);
  if (reader.token === END) return "the end of the file";
  if (reader.token === STRING) return "a string";
  if (reader.token >= LINE_COMMENT && reader.token < TRIVIA) return "a comment";
  if (reader.token !== UNKNOWN) return quote(text);
  if (FOREIGN_WORDS[text.toLowerCase()] !== undefined || /^[^\p{L}\p{N}]$/u.test(text)) return quote(text);
  return "text without double quotes";
}

function complainToken(reader: Reader, expected: string, remedy: string): void {
  const { token } = reader;
  // Nobody looks for a mistake below the last line that says something.
  const start = token === END ? reader.text.trimEnd().length : reader.start;
  fault(
    reader,
    start,
    token === END ? 0 : reader.end - start,
    `expected ${expected}, found ${foundToken(reader)}`,
    remedy,
  );
}

function fault(reader: Reader, start: number, length: number, message: string, remedy: string): void {
  const place = placeIn(reader.text, reader.lines, start, start + length);
  const last = reader.diagnostics.at(-1)?.place;
  const isSame = last !== undefined && last.line === place.line && last.column === place.column;
  if (reader.stopped || isSame) return;
  const path = reader.path.slice();
  reader.diagnostics.push({ code: "E_SYNTAX", severity: "error", path, message, remedy, atKey: false, place });
  reader.syntaxErrors++;
  if (reader.syntaxErrors >= MAX_SYNTAX_ERRORS) stop(reader);
}

/** The original lets the last one win, other readers the first: whatever we took, somebody would have meant the other. */
function complainTwice(reader: Reader, key: string, start: number, end: number, first: Member): void {
  reader.diagnostics.push({
    code: "E_DUPLICATE_KEY",
    severity: "error",
    path: reader.path.concat(key),
    message: `expected each key once, found ${quote(key)} again (first in line ${lineAt(reader.lines, first.keyStart)})`,
    remedy: "keep one of them",
    atKey: true,
    place: placeIn(reader.text, reader.lines, start, end),
  });
}

function locate(text: string, lines: readonly number[], root: Node, path: DocumentPath, atKey: boolean): Place {
  let node = root;
  let member: Member | undefined;
  for (const step of path) {
    member = typeof step === "string" ? node.members.get(step) : undefined;
    const next = typeof step === "string" ? member?.node : node.items[step];
    if (next === undefined) break;
    node = next;
  }
  if (atKey && member !== undefined) return placeIn(text, lines, member.keyStart, member.keyEnd);
  // Of an object or array its bracket: what is in it has places of its own.
  const isContainer = typeof node.value === "object" && node.value !== null;
  return placeIn(text, lines, node.start, isContainer ? node.start + 1 : node.end);
}
