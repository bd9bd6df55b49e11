/** Conditions in CEL from the file to the verdict: places, what is read, the same plan after JSON. */
import { describe, expect, test } from "vitest";
import { newRunContext } from "../core/context.ts";
import { eventOf } from "../core/event/event.ts";
import { type JsonObject, setOwn } from "../core/event/json.ts";
import { link } from "../core/link.ts";
import { Outcome } from "../core/outcome.ts";
import { runPipelines } from "../core/pipeline.ts";
import type { Plan } from "../core/plan.ts";
import { testPorts, testRegexps } from "../core/testing.ts";
import { type LoadOptions, loadConfig } from "./load.ts";
import { printDiagnostics } from "./print.ts";

const options: LoadOptions = {
  file: "test.json",
  regexps: testRegexps,
  systemForm: () => ({ outputType: "object", connectionString: "mem:a" }),
};

function file(definition: object): string {
  const name = Object.values(definition as { [key: string]: { name: string } })[0]?.name;
  return JSON.stringify(
    {
      pipelines: [{ name: "p", processes: [{ name }] }],
      processDefinitions: [definition],
      http: { version: 1, routes: [{ name: "r", request: { pipelines: ["p"] }, response: { pipelines: ["p"] } }] },
    },
    null,
    2,
  );
}

function refusing(unless: string): Plan {
  const loaded = loadConfig(file({ filter: { name: "f", unless, reject: { status: 422 } } }), options);
  expect(loaded.diagnostics).toEqual([]);
  const plan = JSON.parse(JSON.stringify(loaded.plan)) as Plan;
  expect(plan).toEqual(loaded.plan);
  return plan;
}

function outcome(plan: Plan, body: JsonObject, headers: JsonObject): string {
  const ports = testPorts();
  const event = eventOf(body);
  const http = { headers };
  setOwn(event.side, "internal:http", http);
  const context = newRunContext(event, ports);
  context.strict = true;
  const ended = runPipelines(link(plan, ports).pipelines, context, 0);
  if (ended === Outcome.fault) return `fault: ${context.faultDetail}`;
  return ended === Outcome.refuse ? "refused" : "passed";
}

describe("a filter with a condition in CEL", () => {
  const plan = refusing('http.headers["x-env"] == "test" || size(event.items) > 0');
  test.each([
    [{ items: [1] }, { "x-env": "prod" }, "passed"],
    [{ items: [] }, { "x-env": "prod" }, "refused"],
    [{ items: [] }, { "x-env": "test" }, "passed"],
    [{ items: [1] }, {}, "passed"],
    [{}, { "x-env": "test" }, "passed"],
    // Neither side decides: a fault, never a way through.
    [{}, {}, 'fault: http.headers["x-env"] is not there'],
    [{}, { "x-env": "prod" }, "fault: event.items is not there"],
  ] as [JsonObject, JsonObject, string][])("%j with %j: %s", (body, headers, expected) => {
    expect(outcome(plan, body, headers)).toBe(expected);
  });

  test("a body that spells the host's context answers nothing", () => {
    const forged = { headers: { "x-env": "test" } };
    expect(outcome(plan, { "internal:http": forged, http: forged, items: [] }, { "x-env": "prod" })).toBe("refused");
  });
});

describe("what a condition reads of the message, the proxy is asked for", () => {
  test.each([
    ["size(event.items) > 0", false, false],
    ['http.method == "POST"', true, false],
    ['has(event.a) && !("x-env" in http.headers)', true, false],
    ['http.request.headers["x-env"] == "a"', true, true],
    ["internal.risk > 0.5", false, false],
    ["size(http) > 0", true, true],
  ])("%s", (condition, readsHttp, readsRequest) => {
    expect(refusing(condition).routes?.[0]?.response).toMatchObject({ readsHttp, readsRequest });
  });
});

describe("every place of a condition takes CEL", () => {
  const condition = "event.a ==";
  const annotation = { fieldKey: "x", value: "y", condition };
  test.each([
    ["filter.condition", { filter: { name: "f", condition } }],
    ["filter.unless", { filter: { name: "f", unless: condition } }],
    ["continuation.condition", { continuation: { name: "f", condition } }],
    ["annotator.annotations[0].condition", { annotator: { name: "f", annotations: [annotation] } }],
    ["redactor.condition", { redactor: { name: "f", condition, rules: [{ paths: ["a"], drop: true }] } }],
  ])("%s", (path, definition) => {
    const loaded = loadConfig(file(definition), options);
    const said = printDiagnostics(loaded.diagnostics, loaded.document, {});
    expect(said).toMatch(
      new RegExp(
        `^test\\.json:\\d+:\\d+ E_CONDITION  processDefinitions\\[0\\]\\.${path.replace(/[[\].]/g, "\\$&")}: at character 11: expected a value`,
      ),
    );
    expect(loaded.plan).toBeUndefined();
  });

  test("no string and no object is neither form", () => {
    const loaded = loadConfig(file({ continuation: { name: "c", condition: true } }), options);
    expect(printDiagnostics(loaded.diagnostics, loaded.document, {})).toContain(
      "E_TYPE  processDefinitions[0].continuation.condition: expected a string or an object, found a boolean",
    );
  });
});
