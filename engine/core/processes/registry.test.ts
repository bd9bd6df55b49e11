import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { LATER_PROCESSES, processes } from "./registry.ts";

test("every process is a file of its name, and its key is used once", () => {
  const files = readdirSync(new URL(".", import.meta.url));
  for (const { definition } of processes) expect(files).toContain(`${definition.key}.ts`);
  const keys = [...processes.map(({ definition }) => definition.key), ...LATER_PROCESSES];
  expect(new Set(keys).size).toBe(keys.length);
});

test("every process is documented by an example and a word on each field", () => {
  for (const { definition } of processes) {
    expect(definition.examples.length, definition.key).toBeGreaterThan(0);
    for (const [name, field] of Object.entries(definition.fields)) expect(field.doc, name).not.toBe("");
  }
});
