import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, test } from "vitest";
import { fastPattern } from "./fast-pattern.ts";
import { canFindAll, findAll, newFinder, type Program } from "./find-all.ts";

type Match = (number | string | undefined)[];

/** The oracle: re2js's own search, match by match. */
function searched(program: RE2JS, text: string): Match[] {
  const matches: Match[] = [];
  const matcher = program.matcher(text);
  while (matcher.find()) {
    const match: Match = [matcher.start(0), matcher.end(0)];
    for (let i = 1; i <= matcher.groupCount(); i++) match.push(matcher.group(i) ?? undefined);
    matches.push(match);
  }
  return matches;
}

function foundFast(find: RegExp, text: string): Match[] {
  const matches: Match[] = [];
  find.lastIndex = 0;
  for (let match = find.exec(text); match !== null; match = find.exec(text)) {
    const end = find.lastIndex;
    matches.push([match.index, end, ...match.slice(1)]);
    if (end === match.index) find.lastIndex += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return matches;
}

function foundOnce(program: RE2JS, text: string): Match[] {
  const matches: Match[] = [];
  const finder = newFinder(program.re2().prog as Program, program.re2().prefix as string);
  expect(canFindAll(finder, text)).toBe(true);
  findAll(finder, text, (caps) => {
    const match: Match = [caps[0], caps[1]];
    for (let i = 1; i <= program.groupCount(); i++) {
      const end = caps[2 * i + 1] ?? -1; // re2js leaves out a group repeated {0} times
      match.push(end === -1 ? undefined : text.slice(caps[2 * i], end));
    }
    matches.push(match);
  });
  return matches;
}

const ATOMS = [
  ..."ab1k_ \n-,\"'éſK😀/:@".split(""),
  "😀",
  ".",
  "[ab]",
  "[^a]",
  "[^ab\\n]",
  "[a-f0-9]",
  "[-a]",
  "[a-]",
  "[\\d_]",
  "[^\\D]",
  "[\\s\\S]",
  "[é-ü]",
  "[😀-😂a]",
  "[--a]",
  "\\d",
  "\\D",
  "\\w",
  "\\W",
  "\\s",
  "\\S",
  "\\b",
  "\\B",
  "^",
  "$",
  "\\A",
  "\\z",
  "\\.",
  "\\-",
  "\\_",
  "\\n",
  "\\r",
  "\\t",
  "\\v",
  "\\f",
  "\\a",
  "\\x41",
  "\\x{1F600}",
  "\\x{e9}",
  // what the fast path must leave alone
  "\\pL",
  "[[:alpha:]]",
  "[]a]",
  "\\Qa+\\E",
  "\\C",
  "{",
  "}",
  "a{,2}",
  "\\101",
  "[a-\\d]",
];
const REPEATS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,3}?", "{2,}", "{0}", "{1,}?", "{0,20}"];
const OPENINGS = ["(", "(?:", "(?i:", "(?s:", "(?m:", "(?-i:", "(?P<n>", "(?<m>", "(?is-m:", "(?U:"];

const { pattern } = fc.letrec<{ pattern: string; sequence: string; piece: string; atom: string }>((tie) => ({
  pattern: fc
    .tuple(
      fc.constantFrom("", "", "", "(?i)", "(?s)", "(?m)", "(?im)", "^"),
      fc.array(tie("sequence"), { minLength: 1, maxLength: 3 }),
    )
    .map(([flags, parts]) => flags + parts.join("|")),
  sequence: fc.array(tie("piece"), { maxLength: 5 }).map((pieces) => pieces.join("")),
  piece: fc
    .tuple(tie("atom"), fc.option(fc.constantFrom(...REPEATS), { freq: 2 }))
    .map(([atom, repeat]) => atom + (repeat ?? "")),
  atom: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 5, arbitrary: fc.constantFrom(...ATOMS) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom(...OPENINGS), tie("pattern")).map(([open, inner]) => `${open}${inner})`),
    },
  ),
}));
const UNITS = [
  ..."aabbk1_ -,AKB\"':/@",
  "\n",
  "\r",
  "\t",
  "\v",
  "\f",
  "\u2028",
  "\u2029",
  "é",
  "É",
  "ü",
  "ſ",
  "\u212a",
  "😀",
  "😁",
  "\ud83d",
  "\ude00",
  "\u00a0",
  "٣",
  "\0",
];
const texts = fc.string({ unit: fc.constantFrom(...UNITS), maxLength: 24 });

function compiled(text: string): RE2JS | undefined {
  try {
    return RE2JS.compile(text);
  } catch {
    return undefined;
  }
}

/** Where backtracking engines and RE2 are known to part (njs.md section 12), and what was found by the properties below. */
const APART: readonly (readonly [string, string])[] = [
  ["(?:(a)|b){2}", "ab ba aa"],
  ["(?:(a)|b)*", "aab"],
  ["(?:(a)|(b)){1,3}", "aba"],
  ["(a*)*", "baa"],
  ["(a|)?", "a"],
  ["(|a)+", "aa"],
  ["(\\n*)*|", "\n"],
  ["(?:a*)+$", "aab"],
  ["a$", "a\n"],
  ["(?m)a$", "a\na\r\na"],
  ["(?m)^", "\r\n\u2028x\n"],
  [".", "\r\n\u2028\u2029"],
  ["\\s", "\v\u00a0\ufeff \f"],
  ["(?i)k|s", "K\u212aS\u017f"],
  ["(?i)[^k]", "\u212ak"],
  ["(?i)\\W", "\u212a"],
  ["\\bK", "\u212aK K"],
  ["[^a]", "😀\ud83d\ude00\ude00\ud83d"],
  ["(?m)$", "😀"],
  ["\\B", "a😀b"],
];

test.each(APART)("%j finds in %j what re2js finds, on every path", (source, text) => {
  const program = RE2JS.compile(source);
  const native = fastPattern(source);
  if (native !== undefined) expect(foundFast(native.find, text)).toEqual(searched(program, text));
  expect(foundOnce(program, text)).toEqual(searched(program, text));
});

const RUNS = Number(process.env.AGGLO_FUZZ_RUNS ?? 4000);

describe("whatever the pattern and the text", () => {
  test("the fast path, where there is one, finds what re2js finds", () => {
    let fast = 0;
    let valid = 0;
    fc.assert(
      fc.property(pattern, fc.array(texts, { minLength: 3, maxLength: 6 }), (source, subjects) => {
        const program = compiled(source);
        if (program === undefined) return;
        valid++;
        const native = fastPattern(source);
        if (native === undefined) return;
        fast++;
        for (const text of subjects) {
          expect(native.test.test(text), text).toBe(program.test(text));
          expect(foundFast(native.find, text), text).toEqual(searched(program, text));
        }
      }),
      { numRuns: RUNS },
    );
    // A fast path that takes nothing would agree too.
    expect(fast / valid).toBeGreaterThan(0.3);
  });

  test("the single pass finds what re2js finds, search by search", () => {
    fc.assert(
      fc.property(pattern, fc.array(texts, { minLength: 2, maxLength: 4 }), (source, subjects) => {
        const program = compiled(source);
        if (program === undefined) return;
        for (const text of subjects) expect(foundOnce(program, text), text).toEqual(searched(program, text));
      }),
      { numRuns: RUNS },
    );
  });
});
