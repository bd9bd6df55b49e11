import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CelNode, parseCel } from "./cel-parse.ts";
import { Kind } from "./cel-types.ts";

/** The tree with every operation in parentheses. */
function grouped(source: string): string {
  const { root, error } = parseCel(source);
  if (error !== undefined) return `${error.start}-${error.end} ${error.message}${error.remedy && `; ${error.remedy}`}`;
  return show(root as CelNode);
}

function show(node: CelNode): string {
  const args = node.args.map(show);
  switch (node.kind) {
    case "literal":
      return JSON.stringify(node.value) + (node.type === Kind.double ? "d" : node.type === Kind.uint ? "u" : "");
    case "list":
      return `[${args.join(",")}]`;
    case "name":
      return node.text;
    case "select":
      return `(${args[0]}.${node.text})`;
    case "index":
      return `(${args[0]}[${args[1]}])`;
    case "call":
      return `${node.text}(${args.join(",")})`;
    case "method":
      return `(${args[0]}.${node.text}(${args.slice(1).join(",")}))`;
    case "prefix":
      return `(${node.text}${args[0]})`;
    case "ternary":
      return `(${args[0]}?${args[1]}:${args[2]})`;
    case "binary":
      return `(${args[0]}${node.text === "in" ? " in " : node.text}${args[1]})`;
  }
}

describe("operators group as the specification says", () => {
  test.each([
    ["a || b && c || d", "((a||(b&&c))||d)"],
    ["a && b && c", "((a&&b)&&c)"],
    // One level for all relations, from the left (langdef, "Syntax").
    ["a == b < c", "((a==b)<c)"],
    ["a < b == c", "((a<b)==c)"],
    ["a in b == c", "((a in b)==c)"],
    ["a == b && c != d", "((a==b)&&(c!=d))"],
    ["1 - 2 - 3", "((1-2)-3)"],
    ["1 + 2 * 3 % 4 - 5", "((1+((2*3)%4))-5)"],
    ["8 / 4 / 2", "((8/4)/2)"],
    ["1 + 2 < 3 * 4", "((1+2)<(3*4))"],
    ["!a.b", "(!(a.b))"],
    ["!a == b", "((!a)==b)"],
    ["!!a", "(!(!a))"],
    ["-a + b", "((-a)+b)"],
    ["- -1", "(--1)"],
    ["1 - -1", "(1--1)"],
    ["-a.b", "(-(a.b))"],
    ["-a[0].size()", "(-((a[0]).size()))"],
    ["a ? b : c ? d : e", "(a?b:(c?d:e))"],
    ["a || b ? c && d : e || f", "((a||b)?(c&&d):(e||f))"],
    ["(a ? b : c) ? d : e", "((a?b:c)?d:e)"],
    ["a ? (b ? c : d) : e", "(a?(b?c:d):e)"],
    ["(a || b) && c", "((a||b)&&c)"],
    ['a.b[0]["x"].c(1, d).e', '(((((a.b)[0])["x"]).c(1,d)).e)'],
    ["f(a, b + c)[0]", "(f(a,(b+c))[0])"],
    ["[1, [2], 'x',]", '[1,[2],"x"]'],
    ["[]", "[]"],
    ["a // or not\n && b", "(a&&b)"],
    ["a\t.\nb", "(a.b)"],
    // A reserved word may be a member, as in every CEL.
    ["a.package.if", "((a.package).if)"],
    ["inner", "inner"],
  ])("%s", (source, expected) => {
    expect(grouped(source)).toBe(expected);
  });
});

describe("literals", () => {
  test.each([
    ["0", "0"],
    ["42", "42"],
    ["0x1F", "31"],
    ["42u", "42u"],
    ["0xFFu", "255u"],
    ["1.5", "1.5d"],
    [".5", "0.5d"],
    ["1e3", "1000d"],
    ["1.5E-3", "0.0015d"],
    ["-7", "-7"],
    ["-1.5", "-1.5d"],
    ["-0.0", "(-0d)"],
    ["9007199254740991", "9007199254740991"],
    ["true", "true"],
    ["null", "null"],
    [`"it's"`, `"it's"`],
    [`'say "x"'`, JSON.stringify('say "x"')],
    [`"""a\n"b" ""c"""`, JSON.stringify('a\n"b" ""c')],
    [`'''a'b'''`, `"a'b"`],
    [`""`, `""`],
    [`""""""`, `""`],
    ['"\\a\\b\\f\\n\\r\\t\\v\\\\\\?\\"\\\'\\`"', JSON.stringify("\u0007\b\f\n\r\t\u000b\\?\"'`")],
    [String.raw`"\x41\X6a\u00e9\U0001F600\101"`, JSON.stringify("Ajé😀A")],
    [String.raw`r"\d+\."`, JSON.stringify("\\d+\\.")],
    // Raw: a backslash is itself, even before the end.
    [String.raw`r"a\"`, JSON.stringify("a\\")],
    [String.raw`R'''\'x'''`, JSON.stringify("\\'x")],
    [`"😀"`, `"😀"`],
  ])("%s", (source, expected) => {
    expect(grouped(source)).toBe(expected);
  });
});

describe("what cannot be read is said with its place", () => {
  test.each([
    ["", "0-0 expected a value, found the end"],
    ["a ==", "4-4 expected a value, found the end"],
    ["a = 1", "2-3 this means nothing here; write == to compare"],
    ["a & b", "2-3 this means nothing here; write &&"],
    ["a and b", "2-5 expected an operator, found `and`; write &&"],
    ["not a", "4-5 expected an operator, found `a`"],
    ["(a", "2-2 expected `)`, found the end"],
    ["a)", "1-2 expected an operator, found `)`"],
    ["[1 2]", "3-4 expected `,`, found `2`"],
    ["[,]", "1-2 expected a value, found `,`"],
    ["f(a,)", "4-5 expected a value, found `)`"],
    ["a ? b", "5-5 expected `:`, found the end"],
    ["a ? b ? c : d : e", "6-7 expected `:`, found `?`"],
    ["a.5", "1-3 expected an operator, found `.5`"],
    ["a.in", '2-4 expected a name, found `in`; a key that is no name goes in brackets: event["x-y"]'],
    ["a.`x-y`", '2-3 this means nothing here; write event["x-y"] for a key that is no name'],
    ["{'a': 1}", "0-1 expected a value: maps are not in the subset, found `{`"],
    ["b'a'", "0-2 bytes are not in the subset; write a string"],
    ["rb'a'", "0-2 bytes are not in the subset; write a string"],
    ["if", "0-2 expected a value, found `if`"],
    ["1a", "0-2 a number runs into a name"],
    ["1e999", "0-5 the number is too large"],
    ["9007199254740992", "0-16 whole numbers go to 2^53 - 1 here; write a double, with .0 at its end"],
    ['"abc', '0-4 the string does not end; close it with "'],
    ["'a\nb'", "0-2 the string does not end; close it with '"],
    [String.raw`"\d"`, "1-3 there is no such escape; double the backslash, or write r in front of the string"],
    [String.raw`"\ud83d"`, "1-3 there is no such escape; double the backslash, or write r in front of the string"],
    [String.raw`"\U00110000"`, "1-3 there is no such escape; double the backslash, or write r in front of the string"],
    [String.raw`"\8"`, "1-3 there is no such escape; double the backslash, or write r in front of the string"],
    ["a #", "2-3 this means nothing here"],
  ])("%s", (source, expected) => {
    expect(grouped(source)).toBe(expected);
  });

  test("more levels or characters than any condition needs", () => {
    expect(grouped("(".repeat(60))).toContain("at most 50 levels");
    expect(grouped("!".repeat(3000))).toContain("at most 50 levels");
    expect(grouped("-".repeat(3000))).toContain("at most 50 levels");
    expect(grouped("x".repeat(4001))).toContain("more than 4000 characters");
    expect(parseCel(`${"(".repeat(49)}a${")".repeat(49)}`).error).toBeUndefined();
  });
});

test("no text makes the parser throw, and a place is inside the text", () => {
  const words = [
    "event",
    ".",
    "a",
    "[",
    "]",
    "(",
    ")",
    "==",
    "&&",
    "||",
    "?",
    ":",
    "in",
    "!",
    "-",
    "1",
    "1.5",
    ",",
    "'x'",
    "{",
    " ",
  ];
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (source) => {
      const { root, error } = parseCel(source);
      if (error === undefined) {
        expect(root?.end).toBeLessThanOrEqual(source.length);
        return;
      }
      expect(error.start).toBeGreaterThanOrEqual(0);
      expect(error.end).toBeGreaterThanOrEqual(error.start);
      expect(error.end).toBeLessThanOrEqual(source.length + 1);
    }),
    { numRuns: 3000 },
  );
});
