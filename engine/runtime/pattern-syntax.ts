/**
 * Reads the part of RE2's syntax that means the same to JavaScript's engine once it is written in its terms: literals,
 * classes without Unicode properties, `\d \w \s`, anchors and `\b`, groups, alternation, repetition, and the flags i
 * (ASCII), m and s. Everything else is `undefined`: the pattern stays with re2js, which has accepted it before.
 */
import { ANY, complement, foldCase, PERL, type Ranges, union } from "./pattern-classes.ts";

export type Node =
  | { kind: "class"; ranges: Ranges }
  /** matches no character; `source` is its JavaScript form */
  | { kind: "assertion"; source: string }
  | { kind: "sequence"; nodes: Node[] }
  | { kind: "choice"; nodes: Node[] }
  | { kind: "group"; captures: boolean; node: Node }
  | { kind: "repeat"; node: Node; min: number; max: number; greedy: boolean };

export const BEGIN_TEXT = "^";
// JavaScript's `$` without the flag m is RE2's: the end of the text and nothing else (PCRE's is not: njs.md section 12).
const END_TEXT = "$";
// Said in what is there: V8 also tries the middle of a surrogate pair, where "no character that is not a line feed"
// holds. For the same reason \B is left to re2js.
const BEGIN_LINE = "(?<=^|\\n)";
const END_LINE = "(?=$|\\n)";

type Flags = { fold: boolean; lines: boolean; dotAll: boolean };
type Reader = { text: string; pos: number; flags: Flags; depth: number };

const DEPTH_MAX = 50;

/** The pattern as a tree, or undefined where it holds anything that is not certain. */
export function readPattern(text: string): Node | undefined {
  if (!text.isWellFormed()) return undefined;
  const reader: Reader = { text, pos: 0, flags: { fold: false, lines: false, dotAll: false }, depth: 0 };
  const node = readChoice(reader);
  return reader.pos === text.length ? node : undefined;
}

function readChoice(reader: Reader): Node | undefined {
  const nodes: Node[] = [];
  for (;;) {
    const node = readSequence(reader);
    if (node === undefined) return undefined;
    nodes.push(node);
    if (reader.text[reader.pos] !== "|") break;
    reader.pos++;
  }
  return nodes.length === 1 ? nodes[0] : { kind: "choice", nodes };
}

function readSequence(reader: Reader): Node | undefined {
  const nodes: Node[] = [];
  while (reader.pos < reader.text.length) {
    const next = reader.text[reader.pos];
    if (next === "|" || next === ")") break;
    const atom = readAtom(reader);
    if (atom === undefined) return undefined;
    if (atom === FLAGS) continue;
    const node = readRepeat(reader, atom);
    if (node === undefined) return undefined;
    nodes.push(node);
  }
  return { kind: "sequence", nodes };
}

/** What `(?i)` is: no node, it has changed the reader's flags. */
const FLAGS: Node = { kind: "sequence", nodes: [] };

function readAtom(reader: Reader): Node | undefined {
  const { text, flags } = reader;
  const code = text.codePointAt(reader.pos) as number;
  const char = String.fromCodePoint(code);
  if (char === "(") return readGroup(reader);
  if (char === "[") return readClass(reader);
  if (char === "\\") return readEscape(reader);
  if ("*+?{}])".includes(char)) return undefined; // braces and brackets that stand alone: rare, and left to re2js
  reader.pos += char.length;
  if (char === ".") return { kind: "class", ranges: flags.dotAll ? ANY : complement([0x0a, 0x0a]) };
  if (char === "^") return { kind: "assertion", source: flags.lines ? BEGIN_LINE : BEGIN_TEXT };
  if (char === "$") return { kind: "assertion", source: flags.lines ? END_LINE : END_TEXT };
  return literal(code, flags);
}

function literal(code: number, flags: Flags): Node | undefined {
  const ranges = flags.fold ? foldCase([code, code]) : [code, code];
  return ranges === undefined ? undefined : { kind: "class", ranges };
}

const GROUP = /\((?:\?(?:(P?<\w+>)|([ims]*)(?:-([ims]+))?(:|\))))?/y;

function readGroup(reader: Reader): Node | undefined {
  GROUP.lastIndex = reader.pos;
  const match = GROUP.exec(reader.text);
  if (match === null || reader.text.startsWith("?", GROUP.lastIndex)) return undefined;
  reader.pos = GROUP.lastIndex;
  const [, , on, off, end] = match;
  const outer = reader.flags;
  if (on !== undefined) reader.flags = withFlags(outer, on, off ?? "");
  if (end === ")") return on === "" && off === undefined ? undefined : FLAGS;
  if (++reader.depth > DEPTH_MAX) return undefined;
  const node = readChoice(reader);
  reader.depth--;
  reader.flags = outer;
  if (node === undefined || reader.text[reader.pos] !== ")") return undefined;
  reader.pos++;
  return { kind: "group", captures: end === undefined, node };
}

function withFlags(outer: Flags, on: string, off: string): Flags {
  const has = (letter: string, before: boolean): boolean => !off.includes(letter) && (before || on.includes(letter));
  return { fold: has("i", outer.fold), lines: has("m", outer.lines), dotAll: has("s", outer.dotAll) };
}

const REPEAT = /(?:([*+?])|\{(\d{1,4})(,?)(\d{0,4})\})(\??)/y;

function readRepeat(reader: Reader, atom: Node): Node | undefined {
  REPEAT.lastIndex = reader.pos;
  const match = REPEAT.exec(reader.text);
  if (match === null) return atom; // a brace that is no repetition is refused as the next atom
  reader.pos = REPEAT.lastIndex;
  const [, sign, from, comma, to, lazy] = match;
  const min = sign === undefined ? Number(from) : sign === "+" ? 1 : 0;
  let max = sign === undefined ? Number.POSITIVE_INFINITY : sign === "?" ? 1 : Number.POSITIVE_INFINITY;
  if (sign === undefined && comma === "") max = min;
  if (sign === undefined && to !== "") max = Number(to);
  if (comma === "" && to !== "" && sign === undefined) return undefined;
  return { kind: "repeat", node: atom, min, max, greedy: lazy === "" };
}

/** Escapes of one character each; RE2's, not JavaScript's. */
const CONTROLS: { readonly [letter: string]: number } = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const ASSERTIONS: { readonly [letter: string]: string } = { A: BEGIN_TEXT, z: END_TEXT, b: "\\b" };

function readEscape(reader: Reader): Node | undefined {
  const letter = reader.text[reader.pos + 1] ?? "";
  if (Object.hasOwn(ASSERTIONS, letter)) {
    reader.pos += 2;
    return { kind: "assertion", source: ASSERTIONS[letter] as string };
  }
  const perl = readPerl(reader);
  if (perl !== undefined) return { kind: "class", ranges: perl };
  const code = readEscapedCode(reader);
  return code === undefined ? undefined : literal(code, reader.flags);
}

function readPerl(reader: Reader): Ranges | undefined {
  const letter = reader.text[reader.pos + 1] ?? "";
  const ranges = Object.hasOwn(PERL, letter.toLowerCase()) ? PERL[letter.toLowerCase()] : undefined;
  if (reader.text[reader.pos] !== "\\" || ranges === undefined) return undefined;
  reader.pos += 2;
  // Folded too: (?i)\w holds the long s and the Kelvin sign, and so (?i)\W does not.
  const folded = (reader.flags.fold ? foldCase(ranges) : ranges) as Ranges; // these are ASCII
  return letter === letter.toLowerCase() ? folded : complement(folded);
}

const ESCAPE = /\\(?:([afnrtv])|x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\}|([!-/:-@[-`{-~]))/y;

function readEscapedCode(reader: Reader): number | undefined {
  ESCAPE.lastIndex = reader.pos;
  const match = ESCAPE.exec(reader.text);
  if (match === null) return undefined;
  reader.pos = ESCAPE.lastIndex;
  const [, control, two, more, sign] = match;
  if (control !== undefined) return CONTROLS[control];
  if (sign !== undefined) return sign.charCodeAt(0);
  const code = Number.parseInt(two ?? (more as string), 16);
  // Half a surrogate pair is no character of a pattern.
  return code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? undefined : code;
}

function readClass(reader: Reader): Node | undefined {
  reader.pos++;
  const negated = reader.text[reader.pos] === "^";
  if (negated) reader.pos++;
  let ranges: Ranges = [];
  for (let first = true; ; first = false) {
    const next = reader.text[reader.pos];
    if (next === "]" && !first) break;
    const perl = readPerl(reader);
    const item = perl ?? readClassRange(reader, first);
    if (item === undefined) return undefined;
    ranges = union(ranges, item);
  }
  reader.pos++;
  return { kind: "class", ranges: negated ? complement(ranges) : ranges };
}

function readClassRange(reader: Reader, first: boolean): Ranges | undefined {
  const lo = readClassCode(reader, first);
  if (lo === undefined) return undefined;
  let hi: number | undefined = lo;
  if (reader.text[reader.pos] === "-" && reader.text[reader.pos + 1] !== "]") {
    reader.pos++;
    hi = readClassCode(reader, false);
  }
  if (hi === undefined || hi < lo) return undefined;
  return reader.flags.fold ? foldCase([lo, hi]) : [lo, hi];
}

function readClassCode(reader: Reader, first: boolean): number | undefined {
  const code = reader.text.codePointAt(reader.pos);
  if (code === undefined) return undefined;
  const char = String.fromCodePoint(code);
  if (char === "\\") return readEscapedCode(reader);
  // `[:alpha:]`, `]` as a member, `-` in the middle: left to re2js.
  if (char === "[" || char === "]") return undefined;
  if (char === "-" && !first && reader.text[reader.pos + 1] !== "]") return undefined;
  reader.pos += char.length;
  return code;
}
