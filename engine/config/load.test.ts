import { describe, expect, test } from "vitest";
import { newRunContext } from "../core/context.ts";
import { eventOf } from "../core/event/event.ts";
import type { JsonObject } from "../core/event/json.ts";
import { link } from "../core/link.ts";
import { Outcome } from "../core/outcome.ts";
import { runPipelines } from "../core/pipeline.ts";
import type { Plan } from "../core/plan.ts";
import { processes } from "../core/processes/registry.ts";
import { testPorts, testRegexps, testSchemas } from "../core/testing.ts";
import { type LoadOptions, loadConfig } from "./load.ts";
import { printDiagnostics } from "./print.ts";

const options: LoadOptions = {
  file: "test.json",
  regexps: testRegexps,
  schemas: testSchemas,
  systemForm: (_type, connectionString) =>
    connectionString === "bad:"
      ? { code: "E_CONNECTION", error: "bad connection", remedy: "" }
      : { outputType: "object", connectionString },
};

function load(config: object) {
  return loadConfig(JSON.stringify(config, null, 2), options);
}

function complaints(config: object): string {
  const loaded = load(config);
  return printDiagnostics(loaded.diagnostics, loaded.document, {});
}

function withProcess(key: string, config: object): object {
  return {
    partitionUuid: "3F2504E0-4F89-11D3-9A0C-0305E82C3301",
    pipelines: [{ name: "p", processes: [{ name: (config as { name: string }).name }] }],
    processDefinitions: [{ [key]: config }],
    externalSystems: [
      { externalType: "ExternalObjectStore", name: "archive", connectionString: "mem:archive" },
      { externalType: "ExternalKVStore", name: "state", connectionString: "mem:state" },
    ],
  };
}

const outcomes = { stop: Outcome.stop, refuse: Outcome.refuse, fault: Outcome.fault } as const;

for (const { definition } of processes) {
  describe(`the documented examples of ${definition.key}`, () => {
    test.each(definition.examples)("$title", (example) => {
      const loaded = load(withProcess(definition.key, example.config));
      expect(loaded.diagnostics).toEqual([]);
      // Through JSON and back: a plan is plain data.
      const plan = JSON.parse(JSON.stringify(loaded.plan)) as Plan;
      expect(plan).toEqual(loaded.plan);
      const ports = testPorts();
      const context = newRunContext(eventOf(example.input), ports);
      const linked = link(plan, ports);
      const outcome = runPipelines(linked.pipelines, context, 0);
      // A stop ends its pipeline, not the run.
      const expected =
        example.outcome === undefined || example.outcome === "stop" ? Outcome.next : outcomes[example.outcome];
      expect(outcome).toBe(expected);
      expect(context.event.value).toEqual(example.output);
      expect(context.event.side).toMatchObject(example.side ?? {});
    });
  });
}

describe("a configuration that is right", () => {
  test("keeps the partition canonical and everything by index", () => {
    const { plan } = load(withProcess("tee", { name: "t", outputConnectorRef: "archive" }));
    expect(plan?.partition).toBe("3f2504e0-4f89-11d3-9a0c-0305e82c3301");
    expect(plan?.pipelines).toEqual([{ name: "p", steps: [0] }]);
    expect(plan?.steps[0]?.mirrors).toBe(true);
  });

  test("definitions that are null or empty are as good as not there, as in the original", () => {
    const loaded = load({ partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301", processDefinitions: [null, {}] });
    expect(loaded.diagnostics).toEqual([]);
    expect(loaded.plan?.steps).toEqual([]);
  });

  test("a tee may name a transformer defined behind it (B47)", () => {
    const { diagnostics } = load({
      partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
      pipelines: [{ name: "p", processes: [{ name: "t" }] }],
      processDefinitions: [
        { tee: { name: "t", outputConnectorRef: "archive", transformerRef: "shape" } },
        { transformer: { name: "shape", specs: [] } },
      ],
      externalSystems: [{ externalType: 2, name: "archive", connectionString: "mem:archive" }],
    });
    expect(diagnostics).toEqual([]);
  });
});

describe("every complaint at once, each with its place and remedy", () => {
  test("references, names, unknown fields and connections in one go", () => {
    const text = complaints({
      partitionUuid: "x",
      pipelines: [{ name: "p", processes: [{ name: "redcat" }, { name: "later" }] }],
      processDefinitions: [
        { redactor: { name: "redact", rules: [{ paths: ["a["], drop: true }] } },
        { filter: { name: "redact", keepMatch: true } },
        { tee: { name: "t", outputConnectorRef: "archiv" } },
        { entwine: { name: "later" } },
      ],
      externalSystems: [
        { externalType: "ExternalObjectStore", name: "archive", connectionString: "mem:a" },
        { externalType: "ExternalObjectStore", name: "broken", connectionString: "bad:" },
      ],
      extra: 1,
    });
    for (const expected of [
      "E_VALUE  partitionUuid: this is no UUID",
      'E_REFERENCE  pipelines[0].processes[0].name: no process is called "redcat"; did you mean "redact"?',
      "E_PATH  processDefinitions[0].redactor.rules[0].paths[0]",
      'E_DUPLICATE_NAME  processDefinitions[1].filter.name: two process definitions are called "redact"',
      'did you mean "keepMatched"?',
      'no external system is called "archiv"; did you mean "archive"?',
      "E_NOT_YET  processDefinitions[3].entwine",
      "E_CONNECTION  externalSystems[1].connectionString: bad connection",
      "E_UNKNOWN_FIELD  extra",
    ]) {
      expect(text).toContain(expected);
    }
    // A definition that is refused is still a name: one mistake is one complaint.
    expect(text).not.toContain('no process is called "later"');
    expect(text).toMatch(/^test\.json:\d+:\d+/);
  });

  const wrong: [string, object, string][] = [
    ["no UUID and no http", { pipelines: [] }, "E_MISSING_FIELD"],
    ["two forms of a filter", withProcess("filter", { name: "f", regex: "a", condition: {} }), "E_ONE_OF"],
    ["a filter without its condition", withProcess("filter", { name: "f", reject: { status: 400 } }), "E_ONE_OF"],
    ["a rule that does nothing", withProcess("redactor", { name: "r", rules: [{ paths: ["a"] }] }), "E_MISSING_FIELD"],
    [
      "a rule that does two things",
      withProcess("redactor", { name: "r", rules: [{ paths: ["a"], drop: true, replace: 1 }] }),
      "E_ONE_OF",
    ],
    [
      "a literal secret",
      withProcess("redactor", { name: "r", rules: [{ paths: ["a"], hmac: { key: "hunter2" } }] }),
      "E_SECRET",
    ],
    ["a bad pattern", withProcess("filter", { name: "f", regex: "(" }), "E_PATTERN"],
    [
      "the host's key",
      withProcess("annotator", { name: "a", annotations: [{ fieldKey: "internal:http", value: "x" }] }),
      "E_PATH",
    ],
    [
      "a bad header",
      withProcess("filter", { name: "f", condition: {}, reject: { headers: { "x-a": "b\nc" } } }),
      "E_HEADER",
    ],
    [
      "a fold by a program without a name",
      withProcess("transformer", {
        name: "t",
        specs: [{ transformation: { transformationType: "TransformLeftFold", leftFoldArgs: { path: "" } } }],
      }),
      "E_VALUE",
    ],
    ["a spawner without a program", withProcess("spawner", { name: "s", job: { runnable: {} } }), "E_MISSING_FIELD"],
    ["a spawner without a job", withProcess("spawner", { name: "s", doSync: true }), "E_MISSING_FIELD"],
    [
      "a program whose name ends early",
      withProcess("spawner", { name: "s", job: { runnable: { pathToExec: "a\0b" } } }),
      "E_VALUE",
    ],
    [
      "an argument that ends early",
      withProcess("spawner", { name: "s", job: { runnable: { pathToExec: "a", cmdArgs: ["x\0"] } } }),
      "E_VALUE",
    ],
  ];
  test.each(wrong)("%s", (_title, config, code) => {
    const loaded = load(config);
    expect(loaded.plan).toBeUndefined();
    expect(loaded.diagnostics.map((diagnostic) => diagnostic.code)).toContain(code);
    expect(printDiagnostics(loaded.diagnostics, loaded.document, {})).not.toContain("hunter2");
  });
});

describe("the http section", () => {
  const http = (route: JsonObject, more: object = {}) => ({
    ...withProcess("redactor", { name: "r", rules: [{ paths: ["a"], drop: true }] }),
    http: { version: 1, routes: [{ name: "x", ...route }] },
    ...more,
  });

  test("a section that changes refuses faults by default, a response's content type aside", () => {
    const { plan } = load(http({ request: { pipelines: ["p"] }, response: { pipelines: ["p"] } }));
    const status = (section: "request" | "response") =>
      Object.entries(plan?.routes?.[0]?.[section]?.onFault ?? {}).map(
        ([reason, reply]) => `${reason} ${reply?.status}`,
      );
    expect(status("request")).toEqual([
      "contentType 415",
      "unparsable 400",
      "ambiguous 400",
      "tooLarge 413",
      "timeout 504",
      "overload 503",
      "error 500",
    ]);
    expect(status("response")).toEqual([
      "contentType undefined",
      "unparsable 502",
      "ambiguous 502",
      "tooLarge 502",
      "timeout 504",
      "overload 503",
      "error 502",
    ]);
  });

  test("a section that only mirrors lets everything pass", () => {
    const config = {
      ...withProcess("tee", { name: "t", outputConnectorRef: "archive" }),
      http: { version: 1, routes: [{ name: "x", request: { pipelines: ["p"] } }] },
    };
    expect(
      Object.values(load(config).plan?.routes?.[0]?.request?.onFault ?? { none: 0 }).every((reply) => reply === null),
    ).toBe(true);
  });

  test("onFault is one policy for all, or one per reason", () => {
    const all = load(http({ request: { pipelines: ["p"], onFault: "pass" } })).plan;
    expect(all?.routes?.[0]?.request?.onFault.error).toBeNull();
    const some = load(
      http({ request: { pipelines: ["p"], onFault: { unparsable: "pass", error: { reject: { status: 503 } } } } }),
    ).plan;
    expect(some?.routes?.[0]?.request?.onFault.unparsable).toBeNull();
    expect(some?.routes?.[0]?.request?.onFault.error?.status).toBe(503);
    expect(some?.routes?.[0]?.request?.onFault.tooLarge?.status).toBe(413);
  });

  const wrong: [string, JsonObject, string][] = [
    ["an unknown pipeline", { request: { pipelines: ["q"] } }, "E_REFERENCE"],
    ["nothing to do", {}, "E_MISSING_FIELD"],
    ["an unknown fault", { request: { onFault: { unparseable: "pass" } } }, "E_UNKNOWN_FIELD"],
    ["no policy", { request: { onFault: "ignore" } }, "E_VALUE"],
    ["a path without slash", { match: { paths: ["orders"] }, request: {} }, "E_VALUE"],
    ["a star inside a host", { match: { hosts: ["a.*.b"] }, request: {} }, "E_VALUE"],
    ["a method in small letters", { match: { methods: ["post"] }, request: {} }, "E_VALUE"],
    ["content-length", { request: { setHeaders: { "content-length": "1" } } }, "E_HEADER"],
    ["Envoy's own header", { request: { setHeaders: { "x-envoy-retry-on": "5xx" } } }, "E_HEADER"],
    ["half a reference", { request: { setHeaders: { "x-a": "risk {internal:risk}" } } }, "E_HEADER"],
    ["a status that is none", { response: { status: ["ok"] } }, "E_VALUE"],
  ];
  test.each(wrong)("%s is refused", (_title, route, code) => {
    const loaded = load(http(route));
    expect(loaded.diagnostics.map((diagnostic) => diagnostic.code)).toContain(code);
    expect(loaded.diagnostics.find((diagnostic) => diagnostic.code === code)?.path[0]).toBe("http");
  });
});
