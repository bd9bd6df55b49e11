/** International bank account numbers (ISO 13616): country, check digits, as long as its country's are, modulo 97. */
import { isAlnum, isDigit, isLetter, isOpen } from "./chars.ts";

/** Length by country, of SWIFT's registry: five characters each. */
const LENGTHS =
  "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 " +
  "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 " +
  "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 " +
  "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

/** Characters an IBAN of that country has; 0: no such country. */
export function ibanLength(country: string): number {
  const at = LENGTHS.indexOf(country);
  return at % 5 === 0 ? Number(LENGTHS.slice(at + 2, at + 4)) : 0;
}

/** In one piece or in groups, a space or a hyphen between them; capital letters or small. */
export function findIbans(text: string, spans: number[]): void {
  for (let pos = 0; pos + 4 <= text.length; pos++) {
    if (!isLetter(text.charCodeAt(pos)) || !isLetter(text.charCodeAt(pos + 1))) continue;
    if (!isDigit(text.charCodeAt(pos + 2)) || !isOpen(text, pos - 1)) continue;
    const end = ibanEnd(text, pos);
    if (end === -1) continue;
    spans.push(pos, end);
    pos = end - 1;
  }
}

function ibanEnd(text: string, start: number): number {
  const length = ibanLength(text.slice(start, start + 2).toUpperCase());
  let count = 0;
  let body = 0; // what follows the first four, modulo 97: it is read as if they stood behind it
  let head = 0;
  let pos = start;
  for (; pos < text.length && count < length; pos++) {
    const code = text.charCodeAt(pos);
    if (!isAlnum(code)) {
      if ((code !== 0x20 && code !== 0x2d) || !isAlnum(text.charCodeAt(pos + 1))) return -1;
      continue;
    }
    if ((count === 2 || count === 3) && !isDigit(code)) return -1;
    if (count < 4) head = appended(head, code);
    else body = appended(body, code);
    count++;
  }
  if (length === 0 || count < length || !isOpen(text, pos)) return -1;
  // Two letters and two digits are six digits.
  return (body * 1_000_000 + head) % 97 === 1 ? pos : -1;
}

/** The remainder with one more character: a digit is itself, a letter 10 to 35. The head of six digits stays whole. */
function appended(number: number, code: number): number {
  const next = isDigit(code) ? number * 10 + (code - 0x30) : number * 100 + ((code | 0x20) - 0x57);
  return next < 1_000_000 ? next : next % 97;
}
