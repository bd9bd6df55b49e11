import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Pattern } from "../core/ports.ts";
import { re2Regexps } from "./regexps.ts";

const regexps = re2Regexps();

function patternOf(text: string): Pattern {
  const pattern = regexps.compile(text);
  if ("error" in pattern) throw new Error(pattern.error);
  return pattern;
}

/** [pattern, text, template, what Go 1.26's regexp.ReplaceAllString answers] */
const GO_RESULTS: readonly (readonly [string, string, string, string])[] = [
  ["e?", "a.b", "_", "_a_._b_"],
  ["e?", "aeb", "_", "_a_b_"],
  ["a*", "baac", "-", "-b-c-"],
  ["(a)(b)", "ab", "$2$1", "ba"],
  ["(a)(b)", "ab", "$1x", ""],
  ["(a)(b)", "ab", "${1}x", "ax"],
  ["(?P<n>a)", "ab", "$n", "ab"],
  ["(?<n>a)", "ab", "${n}!", "a!b"],
  ["(?P<n>a)", "ab", "$nx", "b"],
  ["(?P<n>a)", "a", "${n", "${n"],
  ["(?P<a_1>b)", "b", "$a_1", "b"],
  ["a", "a", "$$1", "$1"],
  ["a", "a", "$", "$"],
  ["a", "a", "$$", "$"],
  ["a", "a", "$ x", "$ x"],
  ["a", "a", "${", "${"],
  ["a", "a", "${1", "${1"],
  ["a", "a", "${a b}", "${a b}"],
  ["a", "a", "$-", "$-"],
  ["a", "a", "\\1$&", "\\1$&"],
  ["a", "ba", "[$0]", "b[a]"],
  ["a", "a", "$00", ""],
  ["(a)", "a", "$01", ""],
  ["(a)", "a", "$1é", ""],
  ["(a)", "a", "$1$", "a$"],
  ["(a)", "a", "$1_", ""],
  ["(a)", "a", "$999999999999", ""],
  ["a", "aXa", "${1}$", "$X$"],
  ["٣", "٣", "$٣", ""],
  ["(a)|b", "b", "<$1>", "<>"],
  ["", "", "x", "x"],
  ["x", "", "y", ""],
  ["", "😀é", "-", "-😀-é-"],
  [".", "😀x", "[$0]", "[😀][x]"],
  ["x*", "😀", "-", "-😀-"],
  ["[^a]", "😀a", "z", "za"],
  ["\\x{1F600}", "a😀", "s", "as"],
  ["^", "abc", "-", "-abc"],
  ["$", "abc", "-", "abc-"],
  ["\\z", "ab", "!", "ab!"],
  ["(?m)^", "a\nb", "> ", "> a\n> b"],
  ["(?s).", "\n", "x", "x"],
  ["\\b", "ab cd", "|", "|ab| |cd|"],
  ["a|ab", "ab", "x", "xb"],
  ["a?", "aaa", "b", "bbb"],
  ["(|a)*", "aa", "x", "xaxax"],
  ["(|a)+", "aa", "x", "xaxax"],
  ["\\pN", "1٢", "n", "nn"],
  ["(?i)HELLO", "say hello", "bye", "say bye"],
  ["(\\w+)@(\\w+)\\.com", "bob@example.com, al@x.com", "$2:$1", "example:bob, x:al"],
  ["(?P<n>a)(?P<n>b)?", "ab", "$n", "a"],
  ["(?:(?P<n>a)|(?P<n>b))", "b", "[$n]", "[b]"],
];

describe("a pattern replaces as Go does", () => {
  test.each(GO_RESULTS)("%j in %j by %j gives %j", (pattern, text, template, expected) => {
    expect(patternOf(pattern).replaceAll(text, template)).toBe(expected);
  });

  test("a repeated name is found although classes, escapes and quoted text hold parentheses", () => {
    const pattern = patternOf("[(\\])]\\(\\Q(?P<n>\\E(x)(?:(?P<n>a)|(?P<n>b))[[:alpha:]]");
    expect(pattern.replaceAll(")((?P<n>xbz", "$n-$1")).toBe("b-x");
  });

  test("templates that alternate on one pattern keep apart", () => {
    const pattern = patternOf("(a)");
    expect(pattern.replaceAll("a", "<$1>")).toBe("<a>");
    expect(pattern.replaceAll("a", "[$1]")).toBe("[a]");
    expect(pattern.replaceAll("a", "<$1>")).toBe("<a>");
  });
});

/** [pattern, what is said about it] */
const REFUSED: readonly (readonly [string, string])[] = [
  ["(", "is not valid: missing closing ): `(`"],
  ["a{1001}", "is not valid: invalid repeat count: `{1001}`"],
  ["((a{100}){100}){100}", "is not valid: invalid repeat count: `{100}`"],
  ["(?=a)", "is not valid: invalid or unsupported Perl syntax: `(?=`"],
  ["a**", "is not valid: invalid nested repetition operator: `**`"],
  ["[z-a]", "is not valid: invalid character class range: `z-a`"],
  ["(?P<n", "is not valid: invalid named capture: `(?P<n`"],
  ["(?P<n>a)(?P<n>b", "is not valid: missing closing ): `(a)(b`"],
  ["\\8", "is not valid: invalid escape sequence: `\\8`"],
];

describe("a pattern that RE2 does not take", () => {
  test.each(REFUSED)("%s is refused in words", (pattern, error) => {
    expect(regexps.compile(pattern)).toEqual({ error });
  });

  test("is refused even where it would overflow a stack", () => {
    expect(regexps.compile("(".repeat(5000) + ")".repeat(5000))).toEqual({
      error: "is not valid: expression nests too deeply",
    });
  });
});

describe("a pattern tests", () => {
  test("anywhere in the text", () => {
    const pattern = patternOf("b+");
    expect(pattern.test("abbc")).toBe(true);
    expect(pattern.test("ac")).toBe(false);
    expect(patternOf("^b").test("ab")).toBe(false);
    expect(patternOf("").test("")).toBe(true);
  });

  test("characters outside the BMP as one, half of one as itself", () => {
    expect(patternOf("^.$").test("😀")).toBe(true);
    expect(patternOf("^..$").test("😀")).toBe(false);
    expect(patternOf("b").replaceAll("\ud800b\udc00", "$0$0")).toBe("\ud800bb\udc00");
  });

  test("a text made to explode a backtracking engine", () => {
    const pattern = patternOf("(a+)+$");
    const text = `${"a".repeat(30_000)}!`;
    expect(pattern.test(text)).toBe(false);
    expect(pattern.replaceAll(text, "$1")).toBe(text);
  });
});

describe("a pattern of the subset that both engines read alike", () => {
  const atom = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\d", "é", "😀");
  const piece = fc
    .tuple(atom, fc.constantFrom("", "", "?", "{1,2}"))
    .map(([text, repeat]) => (repeat === "" ? text : `(?:${text})${repeat}`));
  const alternative = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(""));
  const patterns = fc.array(alternative, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("|"));
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", "é", "😀", " "), maxLength: 20 });

  test("matches what JavaScript's own matches", () => {
    fc.assert(
      fc.property(patterns, texts, (pattern, text) => {
        expect(patternOf(pattern).test(text)).toBe(new RegExp(pattern, "u").test(text));
      }),
    );
  });

  test("replaces what JavaScript's own replaces, where no match is empty", () => {
    fc.assert(
      fc.property(patterns, texts, (pattern, text) => {
        const native = new RegExp(pattern, "gu");
        fc.pre(!new RegExp(`^(?:${pattern})$`, "u").test(""));
        fc.pre(![...text.matchAll(native)].some((match) => match[0] === ""));
        expect(patternOf(pattern).replaceAll(text, "<$0>")).toBe(text.replace(native, "<$&>"));
      }),
    );
  });
});

/** Patterns that a backtracking engine, or one search after the other, would take seconds or for ever for. */
const HOSTILE: readonly (readonly [string, string])[] = [
  ["(a+)+$", `${"a".repeat(30_000)}!`],
  ["x+$", `${"x".repeat(30_000)}y`],
  ["x*y|x", "x".repeat(30_000)],
  ["(x*)y|(x)", `${"x".repeat(30_000)}y`],
  ["<[^>]*>|<", "<".repeat(30_000)],
  ["\\w+@\\w+\\.com|\\w", "a".repeat(30_000)],
  ["(?:a?){30}a{30}", "ab".repeat(15_000)],
  ["a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaa", "aaaaaaaaaaab".repeat(2500)],
  ["(a|b)*a(a|b){20}c|a", "ab".repeat(15_000)],
  ["\\pL*1|\\pL", "é".repeat(30_000)],
];

describe("30,000 characters made to take long", () => {
  // Seconds where a search begins anew for each match; here some 50 ms at most.
  test.each(HOSTILE)("%s", (pattern, text) => {
    const started = performance.now();
    patternOf(pattern).test(text);
    patternOf(pattern).replaceAll(text, "<$0$1>");
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

test("the length at which the engine changes changes nothing else", () => {
  for (const [pattern, unit] of [
    ["x+$", "x"],
    ["(a)|(b*)c|b", "ab"],
    ["<[^>]*>", "<a"],
    ["$|\\b", "a "],
  ] as const) {
    for (const length of [10, 130, 135, 138, 139, 140, 145, 400]) {
      const text = `${unit.repeat(length).slice(0, length - 2)}c>`;
      const prefix = "\u{1f600}".repeat(40_000); // past every fast path's length
      const far = patternOf(pattern).replaceAll(`${prefix} ${text}`, "[$1|$2]");
      const near = patternOf(pattern).replaceAll(` ${text}`, "[$1|$2]");
      expect(far.slice(prefix.length), `${pattern} ${length}`).toBe(near);
    }
  }
});
