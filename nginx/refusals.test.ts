import { describe, expect, test } from "vitest";
import { loadConfig } from "../engine/config/load.ts";
import { printDiagnostics } from "../engine/config/print.ts";
import { processes } from "../engine/core/processes/registry.ts";
import { re2Regexps } from "../engine/runtime/regexps.ts";
import { ajvSchemas } from "../engine/runtime/schemas.ts";
import { explain } from "./explain.ts";
import { abilitiesOf } from "./processes.ts";
import { findTargetRefusals } from "./refusals.ts";
import { findTarget, TARGETS, type Target } from "./targets.ts";

/** Systems by their connection string alone: their forms are engine/systems's business. */
const SYSTEMS = [
  { externalType: "ExternalKVStore", name: "memory", connectionString: "mem:x" },
  { externalType: "ExternalKVStore", name: "dynamo", connectionString: "dynamo:table" },
  { externalType: "ExternalHttp", name: "sink", connectionString: "http://127.0.0.1:1/x" },
  { externalType: "ExternalLocalFile", name: "folder", connectionString: "/var/mirror" },
  { externalType: "ExternalPubSub", name: "nats", connectionString: "nats:x" },
];

type Change = { definition?: object; pipeline?: object; request?: object; response?: object; route?: object };

/** The refusals of one route with one process, without the target's name. */
function refusals(change: Change, target = "njs-0.9.9"): string[] {
  const definition = change.definition ?? { continuation: { name: "p" } };
  const limits = { depth: 31 };
  const section = (own: object | undefined) => own && { pipelines: ["main"], limits, ...own };
  const config = {
    pipelines: [{ name: "main", processes: [{ name: "p" }], ...change.pipeline }],
    processDefinitions: [definition, { transformer: { name: "commands", specs: [COMMAND] } }],
    externalSystems: SYSTEMS,
    http: {
      version: 1,
      routes: [
        {
          name: "r",
          request: section(change.request ?? (change.response === undefined ? {} : undefined)),
          response: section(change.response),
          ...change.route,
        },
      ],
    },
  };
  const regexps = re2Regexps();
  const loaded = loadConfig(JSON.stringify(config), {
    file: "f.json",
    regexps,
    schemas: ajvSchemas(regexps),
    systemForm: (_type, connectionString) => ({ outputType: "x", connectionString }),
  });
  if (loaded.plan === undefined) throw new Error(printDiagnostics(loaded.diagnostics, loaded.document));
  return findTargetRefusals(loaded, loaded.plan, findTarget(target) as Target).map((diagnostic) => {
    expect(diagnostic).toMatchObject({ code: "E_TARGET", severity: "error" });
    expect(diagnostic.remedy).not.toBe("");
    return `${diagnostic.path.join(".")}: ${diagnostic.message.slice(target.length + 2)}`;
  });
}

const COMMAND = { transformation: { transformationType: "TransformMap", mapArgs: { path: "cat" } } };
const regex = (pattern: string) => ({
  transformer: {
    name: "p",
    specs: [
      {
        sourceField: "a",
        targetField: "a",
        transformation: { transformationType: "TransformMapRegex", mapRegexArgs: { regex: pattern, replace: "x" } },
      },
    ],
  },
});
const redact = { redactor: { name: "p", rules: [{ paths: ["a"], drop: true }] } };
const refuse = { filter: { name: "p", condition: "event.a == 1.0" } };

describe("what a target cannot do is refused where it stands", () => {
  const cases: [string, Change, string][] = [
    [
      "a spawner",
      { definition: { spawner: { name: "p", job: { runnable: { pathToExec: "cat" } } } } },
      'processDefinitions.0.spawner: "p": nginx runs no commands',
    ],
    [
      "a validator",
      { definition: { validator: { name: "p", schema: {} } } },
      'processDefinitions.0.validator: "p": nginx has no JSON Schema',
    ],
    [
      "a command of a transformer",
      { definition: { transformer: { name: "p", specs: [COMMAND] } } },
      'processDefinitions.0.transformer: "p" runs commands, and nginx runs none',
    ],
    [
      "a command of a tee's transformer",
      { definition: { tee: { name: "p", outputConnectorRef: "sink", transformerRef: "commands" } } },
      'processDefinitions.1.transformer: "commands" runs commands, and nginx runs none',
    ],
    [
      "a tee to a broker",
      { definition: { tee: { name: "p", outputConnectorRef: "nats" } } },
      'processDefinitions.0.tee.outputConnectorRef: "p": nginx sends copies to an ExternalHttp or a folder (ExternalLocalFile) only',
    ],
    [
      "a tee's rate",
      { definition: { tee: { name: "p", outputConnectorRef: "sink", rate: { perSecond: 1 } } } },
      "processDefinitions.0.tee.rate: nothing is remembered from one request to the next",
    ],
    [
      "counts outside",
      {
        definition: {
          aggregator: { name: "p", stateStore: "dynamo", aggregation: { key: "a", aggregationType: "AggSum" } },
        },
      },
      "processDefinitions.0.aggregator.stateStore: nginx counts in memory of its own host only",
    ],
    [
      "second tries",
      { pipeline: { processes: [{ name: "p", retryStrategy: { numRetries: 2 } }] } },
      "pipelines.0: nginx makes no second tries, keeps no checkpoints and measures no process",
    ],
    [
      "a key from a file",
      { definition: { redactor: { name: "p", rules: [{ paths: ["a"], hmac: { key: "${file:/k}" } }] } } },
      "processDefinitions.0.redactor.rules.0.hmac.key: nginx reads no file for a key",
    ],
    [
      "an event's pattern",
      {
        definition: {
          filter: {
            name: "p",
            condition: {
              expression: {
                comparator: { op: "RegexMatch", lhs: { variable: { name: "a" } }, rhs: { variable: { name: "b" } } },
              },
            },
          },
        },
      },
      "processDefinitions.0.filter.condition.expression.comparator.rhs: the pattern comes with the event: it could hold up the worker",
    ],
    [
      "an event's pattern in CEL",
      { definition: { filter: { name: "p", condition: "event.a.matches(event.b)" } } },
      "processDefinitions.0.filter.condition: the pattern comes with the event: it could hold up the worker",
    ],
    [
      "depth",
      { request: { limits: { depth: 64 } } },
      "http.routes.0.request.limits.depth: nginx's JSON goes 31 levels deep, the section allows 64",
    ],
    [
      "a response's fault that has an answer",
      {
        definition: redact,
        response: {
          onFault: {
            unparsable: { reject: {} },
            tooLarge: "pass",
            ambiguous: "pass",
            timeout: "pass",
            overload: "pass",
            error: "pass",
          },
        },
      },
      "http.routes.0.response.onFault: a response with the fault unparsable cannot be refused: its status is gone by then",
    ],
    [
      "a response refused by its content",
      { definition: refuse, response: { onFault: "pass" } },
      'http.routes.0.response.pipelines: "p" would refuse a response whose status is gone by then',
    ],
    [
      "a response's header from its content",
      { response: { onFault: "pass", setHeaders: { "x-a": "{internal:a}" } } },
      'http.routes.0.response.setHeaders: "internal:a" is known when the body has come, and the headers are gone by then',
    ],
    [
      "a stream without an end that is held",
      { response: { contentTypes: ["text/event-stream"] }, route: { gateway: true } },
      "http.routes.0.response.contentTypes: a stream without an end would be held for ever",
    ],
    [
      "an event of a whole exchange",
      { route: { exchange: { pipelines: ["main"] } } },
      "http.routes.0.exchange: nginx makes no event of a whole exchange",
    ],
    [
      "the proxy's metadata",
      { request: { metadata: ["internal:a"] } },
      "http.routes.0.request.metadata: nginx keeps no metadata",
    ],
    [
      "copies that are gathered",
      { definition: { tee: { name: "p", outputConnectorRef: "sink", batch: { events: 10 } } } },
      "processDefinitions.0.tee.batch: nginx sends each copy by itself",
    ],
    [
      "copies that are kept on disk",
      { definition: { tee: { name: "p", outputConnectorRef: "sink", spool: "/var/spool/p" } } },
      "processDefinitions.0.tee.spool: nginx keeps no copies on disk",
    ],
    [
      "a gRPC status",
      { definition: { filter: { name: "p", condition: "event.a == 1.0", reject: { grpcStatus: 7 } } } },
      "http.routes.0.request: nginx answers no gRPC client",
    ],
  ];
  test.each(cases)("%s", (_title, change, expected) => expect(refusals(change)).toEqual([expected]));

  test.each(["\\p{Greek}", "(a+)+$", "[á-é]", "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b", "\\Bx"])(
    "the pattern %s",
    (pattern) => {
      expect(refusals({ definition: regex(pattern) })).toEqual([
        "processDefinitions.0.transformer.specs.0.transformation.mapRegexArgs.regex: " +
          "nginx's engine would read this pattern otherwise, or could be held up by a text",
      ]);
    },
  );

  test("a pattern in CEL, where it stands", () => {
    expect(refusals({ definition: { filter: { name: "p", condition: "event.a.matches('(x+)+y')" } } })).toHaveLength(1);
  });

  test.each(["event.a.matches(r'\\p{Greek}')", "event.a.matches('\\\\p{Greek}')", "event.a.matches('\\x5cp{Greek}')"])(
    "a pattern in CEL, however it is spelled: %s",
    (condition) => {
      expect(refusals({ definition: { filter: { name: "p", condition } } })).toHaveLength(1);
    },
  );

  test("a pattern that can match nothing, where it is replaced", () => {
    expect(refusals({ definition: regex("x*") })).toHaveLength(1);
  });

  test("an aggregator where workers share nothing", () => {
    const definition = {
      aggregator: { name: "p", stateStore: "memory", aggregation: { key: "a", aggregationType: "AggSum" } },
    };
    expect(refusals({ definition }, "njs-0.7.9")).toEqual([
      'processDefinitions.0.aggregator: "p": workers of this version share no memory',
    ]);
    expect(refusals({ definition })).toEqual([]);
  });

  test("a file that binds nothing to traffic", () => {
    const options = { file: "f", regexps: re2Regexps(), systemForm: () => ({ outputType: "", connectionString: "" }) };
    const loaded = loadConfig('{"partitionUuid":"3f2504e0-4f89-11d3-9a0c-0305e82c3301"}', options);
    const found = findTargetRefusals(loaded, loaded.plan as NonNullable<typeof loaded.plan>, TARGETS[0] as Target);
    expect(found.map((diagnostic) => diagnostic.message)).toEqual(["njs-0.7.9: nothing is bound to traffic"]);
  });
});

describe("what a target can do is not refused", () => {
  const cases: [string, Change][] = [
    ["patterns of the subset", { definition: regex("(?i)a[^b]{2,4}(c|\\d+)$") }],
    ["a response that is held", { definition: refuse, response: {}, route: { gateway: true } }],
    ["a response whose faults pass", { definition: redact, response: { onFault: "pass" } }],
    [
      "a stream that loses events",
      { definition: refuse, response: { contentTypes: ["application/x-ndjson"], onFault: "pass" } },
    ],
    ["a dry run of what would be refused", { definition: refuse, response: {}, route: { enforce: false } }],
    ["a mirror of responses", { definition: { tee: { name: "p", outputConnectorRef: "folder" } }, response: {} }],
    [
      "a key from the environment",
      { definition: { redactor: { name: "p", rules: [{ paths: ["a"], hmac: { key: "${env:K}" } }] } } },
    ],
  ];
  test.each(cases)("%s", (_title, change) => expect(refusals(change)).toEqual([]));
});

test.each(TARGETS)("$name: --explain has a line for every process there is", (target) => {
  expect(
    abilitiesOf(target)
      .map((ability) => ability.process)
      .sort(),
  ).toEqual(processes.map((process) => process.definition.key).sort());
  for (const { definition } of processes) expect(explain([target])).toContain(`  ${definition.key.padEnd(13)} can`);
});
