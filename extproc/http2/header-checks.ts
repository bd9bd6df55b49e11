import type { HeaderList, RequestCheck } from "./header-list.ts";

// Which header sections are malformed (RFC 9113 sections 8.2 and 8.3). Every one of these rules has let requests be
// smuggled where it was not checked.

/** RFC 9113 section 8.2.2: they belong to HTTP/1.1 connections. */
const CONNECTION_SPECIFIC: readonly string[] = [
  "connection",
  "proxy-connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
];

const OK = { malformed: false, contentLength: -1 } satisfies RequestCheck;
const MALFORMED = { malformed: true, contentLength: -1 } satisfies RequestCheck;

/** Section 8.3.1 for a request; the answer is remembered in the list. */
export function checkRequest(list: HeaderList): RequestCheck {
  list.check ??= judgeRequest(list.fields);
  return list.check;
}

/** Section 8.1: trailers have no pseudo-header fields. */
export function isMalformedTrailers(list: HeaderList): boolean {
  const { fields } = list;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.startsWith(":") || !isField(name, fields[i + 1] as string)) return true;
  }
  return false;
}

function judgeRequest(fields: readonly string[]): RequestCheck {
  const pseudo = countPseudo(fields);
  if (pseudo < 0) return MALFORMED;
  let contentLength = -1;
  for (let i = pseudo * 2; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name.startsWith(":") || !isField(name, value)) return MALFORMED; // pseudo-headers come first
    if (name !== "content-length") continue;
    // Section 8.1.1. Two that agree are no error in HTTP/1.1, here nobody honest sends them.
    if (contentLength >= 0 || !/^\d{1,15}$/.test(value)) return MALFORMED;
    contentLength = Number(value);
  }
  return contentLength < 0 ? OK : { malformed: false, contentLength };
}

/** How many pseudo-header fields lead a request; -1 if they are not what section 8.3.1 asks for. */
function countPseudo(fields: readonly string[]): number {
  let seen = 0;
  let count = 0;
  let connect = false;
  for (let i = 0; i < fields.length && (fields[i] as string).startsWith(":"); i += 2) {
    const bit = PSEUDO[fields[i] as string] ?? 0;
    const value = fields[i + 1] as string;
    if (bit === 0 || (seen & bit) !== 0 || !isValue(value)) return -1; // unknown, or twice
    if (bit !== AUTHORITY && value === "") return -1;
    if (bit === METHOD) connect = value === "CONNECT";
    seen |= bit;
    count++;
  }
  if (connect) return seen === (METHOD | AUTHORITY) ? count : -1; // section 8.5
  const needed = METHOD | SCHEME | PATH;
  return (seen & needed) === needed ? count : -1;
}

const METHOD = 1;
const SCHEME = 2;
const PATH = 4;
const AUTHORITY = 8;
const PSEUDO: { [name: string]: number | undefined } = Object.assign(Object.create(null), {
  ":method": METHOD,
  ":scheme": SCHEME,
  ":path": PATH,
  ":authority": AUTHORITY,
});

function isField(name: string, value: string): boolean {
  if (!isName(name) || !isValue(value) || CONNECTION_SPECIFIC.includes(name)) return false;
  return name !== "te" || value === "trailers"; // section 8.2.2
}

/** Section 8.2.1: no upper case, nothing that is not a token character of RFC 9110 section 5.6.2. */
function isName(name: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name);
}

/** Section 8.2.1: no NUL, CR, LF anywhere, no white space around. */
function isValue(value: string): boolean {
  return !/[\0\r\n]|^[ \t]|[ \t]$/.test(value);
}
