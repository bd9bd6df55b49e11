import { describe, expect, test } from "vitest";
import type { JsonObject } from "../core/event/json.ts";
import { testRegexps } from "../core/testing.ts";
import { loadConfig } from "./load.ts";
import { findSlips } from "./strict.ts";

const exists = (key: string) => ({ exists: { ops: [{ key, op: "Exists" }] } });

/** Slips of a route whose request runs these definitions in one pipeline. */
function slips(definitions: JsonObject[], section: object = {}, match: object = {}): string[] {
  const names = definitions.map((definition) => (Object.values(definition)[0] as { name: string }).name);
  const config = {
    pipelines: [{ name: "p", processes: names.map((name) => ({ name })) }],
    processDefinitions: definitions,
    http: { version: 1, routes: [{ name: "r", match, request: { pipelines: ["p"], bodyless: true, ...section } }] },
  };
  const loaded = loadConfig(JSON.stringify(config), {
    file: "test.json",
    regexps: testRegexps,
    systemForm: (_type, connectionString) => ({ outputType: "", connectionString }),
  });
  expect(loaded.diagnostics.filter((diagnostic) => diagnostic.severity === "error")).toEqual([]);
  if (loaded.plan === undefined) return [];
  return findSlips(loaded.plan, loaded.slips).map((slip) => slip.message.replace("route r: ", ""));
}

const redactor = (path: string, more: object = {}) => ({
  redactor: { name: "r", rules: [{ paths: [path], drop: true }], ...more },
});
const spec = (sourceField: string, targetField: string, type = "TransformCopy", more: object = {}) => ({
  sourceField,
  targetField,
  transformation: { transformationType: type, ...more },
});
const transformer = (specs: object[], forwardInputFields = true) =>
  ({ transformer: { name: "t", forwardInputFields, specs } }) as unknown as JsonObject;
const text = { mapRegexArgs: { regex: "[0-9]", replace: "x" } };

test("a rule that finds its field at any depth, with safe defaults, has no way past", () => {
  expect(slips([redactor("**.card")])).toEqual([]);
});

describe("every way past a rule is named", () => {
  const cases: [string, JsonObject[], object, RegExp][] = [
    [
      "a list in place of an object",
      [redactor("customer.email")],
      {},
      /a list in place of an object on the way to "customer.email"/,
    ],
    [
      "a condition on a field that may be missing",
      [redactor("**.a", { condition: exists("kind") })],
      {},
      /apply only where kind is there/,
    ],
    [
      "a refusal by a field that may be missing",
      [{ filter: { name: "f", condition: exists("x") } }],
      {},
      /refused only where x is there/,
    ],
    ["a filter of fields and arrays", [{ filter: { name: "f", regex: "^_" } }], {}, /arrays are kept whole/],
    [
      "a key the client sets first, kept",
      [{ annotator: { name: "a", onExists: "keep", annotations: [{ fieldKey: "risk", value: "1" }] } }],
      {},
      /a client that sends "risk" itself keeps/,
    ],
    [
      "a key the client sets first, where errors pass",
      [{ annotator: { name: "a", annotations: [{ fieldKey: "risk", value: "1" }] } }],
      { onFault: { error: "pass" } },
      /a client that sends "risk" itself makes the annotation fail/,
    ],
    ["fields that are lost", [transformer([spec("a", "b")], false)], {}, /every other field of the event is lost/],
    [
      "a text rule on a number, where errors pass",
      [transformer([spec("phone", "phone", "TransformMapRegex", text)])],
      { onFault: { error: "pass" } },
      /a number, or text nested deeper, in place of the text "phone"/,
    ],
    [
      "a text rule and a list",
      [transformer([spec("c.phone", "c.phone", "TransformMapRegex", text)])],
      {},
      /a list in place of an object on the way to "c.phone"/,
    ],
    [
      "a later spec that undoes an earlier one",
      [transformer([spec("c.phone", "c.phone", "TransformMapRegex", text), spec("c", "c")])],
      {},
      /spec 1 reads "c" as it came in and undoes spec 0/,
    ],
    [
      "the whole event copied back",
      [transformer([spec("a", "a", "TransformMapRegex", text), spec("", "")])],
      {},
      /spec 1 copies the whole event over what spec 0 wrote/,
    ],
    [
      "a continuation in front of a rule",
      [{ continuation: { name: "c", condition: exists("x") } }, redactor("**.a")],
      {},
      /where "c" says no/,
    ],
    [
      "a fault that passes",
      [redactor("**.a")],
      { onFault: { unparsable: "pass" } },
      /with the fault unparsable passes untreated/,
    ],
    ["events from inside a document", [redactor("**.a")], { each: "items[*]" }, /what lies beside the events/],
    [
      "a message without a body",
      [{ filter: { name: "f", unless: exists("x") } }],
      { bodyless: false },
      /a message without a body is not asked/,
    ],
  ];
  test.each(cases)("%s", (_title, definitions, section, message) => {
    expect(slips(definitions, section).join("\n")).toMatch(message);
  });

  test("traffic that takes another route", () => {
    expect(slips([redactor("**.a")], {}, { methods: ["POST"] }).join()).toMatch(/other methods than POST/);
    expect(slips([redactor("**.a")], {}, { headers: { "x-tenant": "acme" } }).join()).toMatch(/leaves x-tenant out/);
  });
});

test("what is refused anyway is no way past", () => {
  expect(slips([{ annotator: { name: "a", annotations: [{ fieldKey: "risk", value: "1" }] } }])).toEqual([]);
  expect(slips([transformer([spec("phone", "phone", "TransformMapRegex", text)])])).toEqual([]);
});

test("a route that only mirrors has no rule to slip past", () => {
  expect(slips([{ continuation: { name: "c", condition: exists("x") } }], { onFault: "pass" })).toEqual([]);
});
