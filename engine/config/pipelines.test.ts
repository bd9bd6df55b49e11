import { describe, expect, test } from "vitest";
import { testRegexps } from "../core/testing.ts";
import { loadConfig } from "./load.ts";
import { printDiagnostics } from "./print.ts";

const SYSTEMS = [
  { externalType: "ExternalKVStore", name: "state", connectionString: "mem:local" },
  { externalType: "ExternalLocalFile", name: "state", connectionString: "/tmp" },
  { externalType: "ExternalLocalFile", name: "folder", connectionString: "/tmp" },
  { externalType: "ExternalHttp", name: "web", connectionString: "http://x" },
];

function load(pipeline: object, more: object = {}, lenient = false) {
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: [{ name: "p", processes: [{ name: "a" }], ...pipeline }],
    processDefinitions: [{ annotator: { name: "a", annotations: [] } }],
    externalSystems: SYSTEMS,
    ...more,
  };
  const loaded = loadConfig(JSON.stringify(config), {
    file: "test.json",
    regexps: testRegexps,
    systemForm: (_type, connectionString) => ({ outputType: "", connectionString }),
    lenient,
  });
  return { plan: loaded.plan, complaints: printDiagnostics(loaded.diagnostics, loaded.document, {}) };
}

describe("what a pipeline asks for besides its processes", () => {
  test("nothing leaves no trace in the plan", () => {
    const nothing = { retryStrategy: { numRetries: 0, initialBackOffMs: 5 }, instrumentation: { counter: false } };
    const { plan } = load({ processes: [{ name: "a", ...nothing }], enableTracing: false });
    expect(plan?.pipelines).toEqual([{ name: "p", steps: [0] }]);
  });

  test("everything is plain data, by position", () => {
    const { plan, complaints } = load({
      processes: [
        { name: "a" },
        {
          name: "a",
          retryStrategy: { numRetries: 3, initialBackOffMs: 50 },
          instrumentation: { enableTracing: true, latency: true, counter: true },
        },
      ],
      checkpoint: { outputConnectorRef: "state" },
      enableTracing: true,
      enableMetrics: true,
    });
    expect(complaints).toBe(load({}).complaints);
    expect(JSON.parse(JSON.stringify(plan?.pipelines))).toEqual([
      {
        name: "p",
        steps: [0, 0],
        options: {
          steps: [null, { retriesMax: 3, backOffMs: 50, tracing: true, latency: true, counter: true }],
          checkpoint: { type: "ExternalKVStore", name: "state", outputType: "", connectionString: "mem:local" },
          tracing: true,
          metrics: true,
        },
      },
    ]);
  });

  test("a checkpoint's store may be a folder", () => {
    const { plan } = load({ checkpoint: { outputConnectorRef: "folder" } });
    expect(plan?.pipelines[0]?.options?.checkpoint?.type).toBe("ExternalLocalFile");
  });

  const WRONG: [string, object, string][] = [
    ["retries below zero", { processes: [{ name: "a", retryStrategy: { numRetries: -1 } }] }, "numRetries: expected"],
    [
      "a back-off below zero",
      { processes: [{ name: "a", retryStrategy: { initialBackOffMs: -1 } }] },
      "initialBackOffMs",
    ],
    ["a checkpoint nowhere", { checkpoint: {} }, "E_MISSING_FIELD  pipelines[0].checkpoint.outputConnectorRef"],
    ["a misspelt store", { checkpoint: { outputConnectorRef: "stat" } }, 'is called "stat"; did you mean "state"?'],
    [
      "a store that gives nothing back",
      { checkpoint: { outputConnectorRef: "web" } },
      'no external system of type ExternalKVStore or ExternalLocalFile is called "web"',
    ],
  ];
  test.each(WRONG)("%s is refused", (_title, pipeline, expected) => {
    const { plan, complaints } = load(pipeline);
    expect(plan).toBeUndefined();
    expect(complaints).toContain(expected);
  });

  test("a lenient load leaves out a checkpoint that the file spells in its own way (C8)", () => {
    const checkpoint = { outputConnector: "folder", externalType: "ExternalLocalFile" };
    expect(load({ checkpoint }).plan).toBeUndefined();
    const { plan, complaints } = load({ checkpoint }, {}, true);
    expect(plan?.pipelines[0]?.options).toBeUndefined();
    expect(complaints).toContain("name the store that keeps the checkpoints");
  });

  test.each(["request", "response"])("a route's %s cannot keep checkpoints, and the loader says why", (direction) => {
    const http = { version: 1, routes: [{ name: "r", [direction]: { pipelines: ["p"] } }] };
    const { plan, complaints } = load({ checkpoint: { outputConnectorRef: "state" } }, { http });
    expect(plan).toBeUndefined();
    expect(complaints).toContain(
      `E_VALUE  http.routes[0].${direction}.pipelines[0]: pipeline "p" keeps checkpoints: every message would wait`,
    );
    expect(load({}, { http }).plan).toBeDefined();
  });
});
