import { describe, expect, test } from "vitest";
import { testRegexps } from "../core/testing.ts";
import { type LoadOptions, loadConfig } from "./load.ts";
import { printDiagnostics } from "./print.ts";

const options: LoadOptions = {
  file: "test.json",
  regexps: testRegexps,
  systemForm: (_type, connectionString) => ({ outputType: "kvstore", connectionString }),
};

function load(processDefinitions: object[], pipelines: { [name: string]: string[] }) {
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: Object.entries(pipelines).map(([name, processes]) => ({
      name: name.replace(/ .*/, ""),
      processes: processes.map((process) => ({ name: process })),
    })),
    processDefinitions,
    externalSystems: [
      { externalType: "ExternalKVStore", name: "state", connectionString: "mem:local" },
      { externalType: "ExternalKVStore", name: "other", connectionString: "mem:local" },
      { externalType: "ExternalObjectStore", name: "objects", connectionString: "mem:objects" },
    ],
  };
  const loaded = loadConfig(JSON.stringify(config), options);
  return { loaded, text: printDiagnostics(loaded.diagnostics, loaded.document, {}) };
}

const aggregation = { key: "n", aggregationType: "AggSum", groupByKeys: [] };
const completion = { joinKeys: ["a", "b"], timeoutMs: 10 };

describe("what the original crashes on, or fails with for every event, is a complaint with its place", () => {
  const wrong: [string, object, string][] = [
    [
      "no aggregation",
      { aggregator: { name: "x", stateStore: "state" } },
      "aggregator.aggregation: expected an object, found nothing",
    ],
    [
      "no completion",
      { completer: { name: "x", stateStore: "state" } },
      "completer.completion: expected an object, found nothing",
    ],
    ["no store", { aggregator: { name: "x", aggregation } }, "aggregator.stateStore: expected a string, found nothing"],
    [
      "no type",
      { aggregator: { name: "x", stateStore: "state", aggregation: { key: "n" } } },
      "aggregation.aggregationType: expected one of AggSum",
    ],
    [
      "the type 0",
      { aggregator: { name: "x", stateStore: "state", aggregation: { key: "n", aggregationType: 0 } } },
      "aggregation.aggregationType: ",
    ],
    [
      "a misspelt type",
      { aggregator: { name: "x", stateStore: "state", aggregation: { key: "n", aggregationType: "AggAverage" } } },
      "aggregation.aggregationType: ",
    ],
    [
      "a misspelt store",
      { aggregator: { name: "x", stateStore: "stat", aggregation } },
      'stateStore: no key-value store is called "stat"; did you mean "state"?',
    ],
    [
      "a store that keeps objects",
      { completer: { name: "x", stateStore: "objects", completion } },
      'stateStore: "objects" is no key-value store but ExternalObjectStore',
    ],
    [
      "nothing to join",
      { completer: { name: "x", stateStore: "state", completion: { joinKeys: [] } } },
      "completion.joinKeys: joinKeys is empty",
    ],
    [
      "a timeout in words",
      { completer: { name: "x", stateStore: "state", completion: { joinKeys: ["a", "b"], timeoutMs: "soon" } } },
      "completion.timeoutMs: ",
    ],
  ];
  test.each(wrong)("%s", (_title, definition, expected) => {
    const { loaded, text } = load([definition], { p: ["x"] });
    expect(loaded.plan).toBeUndefined();
    expect(text).toContain(expected);
    expect(loaded.diagnostics.filter((diagnostic) => diagnostic.severity === "error")).toHaveLength(1);
  });
});

test("the original's ways of writing load: types by number, quoted numbers, conditions that are {}", () => {
  const { loaded } = load(
    [
      {
        aggregator: {
          name: "a",
          condition: {},
          stateStore: "state",
          aggregation: { key: "n", aggregationType: 6, groupByKeys: ["x"] },
          asyncCheckpoint: false,
          forwardState: true,
        },
      },
      {
        completer: {
          name: "c",
          condition: {},
          stateStore: "state",
          completion: { joinKeys: ["a", "b"], timeoutMs: "-1" },
        },
      },
    ],
    { p: ["a", "c"] },
  );
  expect(loaded.diagnostics).toEqual([]);
  expect(loaded.plan?.steps.map((step) => step.waits)).toEqual(["may", "may"]);
});

test("a timeout that can never act is a warning", () => {
  const definition = { completer: { name: "c", stateStore: "state", completion: { joinKeys: ["a"], timeoutMs: 5 } } };
  const { loaded, text } = load([definition], { p: ["c"] });
  expect(loaded.plan).toBeDefined();
  expect(text).toContain("W_UNUSED  processDefinitions[0].completer.completion.timeoutMs: with one join key");
});

describe("state in the memory of one host", () => {
  const withRoute = (connectionString: string, http: object | undefined) => {
    const loaded = loadConfig(
      JSON.stringify({
        partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        pipelines: [{ name: "p", processes: [{ name: "c" }] }],
        processDefinitions: [{ completer: { name: "c", stateStore: "state", completion } }],
        externalSystems: [{ externalType: "ExternalKVStore", name: "state", connectionString }],
        http,
      }),
      options,
    );
    expect(loaded.plan).toBeDefined();
    return loaded.diagnostics.map(({ code, path }) => `${code} ${path.join(".")}`);
  };
  const http = { version: 1, routes: [{ name: "r", response: { pipelines: ["p"] } }] };

  test("is a warning where a route counts or joins with it", () => {
    const warning = ["W_LOCAL_STATE processDefinitions.0.completer.stateStore"];
    expect(withRoute("mem:x", http)).toEqual(warning);
    expect(withRoute("local", http)).toEqual(warning);
  });

  test("is fine elsewhere, and a store outside is fine everywhere", () => {
    expect(withRoute("mem:x", undefined)).toEqual([]);
    expect(withRoute("dynamo:tableName=t", http)).toEqual([]);
  });
});

describe("two aggregators that add to the same numbers are a warning:", () => {
  const sum = (name: string, key = "n", stateStore = "state") => ({
    aggregator: { name, stateStore, aggregation: { ...aggregation, key } },
  });
  const cases: [string, { [name: string]: string[] }, boolean][] = [
    ["equal key and type", { p: ["a", "b"] }, true],
    ["one twice in a pipeline", { p: ["a", "a"] }, true],
    ["in pipelines of one name", { "p 1": ["a"], "p 2": ["b"] }, true],
    ["in pipelines of two names there is nothing to warn of", { p: ["a"], q: ["a", "m"] }, false],
    ["another key is another state", { p: ["a", "m"] }, false],
    ["another store is another state", { p: ["a", "s"] }, false],
  ];
  test.each(cases)("%s", (_title, pipelines, warned) => {
    const { loaded } = load([sum("a"), sum("b"), sum("m", "m"), sum("s", "n", "other")], pipelines);
    expect(loaded.plan).toBeDefined();
    expect(loaded.diagnostics.some((diagnostic) => diagnostic.code === "W_SHARED_STATE")).toBe(warned);
  });
});
