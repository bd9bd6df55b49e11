/** The words of a condition in CEL (cel-spec langdef, "Syntax"): numbers, strings, names and symbols, each with its place. */

export const Token = { end: 0, int: 1, uint: 2, double: 3, string: 4, name: 5, symbol: 6 } as const;

export type CelToken = {
  /** one of Token */
  kind: number;
  /** source[start, end) */
  start: number;
  end: number;
  /** of a name or symbol as it stands; of a string what it holds */
  text: string;
  /** of a number */
  value: number;
};

/** What is wrong at source[start, end). */
export type CelError = { start: number; end: number; message: string; remedy: string };

/** The words in order, the last of kind `end`; they break off at an error. */
export type CelTokens = { tokens: CelToken[]; error: CelError | undefined };

const SPACE = /^(?:[ \t\n\f\r]+|\/\/[^\n]*)+/;
const NUMBER = /^(?:0[xX][0-9a-fA-F]+[uU]?|[0-9]*\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|[0-9]+[uU]?)/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
const STRING = /^([rR]?)("""|'''|"|')/;
const BYTES = /^(?:[bB][rR]?|[rR][bB])["']/;
const SYMBOL = /^(?:&&|\|\||[=!<>]=|[-+*/%<>!?:.,()[\]{}])/;

export function readTokens(source: string): CelTokens {
  const read: CelTokens = { tokens: [], error: undefined };
  let pos = 0;
  while (read.error === undefined) {
    pos += SPACE.exec(source.slice(pos))?.[0].length ?? 0;
    if (pos === source.length) {
      read.tokens.push({ kind: Token.end, start: pos, end: pos, text: "", value: 0 });
      break;
    }
    pos = readToken(read, source, pos);
  }
  return read;
}

/** Reads one word; the answer is where it ends. */
function readToken(read: CelTokens, source: string, start: number): number {
  const rest = source.slice(start);
  if (BYTES.test(rest)) return wrong(read, start, start + 2, "bytes are not in the subset", "write a string");
  const quoted = STRING.exec(rest);
  if (quoted !== null) return readString(read, source, start, quoted[1] !== "", quoted[2] as string);
  const number = NUMBER.exec(rest);
  if (number !== null) return readNumber(read, source, start, number[0]);
  const text = NAME.exec(rest)?.[0] ?? SYMBOL.exec(rest)?.[0];
  if (text === undefined)
    return wrong(read, start, start + 1, "this means nothing here", REMEDIES[rest.charAt(0)] ?? "");
  const kind = NAME.test(text) ? Token.name : Token.symbol;
  return push(read, { kind, start, end: start + text.length, text, value: 0 });
}

const REMEDIES: { [character: string]: string } = {
  "=": "write == to compare",
  "&": "write &&",
  "|": "write ||",
  "`": 'write event["x-y"] for a key that is no name',
};

function push(read: CelTokens, token: CelToken): number {
  read.tokens.push(token);
  return token.end;
}

function wrong(read: CelTokens, start: number, end: number, message: string, remedy: string): number {
  read.error = { start, end, message, remedy };
  return end;
}

function readNumber(read: CelTokens, source: string, start: number, text: string): number {
  const end = start + text.length;
  if (/[A-Za-z0-9_]/.test(source.charAt(end))) return wrong(read, start, end + 1, "a number runs into a name", "");
  const isHex = /^0[xX]/.test(text);
  const isUint = /[uU]$/.test(text);
  const isDouble = !isHex && /[.eE]/.test(text);
  const value = Number(isUint ? text.slice(0, -1) : text);
  if (isDouble && !Number.isFinite(value)) return wrong(read, start, end, "the number is too large", "");
  if (!isDouble && !Number.isSafeInteger(value))
    return wrong(read, start, end, "whole numbers go to 2^53 - 1 here", "write a double, with .0 at its end");
  const kind = isDouble ? Token.double : isUint ? Token.uint : Token.int;
  return push(read, { kind, start, end, text, value });
}

function readString(read: CelTokens, source: string, start: number, raw: boolean, quote: string): number {
  let pos = start + (raw ? 1 : 0) + quote.length;
  let text = "";
  while (pos < source.length) {
    const character = source.charAt(pos);
    if (source.startsWith(quote, pos)) {
      const end = pos + quote.length;
      return push(read, { kind: Token.string, start, end, text, value: 0 });
    }
    if (quote.length === 1 && (character === "\n" || character === "\r")) break;
    if (!raw && character === "\\") {
      const rest = source.slice(pos + 1, pos + 10);
      const escaped = readEscape(rest);
      if (escaped === undefined)
        return wrong(
          read,
          pos,
          pos + 2,
          "there is no such escape",
          "double the backslash, or write r in front of the string",
        );
      text += escaped;
      pos += 1 + escapeLength(rest);
    } else {
      text += character;
      pos++;
    }
  }
  return wrong(read, start, pos, "the string does not end", `close it with ${quote}`);
}

const LETTERS = "abfnrtv\\?\"'`";
const MEANT = "\u0007\b\f\n\r\t\u000b\\?\"'`";
const CODE = /^(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/;

/** What stands for the backslash and the beginning of `rest`; undefined: no escape. */
function readEscape(rest: string): string | undefined {
  const letter = rest === "" ? -1 : LETTERS.indexOf(rest.charAt(0));
  if (letter !== -1) return MEANT.charAt(letter);
  const code = CODE.exec(rest);
  if (code === null) return undefined;
  const octal = code[4];
  const point =
    octal === undefined ? Number.parseInt(code[1] ?? code[2] ?? (code[3] as string), 16) : Number.parseInt(octal, 8);
  // A surrogate is half a character, and nothing lies beyond 0x10ffff.
  if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined;
  return String.fromCodePoint(point);
}

function escapeLength(rest: string): number {
  return CODE.exec(rest)?.[0].length ?? 1;
}
