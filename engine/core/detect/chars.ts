/** Character classes by code unit, for scanners that read a text once. */

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

export function isLetter(code: number): boolean {
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/** ASCII letters and digits: what may not stand directly before or behind a number that is looked for. */
export function isAlnum(code: number): boolean {
  return isDigit(code) || isLetter(code);
}

export function isHex(code: number): boolean {
  const lower = code | 0x20;
  return isDigit(code) || (lower >= 0x61 && lower <= 0x66);
}

/** True at both ends of the text and beside anything that is neither ASCII letter nor digit. */
export function isOpen(text: string, at: number): boolean {
  return at < 0 || at >= text.length || !isAlnum(text.charCodeAt(at));
}

/** First position from `from` on that holds no digit. */
export function skipDigits(text: string, from: number): number {
  let pos = from;
  while (pos < text.length && isDigit(text.charCodeAt(pos))) pos++;
  return pos;
}
