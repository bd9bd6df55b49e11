/** Addresses in a text: of mail, of hosts. Each scanner reads the text once. */
import { isAlnum, isDigit, isHex, isLetter, isOpen, skipDigits } from "./chars.ts";

const AT = "@";
const DOT = 0x2e;
const HYPHEN = 0x2d;
const COLON = 0x3a;
const LOCAL_SIGNS = ".!#$%&'*+-/=?^_`{|}~";
const QUOTED_MAX = 64;

/**
 * Mail addresses as they are in use: a local part (RFC 5322 atoms, a short quoted one), a domain of at least two labels
 * whose last begins with a letter. Letters outside ASCII count as letters.
 */
export function findEmails(text: string, spans: number[]): void {
  for (let at = text.indexOf(AT); at !== -1; at = text.indexOf(AT, at + 1)) {
    const start = localStart(text, at);
    const end = start === at ? at : domainEnd(text, at + 1);
    if (end > at + 1) spans.push(start, end);
  }
}

function localStart(text: string, at: number): number {
  let start = at;
  if (text.charAt(at - 1) === '"') {
    const open = text.lastIndexOf('"', at - 2);
    return open >= 0 && at - open <= QUOTED_MAX ? open : at;
  }
  while (start > 0 && isLocal(text.charCodeAt(start - 1))) start--;
  return start;
}

function isLocal(code: number): boolean {
  return isAlnum(code) || isOutsideAscii(code) || LOCAL_SIGNS.indexOf(String.fromCharCode(code)) !== -1;
}

// Spaces and signs of Latin-1 and of General Punctuation end a word as ASCII's do.
function isOutsideAscii(code: number): boolean {
  return code >= 0xc0 && (code < 0x2000 || code > 0x206f) && code !== 0x3000 && code !== 0xfeff;
}

/** End of the longest domain; `from` when there is none. */
function domainEnd(text: string, from: number): number {
  let found = from;
  let labelStart = from;
  let labels = 0;
  let pos = from;
  for (; ; pos++) {
    const code = pos < text.length ? text.charCodeAt(pos) : 0;
    if (isAlnum(code) || isOutsideAscii(code) || code === HYPHEN) continue;
    // A hyphen at the end is no part of a label, and a label without one no label.
    let end = pos;
    while (end > labelStart && text.charCodeAt(end - 1) === HYPHEN) end--;
    if (end === labelStart) return found;
    labels++;
    const first = text.charCodeAt(labelStart);
    if (labels > 1 && end - labelStart > 1 && (isLetter(first) || isOutsideAscii(first))) found = end;
    if (code !== DOT || end !== pos) return found;
    labelStart = pos + 1;
  }
}

/** IPv4 addresses: four numbers to 255, no fifth beside them. */
export function findIpv4s(text: string, spans: number[]): void {
  for (let pos = 0; pos < text.length; pos++) {
    if (!isDigit(text.charCodeAt(pos))) continue;
    const isHidden = !isOpen(text, pos - 1) || (text.charCodeAt(pos - 1) === DOT && isDigit(text.charCodeAt(pos - 2)));
    const end = isHidden ? -1 : ipv4End(text, pos);
    const isWhole = isOpen(text, end) && !(text.charCodeAt(end) === DOT && isDigit(text.charCodeAt(end + 1)));
    if (end !== -1 && isWhole) spans.push(pos, end);
    pos = skipDigits(text, pos);
  }
}

function ipv4End(text: string, start: number): number {
  let pos = start;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && text.charCodeAt(pos++) !== DOT) return -1;
    const end = skipDigits(text, pos);
    if (end === pos || end - pos > 3 || Number(text.slice(pos, end)) > 255) return -1;
    pos = end;
  }
  return pos;
}

/** IPv6 addresses in every form of RFC 4291 section 2.2 but a bare `::`. */
export function findIpv6s(text: string, spans: number[]): void {
  for (let colon = text.indexOf(":"); colon !== -1; ) {
    let start = colon;
    while (start > 0 && isOfIpv6(text.charCodeAt(start - 1))) start--;
    let end = colon;
    while (end < text.length && isOfIpv6(text.charCodeAt(end))) end++;
    const rest = end;
    while (end > start && text.charCodeAt(end - 1) === DOT) end--;
    if (text.charCodeAt(end - 1) === COLON && text.charCodeAt(end - 2) !== COLON) end--;
    if (isOpen(text, start - 1) && isOpen(text, rest) && isIpv6(text, start, end)) spans.push(start, end);
    colon = text.indexOf(":", rest);
  }
}

function isOfIpv6(code: number): boolean {
  return isHex(code) || code === COLON || code === DOT;
}

function isIpv6(text: string, start: number, end: number): boolean {
  let groups = 0;
  let isShort = text.startsWith("::", start);
  let pos = isShort ? start + 2 : start;
  while (pos < end) {
    let next = pos;
    while (next < end && isHex(text.charCodeAt(next))) next++;
    if (next === pos || next - pos > 4) return false;
    if (text.charCodeAt(next) === DOT && next < end) {
      if (ipv4End(text, pos) !== end) return false;
      groups += 2;
      break;
    }
    groups++;
    if (next === end) break;
    if (text.charCodeAt(next) !== COLON || next + 1 === end) return false;
    pos = next + 1;
    if (text.charCodeAt(pos) === COLON) {
      if (isShort) return false;
      isShort = true;
      pos++;
    }
  }
  return isShort ? groups > 0 && groups < 8 : groups === 8;
}
