import { describe, expect, it } from "vitest";
import { idleTimeoutMs, messageTimeoutMs } from "./limits.ts";
import { route, section } from "./testing.ts";

const limits = (bodyBytes: number, deadlineMs: number) =>
  section({ limits: { bodyBytes, decodedBytes: 1, depth: 64, deadlineMs } });

describe("messageTimeoutMs", () => {
  it("lies above the longest deadline", () => {
    const routes = [
      route("a", {}, { request: limits(1, 150) }),
      route("b", {}, { request: undefined, response: limits(1, 700) }),
    ];
    expect(messageTimeoutMs(routes)).toBe(1_200);
  });

  it("is long, and no eternity, where one section has no deadline", () => {
    expect(messageTimeoutMs([route("a", {}, { request: limits(1, 0), response: limits(1, 150) })])).toBe(30_500);
  });

  it("is something without routes", () => {
    expect(messageTimeoutMs([])).toBe(500);
  });
});

describe("idleTimeoutMs", () => {
  it("leaves a pipeline the time its route gives it", () => {
    expect(idleTimeoutMs([route("a")])).toBe(60_000);
    expect(idleTimeoutMs([route("a", {}, { request: limits(1, 60_000) })])).toBe(70_500);
  });
});
