import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { configurationSchema } from "../config/schema.ts";
import type { JsonValue } from "../core/event/json.ts";
import { re2Regexps } from "./regexps.ts";
import { ajvSchemas } from "./schemas.ts";

/** The schema that `binge schema` prints, held against files by the same validator that users' schemas run on. */
function errorsOf(file: unknown): string[] {
  const validator = ajvSchemas(re2Regexps()).compile(configurationSchema() as JsonValue);
  if ("flaws" in validator) throw new Error(validator.flaws.map((flaw) => flaw.message).join("\n"));
  return validator.validate(file as JsonValue).map((error) => `${error.pointer} ${error.keyword}`);
}

const example = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../examples/${name}`, import.meta.url), "utf8")) as object;

test.each(["orders/orders.json", "telemetry/telemetry.json"])(
  "%s is valid under the schema of binge schema",
  (name) => {
    expect(errorsOf(example(name))).toEqual([]);
  },
);

describe("what the loader refuses by form, the schema refuses too", () => {
  const wrong: [string, object, string][] = [
    ["an unknown field", { pipeline: [] }, "additionalProperties"],
    ["a missing name", { pipelines: [{}] }, "required"],
    ["a wrong type", { pipelines: [{ name: 1 }] }, "type"],
    [
      "two members of a definition",
      { processDefinitions: [{ filter: { name: "a" }, tee: { name: "b" } }] },
      "maxProperties",
    ],
    [
      "an unknown operator",
      {
        processDefinitions: [
          { continuation: { name: "c", condition: { exists: { ops: [{ key: "a", op: "Exist" }] } } } },
        ],
      },
      "enum",
    ],
    [
      "a literal secret",
      { processDefinitions: [{ redactor: { name: "r", rules: [{ paths: ["a"], hmac: { key: "hunter2" } }] } }] },
      "pattern",
    ],
  ];
  test.each(wrong)("%s", (_title, file, keyword) => {
    expect(errorsOf(file).join("\n")).toContain(keyword);
  });
});
