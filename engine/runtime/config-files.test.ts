import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { printDiagnostics } from "../config/print.ts";
import { loadText } from "./configuration.ts";

const folder = mkdtempSync(join(tmpdir(), "agglo-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "agglo.json");

function load(schema: unknown) {
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: [{ name: "p", processes: [{ name: "v" }] }],
    processDefinitions: [{ validator: { name: "v", schema } }],
  };
  const loaded = loadText(JSON.stringify(config, null, 2), file);
  return { plan: loaded.plan, said: printDiagnostics(loaded.diagnostics, loaded.document, {}) };
}

describe("a schema in a file", () => {
  test("is found beside the configuration and becomes part of the plan", () => {
    writeFileSync(join(folder, "order.json"), '{ "type": "object", "required": ["id"] }');
    const { plan, said } = load("order.json");
    expect(said).toBe("");
    expect(plan?.steps[0]?.settings).toMatchObject({ schema: { type: "object", required: ["id"] } });
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  test("that is not there is said", () => {
    expect(load("missing.json").said).toContain("schema: cannot read the schema: there is no file missing.json");
    expect(load(".").said).toContain(". is no file");
  });

  test("that is no JSON is said with its line", () => {
    writeFileSync(join(folder, "broken.json"), '{\n  "type": }');
    expect(load("broken.json").said).toContain("cannot read the schema: broken.json:2:");
  });

  test("that is wrong is said with the place in that file", () => {
    writeFileSync(join(folder, "wrong.json"), '{ "properties": { "a": { "type": "strin" } } }');
    expect(load("wrong.json").said).toContain("wrong.json, at /properties/a/type:");
  });
});

test("a schema in the configuration is refused at its own line and column", () => {
  expect(load({ properties: { a: { maxLenght: 3 } } }).said).toMatch(
    /agglo\.json:\d+:\d+.*validator\.schema\.properties\.a\.maxLenght: unknown keyword/,
  );
  expect(load(7).said).toContain("E_TYPE");
});
