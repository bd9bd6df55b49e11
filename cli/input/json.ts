/**
 * JSON: objects one behind the other, or arrays of them, over as many lines as they like. Only where each value begins
 * and ends is found here, so an event has its own spelling and a large file no need to be in memory.
 */
import { Ending, Exit } from "../exit.ts";
import { decode } from "./decode.ts";
import { EVENT_LENGTH_MAX, type Found } from "./found.ts";

type Splitter = {
  /** what has come and is not done; everything before `at` is looked at */
  text: string;
  at: number;
  /** of the value that is open; -1: between values */
  start: number;
  line: number;
  startLine: number;
  depth: number;
  inString: boolean;
  /** inside a top-level array, and what may come there */
  array: "none" | "first" | "value" | "separator";
};

export async function* readJson(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Found> {
  const splitter: Splitter = {
    text: "",
    at: 0,
    start: -1,
    line: 1,
    startLine: 1,
    depth: 0,
    inString: false,
    array: "none",
  };
  for await (const piece of decode(bytes)) {
    splitter.text += piece;
    yield* split(splitter);
    forgetDone(splitter);
  }
  splitter.text += " "; // ends a number that stands last
  yield* split(splitter);
  if (splitter.start !== -1) throw broken(splitter.startLine, "what begins here is not closed");
  if (splitter.array !== "none") throw broken(splitter.line, "the array is not closed");
}

function* split(splitter: Splitter): Generator<Found> {
  while (splitter.start !== -1 || beginValue(splitter)) {
    const end = findEnd(splitter);
    if (end === -1) return;
    const text = splitter.text.slice(splitter.start, end);
    yield { place: `line ${splitter.startLine}`, text };
    splitter.line += lineFeeds(text);
    splitter.start = -1;
    if (splitter.array !== "none") splitter.array = "separator";
  }
}

/** Passes by what stands between values. False: nothing begins in what has come. */
function beginValue(splitter: Splitter): boolean {
  for (; splitter.at < splitter.text.length; splitter.at++) {
    const character = splitter.text.charAt(splitter.at);
    if (character === "\n") splitter.line++;
    else if (!" \t\r".includes(character) && !isStructure(splitter, character)) {
      splitter.start = splitter.at;
      splitter.startLine = splitter.line;
      splitter.depth = 0;
      return true;
    }
  }
  return false;
}

/** Brackets and commas of a top-level array; what cannot stand there ends the reading. */
function isStructure(splitter: Splitter, character: string): boolean {
  const { array } = splitter;
  if (array === "none" && character === "[") splitter.array = "first";
  else if (array === "separator" && character === ",") splitter.array = "value";
  else if ((array === "separator" || array === "first") && character === "]") splitter.array = "none";
  else if (array === "separator") throw broken(splitter.line, 'expected "," or "]" behind an element');
  else if (",]}:".includes(character)) throw broken(splitter.line, `expected an event, found "${character}"`);
  else return false;
  return true;
}

const OUTSIDE_STRINGS = /["{}[\]]/g;
const INSIDE_STRINGS = /["\\]/g;
const BEHIND_SCALAR = /[\s,"{}[\]]/g;

/** The offset behind the open value; -1: its end has not come. */
function findEnd(splitter: Splitter): number {
  const { text } = splitter;
  if (splitter.depth === 0 && !splitter.inString && !'"{['.includes(text.charAt(splitter.start))) {
    const end = next(BEHIND_SCALAR, text, splitter.at);
    splitter.at = end === -1 ? text.length : end;
    return end;
  }
  for (;;) {
    const found = next(splitter.inString ? INSIDE_STRINGS : OUTSIDE_STRINGS, text, splitter.at);
    if (found === -1) {
      // The character an escape hides may not have come.
      splitter.at = Math.max(splitter.at, text.length);
      return -1;
    }
    const character = text.charAt(found);
    splitter.at = found + (character === "\\" ? 2 : 1);
    if (character === '"') splitter.inString = !splitter.inString;
    else if (character === "{" || character === "[") splitter.depth++;
    else if (character !== "\\") splitter.depth--;
    if (splitter.depth === 0 && !splitter.inString) return splitter.at;
  }
}

function next(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(text)?.index ?? -1;
}

function forgetDone(splitter: Splitter): void {
  const done = splitter.start === -1 ? splitter.at : splitter.start;
  splitter.text = splitter.text.slice(done);
  splitter.at -= done;
  if (splitter.start !== -1) splitter.start = 0;
  if (splitter.text.length > EVENT_LENGTH_MAX) {
    throw broken(splitter.startLine, `what begins here is longer than ${EVENT_LENGTH_MAX} characters`);
  }
}

function lineFeeds(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

function broken(line: number, why: string): Ending {
  return new Ending(Exit.data, `line ${line}: ${why}; nothing from here on was read`);
}
