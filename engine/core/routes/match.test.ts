import { describe, expect, test } from "vitest";
import { compileGlob, matchesGlob, normalizePath } from "./glob.ts";
import { normalizeHost } from "./host.ts";
import { matchRoute } from "./match.ts";
import type { MatchPlan, RoutePlan } from "./route.ts";

describe("a path glob", () => {
  const cases: [string, string, boolean][] = [
    ["/orders/**", "/orders", true],
    ["/orders/**", "/orders/", true],
    ["/orders/**", "/orders/1/items", true],
    ["/orders/**", "/ordersx", false],
    ["/orders/*", "/orders/1", true],
    ["/orders/*", "/orders/1/2", false],
    ["/orders/*", "/orders", false],
    ["/**/items", "/items", true],
    ["/**/items", "/a/b/items", true],
    ["/**/items", "/a/items/b", false],
    ["/a/**/b/**/c", "/a/b/b/x/c", true],
    ["/a/**/b/**/c", "/a/x/c", false],
    ["/v*/orders", "/v2/orders", true],
    ["/v*x*/a", "/v1x2/a", true],
    ["/v*x/a", "/vx/a", true],
    ["/v*x*x/a", "/vx/a", false],
    ["/**", "/", true],
    ["/", "/", true],
    ["/", "/a", false],
    ["/a.b", "/axb", false],
    ["/caf%C3%A9", "/café", true],
  ];
  test.each(cases)("%s on %s: %s", (glob, path, expected) => {
    expect(matchesGlob(compileGlob(glob), path)).toBe(expected);
  });
});

describe("a path is matched as a lenient upstream may read it", () => {
  const cases: [string, string][] = [
    ["/orders?x=/../y", "/orders"],
    ["/%6frders/1", "/orders/1"],
    ["//orders///1", "/orders/1"],
    ["/x/../orders/./1", "/orders/1"],
    ["/orders%2F1", "/orders/1"],
    ["/orders%5c1", "/orders/1"],
    ["/x/%2e%2e/orders", "/orders"],
    ["/../../orders", "/orders"],
    ["/orders/", "/orders/"],
    ["/orders//", "/orders/"],
    ["/100%", "/100%"],
    ["/caf%C3%A9", "/café"],
    ["/%ff/x", "/\u00ff/x"],
    ["/x/..;/orders", "/orders"],
    ["/x/..%3b/orders", "/orders"],
    ["/orders;v=1/2", "/orders/2"],
    ["/a/b/..", "/a/"],
    ["/a/.", "/a/"],
    ["/orders#x", "/orders"],
  ];
  test.each(cases)("%s is %s", (path, expected) => {
    expect(normalizePath(path)).toBe(expected);
  });
});

test("a host is compared without case, port and final dot", () => {
  expect(normalizeHost("Shop.Example:8080")).toBe("shop.example");
  expect(normalizeHost("shop.example.")).toBe("shop.example");
  expect(normalizeHost("shop.example.:443")).toBe("shop.example");
  expect(normalizeHost("shop.example..")).toBe("shop.example");
  expect(normalizeHost("u@shop.example:80")).toBe("shop.example");
  expect(normalizeHost("[::1]:80")).toBe("[::1]");
});

describe("the route of an exchange", () => {
  const route = (name: string, match: Partial<MatchPlan>): { plan: RoutePlan } => ({
    plan: {
      name,
      match: { hosts: [], paths: [], methods: [], headers: [], ...match },
      request: undefined,
      response: undefined,
      gateway: false,
      exchange: undefined,
    },
  });
  const routes = [
    route("acme", { headers: [{ name: "x-tenant", value: "acme" }] }),
    route("shop", { hosts: ["*.shop.example"], methods: ["POST"] }),
    route("orders", { paths: [compileGlob("/orders/**")] }),
  ];
  const request = (method: string, host: string, path: string, headers: { [name: string]: string } = {}) => ({
    method,
    host,
    path,
    header: (name: string) => headers[name],
  });
  const cases: [string, ReturnType<typeof request>, number][] = [
    ["the first that matches", request("POST", "a.shop.example", "/orders"), 1],
    ["a header, exactly", request("GET", "x", "/", { "x-tenant": "acme" }), 0],
    ["two values are another value", request("GET", "x", "/", { "x-tenant": "acme,other" }), -1],
    ["a method in small letters", request("post", "a.shop.example", "/"), 1],
    ["another method", request("GET", "a.shop.example", "/orders/1"), 2],
    ["a subdomain pattern is not the domain", request("POST", "shop.example", "/"), -1],
    ["none", request("GET", "x", "/other"), -1],
  ];
  test.each(cases)("%s", (_title, line, expected) => {
    expect(matchRoute(routes, line)).toBe(expected);
  });
});
