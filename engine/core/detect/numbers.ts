/** Numbers of people and cards in a text: payment cards, telephone numbers, US social security numbers. */
import { isDigit, isLetter, isOpen, skipDigits } from "./chars.ts";

const SPACE = 0x20;
const HYPHEN = 0x2d;
const NO_BREAK_SPACE = 0xa0;

const PAN_DIGITS_MIN = 13;
const PAN_DIGITS_MAX = 19;
/** Cards are printed in groups of four and more; only the last may be shorter. */
const PAN_GROUP_MIN = 4;

/**
 * Card numbers (ISO/IEC 7812): 13 to 19 digits that pass the Luhn check, in one piece or in groups with a space or a
 * hyphen between them, no letter beside them. Appends start and end of each to `spans`.
 */
export function findPans(text: string, spans: number[]): void {
  let groups: number[] = []; // start, end of groups that one separator joins
  for (let pos = 0; pos < text.length; pos++) {
    if (!isDigit(text.charCodeAt(pos))) continue;
    const end = skipDigits(text, pos);
    if (isBesideLetter(text, pos, end)) groups = closeRun(text, groups, spans);
    else groups.push(pos, end);
    const joined = isSeparator(text.charCodeAt(end)) && isDigit(text.charCodeAt(end + 1));
    if (!joined) groups = closeRun(text, groups, spans);
    pos = end;
  }
}

function isBesideLetter(text: string, start: number, end: number): boolean {
  return (start > 0 && isLetter(text.charCodeAt(start - 1))) || isLetter(text.charCodeAt(end));
}

function isSeparator(code: number): boolean {
  return code === SPACE || code === HYPHEN || code === NO_BREAK_SPACE;
}

// Every window of whole groups that could be a card; a date or a number before it does not hide it.
function closeRun(text: string, groups: readonly number[], spans: number[]): number[] {
  for (let first = 0; first < groups.length; first += 2) {
    const start = groups[first] as number;
    let digits = "";
    for (let last = first; last < groups.length; last += 2) {
      const end = groups[last + 1] as number;
      if (digits.length + end - (groups[last] as number) > PAN_DIGITS_MAX) break;
      digits += text.slice(groups[last] as number, end);
      if (isPan(digits)) spans.push(start, end);
      if (end - (groups[last] as number) < PAN_GROUP_MIN) break;
    }
  }
  return [];
}

/**
 * Whether digits can be those of a card. None begins with 0, and with 1 only cards of 15 digits (UATP): a time in
 * milliseconds has 13 digits, begins with 1, and one in ten would pass the check.
 */
export function isPan(digits: string): boolean {
  const length = digits.length;
  if (length < PAN_DIGITS_MIN || length > PAN_DIGITS_MAX) return false;
  const first = digits.charCodeAt(0);
  if (first === 0x30 || (first === 0x31 && length !== 15)) return false;
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const digit = digits.charCodeAt(length - 1 - i) - 0x30;
    const doubled = i % 2 === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

const NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** The digits of a JSON number's text if it is whole, however it is written (`4.1e15`); "" if not, or too long. */
export function wholeDigits(text: string): string {
  const parts = NUMBER.exec(text);
  if (parts === null) return "";
  const fraction = parts[2] === undefined ? "" : parts[2];
  const shift = Number(parts[3] === undefined ? 0 : parts[3]) - fraction.length;
  const digits = ((parts[1] as string) + fraction).replace(/^0+/, "");
  if (shift >= 0) return digits.length + shift > PAN_DIGITS_MAX ? "" : digits + "0".repeat(shift);
  const kept = digits.length + shift;
  return kept > 0 && isZeros(digits, kept) ? digits.slice(0, kept) : "";
}

function isZeros(digits: string, from: number): boolean {
  for (let i = from; i < digits.length; i++) if (digits.charCodeAt(i) !== 0x30) return false;
  return true;
}

const PHONE_DIGITS_MIN = 8;
const PHONE_DIGITS_MAX = 15;
const PHONE_SEPARATORS = " -./()\u00a0";

/** Telephone numbers in their international form (E.164): `+`, 8 to 15 digits, with the usual signs between them. */
export function findPhones(text: string, spans: number[]): void {
  for (let plus = text.indexOf("+"); plus !== -1; plus = text.indexOf("+", plus + 1)) {
    if (!isOpen(text, plus - 1) || text.charCodeAt(plus + 1) === 0x30) continue;
    const end = phoneEnd(text, plus + 1);
    if (end !== -1) spans.push(plus, end);
  }
}

function phoneEnd(text: string, from: number): number {
  let found = -1;
  let digits = 0;
  let pos = from;
  for (;;) {
    const end = skipDigits(text, pos);
    digits += end - pos;
    if (end === pos || digits > PHONE_DIGITS_MAX || isLetter(text.charCodeAt(end))) return found;
    if (digits >= PHONE_DIGITS_MIN) found = end;
    pos = end;
    // ") " and " (0" are the longest there is between digits.
    while (pos - end < 3 && pos < text.length && PHONE_SEPARATORS.indexOf(text.charAt(pos)) !== -1) pos++;
  }
}

/** US social security numbers: `123-45-6789`, none that the Social Security Administration never gives out. */
export function findSsns(text: string, spans: number[]): void {
  for (let pos = 0; pos + 11 <= text.length; pos++) {
    if (!isDigit(text.charCodeAt(pos))) continue;
    const end = skipDigits(text, pos);
    if (end - pos === 3 && isSsn(text, pos)) spans.push(pos, pos + 11);
    pos = end;
  }
}

function isSsn(text: string, start: number): boolean {
  const separator = text.charCodeAt(start + 3);
  if ((separator !== HYPHEN && separator !== SPACE) || text.charCodeAt(start + 6) !== separator) return false;
  if (skipDigits(text, start + 4) !== start + 6 || skipDigits(text, start + 7) !== start + 11) return false;
  if (!isOpen(text, start - 1) || !isOpen(text, start + 11)) return false;
  const area = text.slice(start, start + 3);
  if (area === "000" || area === "666" || area >= "900") return false;
  return text.slice(start + 4, start + 6) !== "00" && text.slice(start + 7, start + 11) !== "0000";
}
