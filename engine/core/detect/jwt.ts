/** JSON web tokens (RFC 7515 section 3.1, RFC 7516): a header that is JSON, two to five parts of base64url. */
import { isAlnum } from "./chars.ts";

const PARTS_MAX = 5;
const HEADER_CHARS_MIN = 12;
/** base64url of `{"`, `{ ` and `{` with a line end: what a header begins with. */
const BEGINNINGS = ["eyJ", "eyA", "ewo", "ew0", "ewk"];

export function findJwts(text: string, spans: number[]): void {
  for (let pos = text.indexOf("e"); pos !== -1; pos = text.indexOf("e", pos)) {
    const isInside = pos > 0 && isBase64Url(text.charCodeAt(pos - 1));
    const end = isInside || BEGINNINGS.indexOf(text.slice(pos, pos + 3)) === -1 ? -1 : tokenEnd(text, pos);
    if (end !== -1) spans.push(pos, end);
    pos = end === -1 ? skipPart(text, pos) : end;
  }
}

function tokenEnd(text: string, start: number): number {
  let end = skipPart(text, start);
  if (end - start < HEADER_CHARS_MIN) return -1;
  for (let parts = 1; parts < PARTS_MAX; parts++) {
    if (text.charAt(end) !== ".") return parts > 1 ? end : -1;
    const next = skipPart(text, end + 1);
    // The last part of an unsigned token is empty; a full stop behind a token costs nothing.
    if (next === end + 1) return parts > 1 ? next : -1;
    end = next;
  }
  return end;
}

function skipPart(text: string, from: number): number {
  let pos = from;
  while (pos < text.length && isBase64Url(text.charCodeAt(pos))) pos++;
  return pos;
}

function isBase64Url(code: number): boolean {
  return isAlnum(code) || code === 0x2d || code === 0x5f;
}
