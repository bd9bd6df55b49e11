import { describe, expect, test } from "vitest";
import { readDocument } from "./document.ts";
import { findOriginalRefusals } from "./original.ts";

const UUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

/** `place: message` of every finding. */
function findings(text: string): string[] {
  return findOriginalRefusals(readDocument(text, "test.json")).map(
    ({ path, message }) => `${path.join(".")}: ${message}`,
  );
}

function inFile(parts: object): string[] {
  return findings(JSON.stringify({ partitionUuid: UUID, ...parts }));
}

/** Findings of definitions, their places without the beginning that all share. */
function ofDefinitions(...processDefinitions: unknown[]): string[] {
  return inFile({ processDefinitions }).map((found) => found.replace("processDefinitions.", ""));
}

function comparator(lhs: object, op: string, rhs: object): object {
  return { expression: { comparator: { lhs, rhs, op } } };
}

const variable = (name: string) => ({ variable: { name } });
const HELD = comparator(variable("a"), "Equal", { numeric: 1 });
const OPERAND = { expression: (HELD as { expression: object }).expression };

/** Findings about one condition, in an annotator (where dots are fine) or elsewhere. */
function ofCondition(condition: unknown, process: "annotator" | "continuation" = "annotator"): string[] {
  const found =
    process === "annotator"
      ? ofDefinitions({ annotator: { name: "p", annotations: [{ fieldKey: "k", value: "v", condition }] } })
      : ofDefinitions({ continuation: { name: "p", condition } });
  return found.map((line) => line.replace(/^.*?condition\.?/, ""));
}

describe("what the original loads has no finding", () => {
  test.each([
    null,
    {},
    { exists: { ops: [{ key: "a.b.0", op: "NotExists" }, { key: "c" }] } },
    HELD,
    comparator({ expression: { binary: { lhs: variable("a.b"), rhs: { numeric: 0.25 }, op: 8 } } }, "LessThan", {
      literal: "x y",
    }),
    { expression: { logical: { lhs: OPERAND, rhs: OPERAND, op: "LogicalAnd" } } },
    { expression: { logical: { lhs: OPERAND, rhs: OPERAND, op: 17 } } },
    // Of several members the last in the order of its message is taken there, and the others are not looked at.
    { expression: { boolean: { value: true } }, exists: { ops: [{ key: "a" }] } },
  ])("condition %j", (condition) => {
    expect(ofCondition(condition)).toEqual([]);
  });

  test("a definition that is null, empty, or several at once", () => {
    const both = { annotator: { name: "a", annotations: [] }, filter: { name: "a", regex: "x" } };
    expect(ofDefinitions(null, {}, both)).toEqual([]);
  });

  test.each([UUID, UUID.toUpperCase(), `urn:uuid:${UUID}`, `{${UUID}}`, UUID.replaceAll("-", "")])(
    "the UUID %s",
    (uuid) => {
      expect(findings(JSON.stringify({ partitionUuid: uuid }))).toEqual([]);
    },
  );

  test("every field of its grammar", () => {
    const processes = [{ name: "p", retryStrategy: { numRetries: "2", initialBackOffMs: 5 }, instrumentation: null }];
    const pipelines = [{ name: "q", processes, checkpoint: { outputConnectorRef: "x" }, enableTracing: true }, null];
    expect(inFile({ pipelines, externalSystems: [] })).toEqual([]);
  });
});

describe("conditions", () => {
  const cases: [string, unknown][] = [
    [": the original does not know CEL", "event.a == 1"],
    ["exists: the original crashes on every event where exists has no ops (B4)", { exists: {} }],
    ["exists: the original crashes on every event where exists has no ops (B4)", { exists: { ops: [] } }],
    [
      'exists.ops.0.key: the original splits the key at a comma and takes a leading "!" for "not" (B4)',
      { exists: { ops: [{ key: "a,b" }] } },
    ],
    [
      'exists.ops.0.key: the original splits the key at a comma and takes a leading "!" for "not" (B4)',
      { exists: { ops: [{ key: "!a" }] } },
    ],
    ["expression: the original refuses an empty expression", { expression: {} }],
    [
      "expression.boolean: the original does not support boolean expressions (B2)",
      { expression: { boolean: { value: true } } },
    ],
    [
      "expression.logical.lhs.expression.boolean: the original does not support boolean expressions (B2)",
      { expression: { logical: { lhs: { expression: { boolean: {} } }, rhs: OPERAND, op: "LogicalAnd" } } },
    ],
    [
      "expression.unary: the original fails on every event with a unary expression (B5)",
      { expression: { unary: { rhs: variable("a"), op: "LogicalNot" } } },
    ],
    [
      "expression.binary: the original refuses a condition that is a number",
      { expression: { binary: { lhs: variable("a"), rhs: { numeric: 1 }, op: "Addition" } } },
    ],
    [
      "expression.comparator: the original refuses a comparator without op",
      { expression: { comparator: { lhs: variable("a"), rhs: { numeric: 1 } } } },
    ],
    [
      "expression.comparator: the original refuses a comparator without op",
      { expression: { comparator: { lhs: variable("a"), rhs: { numeric: 1 }, op: 0 } } },
    ],
    [
      'expression.comparator: the original crashes where "rhs" is missing',
      { expression: { comparator: { lhs: variable("a"), op: "Equal" } } },
    ],
    [
      "expression.comparator.rhs: the original fails on every event with an empty operand",
      comparator(variable("a"), "Equal", {}),
    ],
    [
      "expression.comparator.rhs: the original fails on every event with an empty operand",
      comparator(variable("a"), "Equal", { numeric: null }),
    ],
    [
      "expression.comparator.rhs.numeric: the original fails on every event with this number",
      comparator(variable("a"), "Equal", { numeric: "NaN" }),
    ],
    [
      "expression.comparator.rhs.numeric: the original rounds the number to four decimals (B6)",
      comparator(variable("a"), "Equal", { numeric: 1.23456 }),
    ],
    [
      "expression.comparator.rhs.literal: the original reads quotes and backslashes in a literal as its own syntax (B7)",
      comparator(variable("a"), "RegexMatch", { literal: "\\d" }),
    ],
    [
      "expression.comparator.rhs.literal: the original takes this text for a date, a number (B8)",
      comparator(variable("a"), "Equal", { literal: "2020-01-01" }),
    ],
    [
      'expression.comparator.lhs.variable.name: the original cannot read a name with "]" or "\\"',
      comparator(variable("a]"), "Equal", { numeric: 1 }),
    ],
    [
      "expression.logical.op: the original takes LogicalOr for LogicalAnd (B1)",
      { expression: { logical: { lhs: OPERAND, rhs: OPERAND, op: "LogicalOr" } } },
    ],
    [
      "expression.logical.rhs: the original wants expression for an operand of logical",
      { expression: { logical: { lhs: OPERAND, rhs: variable("a"), op: "LogicalAnd" } } },
    ],
    [
      "expression.comparator.lhs.expression.binary.lhs: the original wants variable or numeric for an operand of binary",
      comparator({ expression: { binary: { lhs: { literal: "x" }, rhs: { numeric: 1 }, op: 6 } } }, "Equal", {
        numeric: 1,
      }),
    ],
    [
      "expression.comparator.lhs.expression.binary: the original fails on every event where a binary has no op",
      comparator({ expression: { binary: { lhs: { numeric: 2 }, rhs: { numeric: 1 } } } }, "Equal", { numeric: 1 }),
    ],
  ];
  test.each(cases)("%s", (expected, condition) => {
    expect(ofCondition(condition)).toEqual([expected]);
  });

  test.each(["2020-01-01 10:20", "2020-01-01T10:20:30Z", "2020-01-01T10:20:30.5+01:00", "3:04PM"])(
    "%s is a date there",
    (literal) => expect(ofCondition(comparator(variable("a"), "Equal", { literal }))).toHaveLength(1),
  );
  test.each(["2020", "2020-01", "20:15", "v2020-01-01", "May"])("%s is none", (literal) => {
    expect(ofCondition(comparator(variable("a"), "Equal", { literal }))).toEqual([]);
  });

  test("a dotted variable works in annotators and transformers only (B3); exists everywhere", () => {
    const dotted = comparator(variable("a.b"), "Equal", { numeric: 1 });
    const transformation = { condition: dotted, transformationType: "TransformCopy" };
    expect(ofCondition(dotted)).toEqual([]);
    expect(ofDefinitions({ transformer: { name: "t", specs: [{ transformation }] } })).toEqual([]);
    expect(ofCondition({ exists: { ops: [{ key: "a.b" }] } }, "continuation")).toEqual([]);
    const why =
      "the original finds a variable with a dot in annotators and transformers only, and fails elsewhere (B3)";
    expect(ofCondition(dotted, "continuation")).toEqual([`expression.comparator.lhs.variable.name: ${why}`]);
    for (const key of ["aggregator", "spawner", "tee", "entwine"]) {
      const found = ofDefinitions({ [key]: { name: "p", condition: dotted } });
      expect(found).toContain(`0.${key}.condition.expression.comparator.lhs.variable.name: ${why}`);
    }
  });
});

describe("definitions", () => {
  const aggregation = { key: "n", aggregationType: "AggSum" };
  const cases: [string, unknown[]][] = [
    ["0.aggregator: the original crashes where an aggregator has no aggregation", [{ aggregator: { name: "a" } }]],
    [
      "0.aggregator.aggregation: the original fails on every event without aggregationType",
      [{ aggregator: { name: "a", aggregation: { key: "n" } } }],
    ],
    [
      '0.aggregator.aggregation.groupByKeys.1: the original looks for groups at the top only: this is always "nil" (B12)',
      [{ aggregator: { name: "a", aggregation: { ...aggregation, groupByKeys: ["x", "x.y"] } } }],
    ],
    ["0.completer: the original crashes where a completer has no completion", [{ completer: { name: "c" } }]],
    [
      "0.completer.condition: the original does not look at a completer's condition (B16)",
      [{ completer: { name: "c", completion: { joinKeys: ["a"] }, condition: HELD } }],
    ],
    ["0.spawner: the original crashes where a spawner has no job.runnable", [{ spawner: { name: "s", job: {} } }]],
    [
      "0.transformer.specs.0: the original crashes where a spec has no transformation",
      [{ transformer: { name: "t", specs: [{ sourceField: "a", targetField: "b" }] } }],
    ],
    [
      "0.transformer.specs.0.transformation.transformationType: the original runs a fold as TransformMap (B20)",
      [{ transformer: { name: "t", specs: [{ transformation: { transformationType: "TransformLeftFold" } }] } }],
    ],
    [
      "1.continuation.name: the original refuses two definitions of one name",
      [{ filter: { name: "x" } }, { continuation: { name: "x" } }],
    ],
    [
      "0.tee.transformerRef: the original wants the transformer defined before the tee (B47)",
      [{ tee: { name: "t", transformerRef: "m" } }, { transformer: { name: "m", specs: [] } }],
    ],
  ];
  test.each(cases)("%s", (expected, processDefinitions) => {
    expect(ofDefinitions(...processDefinitions)).toEqual([expected]);
  });

  test("a tee behind its transformer, and one that names none, are fine", () => {
    const tees = [{ tee: { name: "t", transformerRef: "m" } }, { tee: { name: "u", transformerRef: "" } }];
    expect(ofDefinitions({ transformer: { name: "m" } }, ...tees)).toEqual([]);
  });
});

describe("what it does not know", () => {
  const unknown = (place: string) => {
    const key = place.split(".").at(-1);
    return `${place}: the original does not know "${key}"`;
  };

  test("processes and fields of ours", () => {
    const found = ofDefinitions(
      { redactor: { name: "a", rules: [] } },
      { validator: { name: "b", schema: {} } },
      { annotator: { name: "c", annotations: [], onExists: "keep" } },
      { filter: { name: "d", condition: {}, reject: { status: 400 } } },
      { filter: { name: "e", unless: "event.a" } },
      { tee: { name: "f", include: [], sample: { percent: 1 }, rate: { perSecond: 1 }, keyPrefix: "", spool: "" } },
      { spawner: { name: "g", job: { runnable: {} }, timeoutMs: 1, outputBytes: 1 } },
    );
    expect(found).toEqual(
      [
        "0.redactor",
        "1.validator",
        "2.annotator.onExists",
        "3.filter.condition",
        "3.filter.reject",
        "4.filter.unless",
        "5.tee.include",
        "5.tee.sample",
        "5.tee.rate",
        "5.tee.keyPrefix",
        "5.tee.spool",
        "6.spawner.timeoutMs",
        "6.spawner.outputBytes",
      ].map(unknown),
    );
  });

  test("what stands around them", () => {
    const external = { externalType: 5, name: "x", connectionString: "/tmp", options: {} };
    const found = inFile({ http: {}, tests: [], $schema: "x", externalSystems: [external] });
    const places = ["http", "tests", "$schema", "externalSystems.0.options"];
    expect(found).toEqual(places.map(unknown));
  });

  test("stray fields, at any depth, those of the object's prototype too", () => {
    expect(findings(`{"partitionUuid":"${UUID}","pipelines":[{"processes":[{"nam":"x"}],"toString":1}]}`)).toEqual(
      ["pipelines.0.processes.0.nam", "pipelines.0.toString"].map(unknown),
    );
  });
});

describe("values", () => {
  test.each(["2.0", "2e0", "1E2", "2.5"])("a whole number written %s", (number) => {
    const text = `{"partitionUuid":"${UUID}",\n "pipelines":[{"name":"ä","processes":[{"retryStrategy":{"numRetries": ${number} }}]}]}`;
    expect(findings(text)).toEqual([
      "pipelines.0.processes.0.retryStrategy.numRetries: the original wants a whole number without a point or an exponent",
    ]);
  });

  test.each(["2", "0", "-1", '"2"', "null"])("a whole number written %s is fine", (number) => {
    expect(
      findings(`{"partitionUuid":"${UUID}","pipelines":[{"processes":[{"retryStrategy":{"numRetries":${number}}}]}]}`),
    ).toEqual([]);
  });

  test.each([`{${UUID}`, `urn:uuid:{${UUID}}`, "3f2504e04f89-11d3-9a0c-0305e82c3301", ""])("no UUID: %j", (uuid) => {
    expect(findings(JSON.stringify({ partitionUuid: uuid }))).toEqual([
      "partitionUuid: the original takes this for no UUID",
    ]);
  });

  test("no UUID at all", () => {
    expect(findings("{}")).toEqual([": the original wants a partitionUuid"]);
  });

  const systems: [string | number, string, string][] = [
    ["ExternalKVStore", "local", "wants a scheme and a colon"],
    [1, "mem:x", ""],
    ["ExternalKVStore", "dynamo:endpoint=x", ""],
    ["ExternalKVStore", "file:/tmp", 'opens no "file:" for ExternalKVStore'],
    [2, "bucket", "wants a scheme and a colon"],
    ["ExternalObjectStore", "s3:endpoint=x", ""],
    ["ExternalObjectStore", "gcs:bucketName=x", 'opens no "gcs:" for ExternalObjectStore'],
    ["ExternalPubSub", "topic", "cannot open any pub/sub system (B29)"],
    [3, "mem:topic", "cannot open any pub/sub system (B29)"],
    ["ExternalHttp", "http://x", ""],
    ["ExternalLocalFile", "/tmp", ""],
    ["ExternalSearchIndex", "mem:x", 'opens no "mem:" for ExternalSearchIndex'],
    [6, "elastic:index=x", ""],
  ];
  test.each(systems)("%s %s: %s", (externalType, connectionString, why) => {
    const expected = why === "" ? [] : [`externalSystems.0.connectionString: the original ${why}`];
    expect(inFile({ externalSystems: [{ externalType, name: "x", connectionString }] })).toEqual(expected);
  });

  test("a document that is no object, or has broken parts, makes it say what it can and never throw", () => {
    for (const text of ["[]", "5", "null", "{", '{"processDefinitions":{"a":1},"externalSystems":[1,null]}']) {
      expect(() => findings(text)).not.toThrow();
    }
    expect(
      ofDefinitions(5, { tee: 5 }, { transformer: { name: "t", specs: [7, { transformation: [] }] } }),
    ).toHaveLength(1);
  });
});
