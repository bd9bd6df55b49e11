import { describe, expect, test } from "vitest";
import { bufferBytes, needs, routeMark } from "./needs.ts";
import type { RoutePlan, SectionPlan } from "./route.ts";

const refused = { status: 500, headers: [], body: "", contentType: "", grpcStatus: -1, rule: "error" };

function section(direction: "request" | "response", change: Partial<SectionPlan> = {}): SectionPlan {
  const reply = change.guards === false ? null : refused;
  return {
    direction,
    enforce: true,
    separate: false,
    pipelines: [0],
    contentTypes: [],
    each: undefined,
    batch: undefined,
    bodyless: false,
    statuses: [],
    setHeaders: [],
    removeHeaders: [],
    metadata: [],
    limits: { bodyBytes: 1000, decodedBytes: 1, depth: 64, deadlineMs: 150 },
    onFault: {
      contentType: reply,
      unparsable: reply,
      ambiguous: reply,
      tooLarge: reply,
      timeout: reply,
      overload: reply,
      error: reply,
    },
    guards: true,
    changesBody: true,
    readsHttp: false,
    readsRequest: false,
    ...change,
  };
}

function route(request: SectionPlan | undefined, response: SectionPlan | undefined): RoutePlan {
  return {
    name: "r",
    match: { hosts: [], paths: [], methods: [], headers: [] },
    request,
    response,
    exchange: undefined,
    gateway: false,
  };
}

describe("the cheapest modes that do", () => {
  const cases: [string, RoutePlan, string][] = [
    ["a request with pipelines", route(section("request"), undefined), "r@SKBN"],
    ["a request that only writes headers", route(section("request", { pipelines: [] }), undefined), "r@SKNN"],
    ["a response", route(undefined, section("response")), "r@KSNB"],
    [
      "a response whose rules read the request",
      route(undefined, section("response", { readsRequest: true })),
      "r@SSNB",
    ],
    ["both", route(section("request"), section("response")), "r@SSBB"],
  ];
  test.each(cases)("%s", (_title, plan, mark) => {
    expect(routeMark(plan)).toBe(mark);
  });
});

test("traffic passes without the server only where every error passes", () => {
  const mirror = section("request", { guards: false });
  expect(needs(route(mirror, undefined)).failOpen).toBe(true);
  expect(needs(route(section("request"), undefined)).failOpen).toBe(false);
  expect(needs(route(mirror, section("response"))).failOpen).toBe(false);
});

test("the proxy holds more than a section takes, so that the section's own limit strikes first", () => {
  expect(bufferBytes(1_000_000)).toBeGreaterThan(2_000_000);
});
