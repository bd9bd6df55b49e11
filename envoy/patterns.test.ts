import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { compileGlob, matchesGlob, normalizePath } from "../engine/core/routes/glob.ts";
import { normalizeHost } from "../engine/core/routes/host.ts";
import { matchRoute } from "../engine/core/routes/match.ts";
import { HIDDEN_DOTS_PATTERN, hostPattern, methodPattern, pathPattern } from "./patterns.ts";
import { route } from "./testing.ts";

const matches = (pattern: string | undefined, text: string) => RE2JS.compile(pattern as string).matches(text);
const join = (segments: string[]) => `/${segments.join("/")}`;

// Few letters and many ways to write them, so that random globs and random paths meet.
const globs = fc
  .array(fc.constantFrom("a", "b", "ab", "*", "**", "a*", "*b", "a*b", "a**", "a.b", "(a", "", "é"), { maxLength: 5 })
  .map(join);
const spellings = fc
  .array(
    fc.constantFrom(
      "a",
      "b",
      "ab",
      "aab",
      "%61",
      "%62b",
      ".",
      "..",
      "%2e",
      "",
      "a.b",
      "axb",
      "(a",
      "a%2Fb",
      "a\\b",
      "?q",
      "c",
    ),
    { maxLength: 6 },
  )
  .map(join);

describe("pathPattern", () => {
  it("agrees with matchesGlob on paths that need no escapes", () => {
    fc.assert(
      fc.property(fc.array(globs, { minLength: 1, maxLength: 3 }), spellings, (texts, target) => {
        const compiled = texts.map(compileGlob);
        const path = normalizePath(target);
        expect(matches(pathPattern(compiled), path)).toBe(compiled.some((glob) => matchesGlob(glob, path)));
      }),
      { numRuns: 5_000 },
    );
  });

  it("takes every spelling of a literal path that decodes to it", () => {
    const chars = fc.array(fc.tuple(fc.constantFrom(..."ab~@:,!$'()+=&;[ ü€😀"), fc.nat(2)), { minLength: 1 });
    fc.assert(
      fc.property(chars, (letters) => {
        const glob = compileGlob(`/${letters.map(([char]) => char).join("")}`);
        const path = letters.map(([char, way]) => spelling(char, way)).join("");
        expect(matches(pathPattern([glob]), `/${path}`)).toBe(true);
        expect(matches(pathPattern([glob]), `/${path}x`)).toBe(false);
      }),
    );
  });

  it("takes path parameters, which an upstream may strip", () => {
    const pattern = pathPattern([compileGlob("/orders/*/items")]);
    expect(matches(pattern, "/orders;v=1/7/items")).toBe(true);
    expect(matches(pattern, "/orders/7;x/items;a;b")).toBe(true);
    expect(matches(pattern, "/orders%3Bv/7/items%3b")).toBe(true);
    expect(matches(pattern, "/orders;v/7/8/items")).toBe(false);
    expect(matches(pattern, "/ordersx;v/7/items")).toBe(false);
  });

  it("is nothing without globs", () => {
    expect(pathPattern([])).toBeUndefined();
  });
});

// What reaches Envoy's routes is normalised: unreserved characters are never escaped there.
function spelling(char: string, way: number): string {
  if (/[A-Za-z0-9~]/.test(char)) return char;
  if (way === 0 && char > " " && char < "\x7f") return char;
  const escaped = Buffer.from(char).toString("hex").replace(/../g, "%$&");
  return way === 1 ? escaped : escaped.toUpperCase();
}

describe("hostPattern", () => {
  const hosts = fc.array(fc.constantFrom("a.example", "*.a.example", "*.example", "b", "[::1]"), { minLength: 1 });
  const names = fc.constantFrom(
    "a.example",
    "A.Example",
    "x.a.example",
    ".a.example",
    "xa.example",
    "b",
    "B",
    "[::1]",
    "example",
  );

  it("takes what normalizeHost and matchRoute take", () => {
    const suffixes = fc.constantFrom("", ".", ":8080", ".:80", ":");
    fc.assert(
      fc.property(hosts, names, suffixes, (patterns, name, suffix) => {
        const host = name + suffix;
        const request = { method: "GET", path: "/", host, header: () => undefined };
        const taken = matchRoute([{ plan: route("r", { hosts: patterns }) }], request) === 0;
        expect(matches(hostPattern(patterns), host), `${host} is ${normalizeHost(host)}`).toBe(taken);
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes a user's name in front, and no other host behind one", () => {
    expect(matches(hostPattern(["a.example"]), "u:p@a.example:80")).toBe(true);
    expect(matches(hostPattern(["a.example"]), "a.example@b")).toBe(false);
  });

  it("is nothing for any host", () => {
    expect(hostPattern([])).toBeUndefined();
    expect(hostPattern(["a", "*"])).toBeUndefined();
  });
});

describe("methodPattern", () => {
  it("takes methods in any case, and whole", () => {
    const pattern = methodPattern(["POST", "M-SEARCH"]);
    expect(["POST", "post", "m-search"].map((method) => matches(pattern, method))).toEqual([true, true, true]);
    expect(["POSTX", "XPOST", "PUT"].map((method) => matches(pattern, method))).toEqual([false, false, false]);
    expect(methodPattern([])).toBeUndefined();
  });
});

describe("HIDDEN_DOTS_PATTERN", () => {
  it.each(["/;x/orders", "/x/..;/orders", "/x/.;a=b/orders", "/..;", "/x/..%3B/orders"])("refuses %s", (path) => {
    expect(matches(HIDDEN_DOTS_PATTERN, path)).toBe(true);
  });

  it.each(["/", "/orders;v=1/2", "/a/...;x", "/a..;x", "/a/b.;c", "/%3Bx"])("leaves %s", (path) => {
    expect(matches(HIDDEN_DOTS_PATTERN, path)).toBe(false);
  });
});
