import { expect, test } from "vitest";
import { exposition, mergeFamilies } from "../../engine/runtime/exposition.ts";
import { readExposition } from "../../engine/runtime/testing/exposition-reader.ts";
import { allFamilies } from "./metrics-page.ts";

test("several servers that tell everything there is are one well-formed text", () => {
  const families = allFamilies();
  const merged = mergeFamilies(new Map(["0", "1"].map((server) => [server, families])));
  expect(readExposition(exposition(merged)).size).toBe(2 * readExposition(exposition(families)).size);
  expect(families.length).toBeGreaterThan(30);
});
