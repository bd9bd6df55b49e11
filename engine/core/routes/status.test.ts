import { expect, test } from "vitest";
import { matchesStatus } from "./status.ts";

test("statuses match by number or by class; none match all", () => {
  expect(matchesStatus([], 500)).toBe(true);
  expect(matchesStatus(["2xx"], 204)).toBe(true);
  expect(matchesStatus(["404"], 404)).toBe(true);
  expect(matchesStatus(["2xx", "404"], 403)).toBe(false);
  expect(matchesStatus(["2xx"], 0)).toBe(false);
});
