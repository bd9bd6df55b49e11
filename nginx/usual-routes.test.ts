import fc from "fast-check";
import { expect, test } from "vitest";
import { compileGlob } from "../engine/core/routes/glob.ts";
import { matchRoute } from "../engine/core/routes/match.ts";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { usualPatterns } from "./usual-routes.ts";

type Match = { methods: string[]; hosts: string[]; paths: string[]; headers: { name: string; value: string }[] };

function route(match: Partial<Match>): RoutePlan {
  const { methods = [], hosts = [], paths = [], headers = [] } = match;
  const compiled = { methods, hosts, headers, paths: paths.map(compileGlob) };
  return { match: compiled } as unknown as RoutePlan; // nothing else is read
}

/** As nginx asks its map: PCRE reads these patterns as JavaScript does. */
function usual(routes: RoutePlan[], method: string, target: string): number {
  return usualPatterns(routes).findIndex((pattern) => new RegExp(pattern).test(`${method} ${target}`));
}

function matched(routes: RoutePlan[], method: string, path: string): number {
  return matchRoute(
    routes.map((plan) => ({ plan })),
    { method, path, host: "", header: () => undefined },
  );
}

// Few letters and many ways to write them, so that random globs and random targets meet.
const globs = fc
  .array(fc.constantFrom("a", "b", "ab", "*", "**", "a*", "*b", "a*b", "a**", "a.b", "(a", "", "é"), { maxLength: 4 })
  .map((segments) => `/${segments.join("/")}`);
const piece = fc.constantFrom(
  ...[
    "a",
    "b",
    "ab",
    "aab",
    "a.b",
    "axb",
    "(a",
    "/",
    "/",
    "/",
    "//",
    ".",
    "..",
    "%61",
    "%2f",
    "?",
    "?q=/a",
    "#",
    ";",
    "\\",
  ],
  ...["é", " ", "\n", "http:", "*"],
);
const targets = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
const methods = fc.constantFrom("GET", "POST", "post", "PUT", "");
const matches = fc.record({
  methods: fc.array(fc.constantFrom("GET", "POST", "post"), { maxLength: 2 }),
  paths: fc.array(globs, { maxLength: 2 }),
});

test("what the map says is what matching says, for every request", () => {
  let said = 0;
  fc.assert(
    fc.property(fc.array(matches, { minLength: 1, maxLength: 3 }), methods, targets, (list, method, rest) => {
      const routes = list.map(route);
      for (const target of [`/${rest}`, rest]) {
        const index = usual(routes, method, target);
        if (index === -1) continue;
        expect(matched(routes, method, target)).toBe(index);
        said++;
      }
    }),
    { numRuns: 20_000 },
  );
  expect(said).toBeGreaterThan(1000);
});

test.each<[string, string, number]>([
  ["POST", "/orders", 0],
  ["POST", "/orders/7?x=/a/../b", 0],
  ["post", "/orders/", 0],
  ["GET", "/orders/7", 1],
  ["GET", "/", 1],
])("a usual request is known: %s %s", (method, target, index) => {
  const routes = [route({ methods: ["POST"], paths: ["/orders/**"] }), route({})];
  expect(usual(routes, method, target)).toBe(index);
});

test.each(["/orders/../x", "//orders", "/%6frders", "/x;/orders", "/orders\\x", "/orders/é", "http://h/orders", ""])(
  "any other is left to the bundle: %s",
  (target) => {
    expect(usual([route({})], "POST", target)).toBe(-1);
  },
);

test("so is what a route with a host or a header may mean, and all behind it", () => {
  const routes = [route({ paths: ["/a"] }), route({ hosts: ["h"], paths: ["/b"] }), route({})];
  expect(usual(routes, "GET", "/a")).toBe(0);
  expect(usual(routes, "GET", "/b")).toBe(-1);
  expect(usual(routes, "GET", "/c")).toBe(-1);
  expect(usual([route({ headers: [{ name: "x", value: "1" }] }), route({})], "GET", "/c")).toBe(-1);
});
