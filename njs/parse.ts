/**
 * JSON text in, for nginx: stands in for engine/core/event/parse.ts in the bundle. The answers are the same; the way is
 * another, because a loop over characters costs njs 65 µs per KB and its native JSON 15.
 *
 * A text that prints as it came holds no key twice and no number that was rounded. Any other is looked at between its
 * strings (`skeleton`). What cannot be kept is a fault here: in a changed body it would leave as something else.
 */
import { decimalText } from "../engine/core/event/decimal.ts";
import { isArray, type JsonObject, type JsonValue, type RawNumber } from "../engine/core/event/json.ts";
import type { ParsedText, ParseFault } from "../engine/core/event/parse.ts";

/** How deep the engine's own JSON goes; 0: as deep as we ask. Written in by the bundler. */
declare const AGGLO_JSON_DEPTH: number;

export function parseText(text: string, start: number, end: number, depthMax: number): ParsedText {
  const source = start === 0 && end === text.length ? text : text.slice(start, end);
  let value: JsonValue;
  let printed: string;
  try {
    value = JSON.parse(source) as JsonValue;
    printed = JSON.stringify(value);
  } catch {
    return refused("unparsable", "not valid JSON, or nested too deep");
  }
  if (depthMax !== AGGLO_JSON_DEPTH && depthOf(source) > depthMax) {
    return refused("unparsable", `nested deeper than ${depthMax} levels`);
  }
  if (printed === source) return { fault: undefined, detail: "", value };
  return checked(source, value, printed);
}

function refused(fault: ParseFault, detail: string): ParsedText {
  return { fault, detail, value: null };
}

function checked(source: string, value: JsonValue, printed: string): ParsedText {
  const bones = skeleton(source);
  if (countMembers(value) !== bones.split(":").length - 1) {
    return refused("ambiguous", "a key stands twice in one object");
  }
  if (!keepsNumbers(bones)) return refused("unparsable", "a number that JavaScript cannot hold");
  // njs reads the half of a surrogate pair as U+FFFD, which is then no longer what came.
  if (hasReplacement(printed) && !hasReplacement(source)) {
    return refused("unparsable", "half of a surrogate pair");
  }
  return { fault: undefined, detail: "", value };
}

const REPLACEMENT = "\ufffd";
const ESCAPED_REPLACEMENT = /\\u[fF]{3}[dD]/;

function hasReplacement(text: string): boolean {
  return text.indexOf(REPLACEMENT) !== -1 || ESCAPED_REPLACEMENT.test(text);
}

/** Valid JSON without its strings: brackets, commas, colons, numbers, words, space. */
function skeleton(text: string): string {
  let plain = text;
  if (text.indexOf("\\") !== -1) plain = text.split("\\\\").join("").split('\\"').join("");
  const pieces = plain.split('"');
  const bones: string[] = [];
  for (let i = 0; i < pieces.length; i += 2) bones.push(pieces[i] as string);
  return bones.join("");
}

// Brackets that close at once are taken away, again and again: a round is a level.
function depthOf(source: string): number {
  let brackets = skeleton(source)
    .split(/[^[\]{}]+/)
    .join("");
  let depth = 0;
  while (brackets !== "") {
    brackets = brackets.split(/\[\]|\{\}/).join(""); // a global replace can hang njs 0.7.9 (docs/adr/0008)
    depth++;
  }
  return depth;
}

/** As core's: more in the text than in the tree means that a key stands twice. */
function countMembers(value: JsonValue): number {
  let count = 0;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++)
      if (typeof value[i] === "object") count += countMembers(value[i] as JsonValue);
    return count;
  }
  if (typeof value !== "object" || value === null) return 0;
  const object = value as JsonObject;
  for (const key in object) {
    count++;
    if (typeof object[key] === "object") count += countMembers(object[key] as JsonValue);
  }
  return count;
}

/** A number that a double may not give back: 16 characters and more, or an exponent. */
const DOUBTFUL = /[0-9.]{16}|[0-9][eE]/;
// biome-ignore lint/plugin: for match, which does not hang
const NUMBERS = /-?[0-9][0-9.eE+-]*/g;
/** Every double has a text of so many digits that leads back to it. */
const DOUBLE_DIGITS_MAX = 17;

function keepsNumbers(bones: string): boolean {
  if (!DOUBTFUL.test(bones)) return true;
  const numbers = bones.match(NUMBERS) ?? [];
  for (let i = 0; i < numbers.length; i++) if (!isHeld(numbers[i] as string)) return false;
  return true;
}

function isHeld(text: string): boolean {
  const number = Number(text);
  if (!Number.isFinite(number)) return false;
  const exact = decimalText({ text } as RawNumber);
  if (exact === decimalText(number)) return true;
  // 0.7.9 prints the last digit of some doubles wrong, so of fractions the digits are counted.
  return exact.indexOf(".") !== -1 && significantDigits(exact) <= DOUBLE_DIGITS_MAX;
}

function significantDigits(decimal: string): number {
  return decimal
    .replace(/^-?[0.]*/, "")
    .split(".")
    .join("").length;
}
