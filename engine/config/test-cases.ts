/** The cases of `binge test`: `tests` inside a configuration, or a list in `NAME.tests.json` beside it. */
import type { ConfigOf, Fields } from "../core/definition.ts";
import type { DocumentPath } from "../core/diagnostic.ts";
import type { JsonObject, JsonValue } from "../core/event/json.ts";
import { type CheckContext, checkField } from "./check.ts";

const EXPECT_FIELDS = {
  output: { kind: "any", doc: "The event, or the body, afterwards: equal to this." },
  contains: { kind: "any", doc: "The event, or the body, afterwards: holds this, whatever else it holds." },
  schema: { kind: "json", doc: "The event afterwards: valid under this JSON Schema." },
  reserved: { kind: "json", doc: "What stands under `internal:` afterwards: holds this." },
  verdict: {
    kind: "word",
    words: ["passed", "changed", "refused", "faulted", "stopped"],
    doc: "How it ended. Of a pipeline: passed, changed, stopped, refused or faulted.",
  },
  status: { kind: "integer", min: 100, max: 599, doc: "Status of the reply to a refused or faulted message." },
  rule: { kind: "string", doc: "Who refused it: a filter's name, or the fault's reason." },
  tees: {
    kind: "map",
    of: { kind: "list", of: { kind: "any", doc: "A copy; holds this." }, doc: "The copies, in order." },
    doc: "Copies by external system: exactly as many, each holding what stands here.",
  },
} as const;

const CASE_FIELDS = {
  name: { kind: "string", required: true, doc: "What it shows." },
  pipeline: { kind: "string", doc: "Run this pipeline on the input." },
  route: { kind: "string", doc: "Send the input through this route." },
  direction: { kind: "word", words: ["request", "response"], doc: "Of the route. Default request." },
  input: { kind: "any", doc: "The event, or the body as JSON." },
  text: { kind: "string", doc: "The body as it stands, for input that is no JSON or whose spelling matters." },
  contentType: { kind: "string", doc: "Of the body. Default application/json." },
  http: { kind: "json", doc: "What stands under `internal:http`." },
  expect: { kind: "object", required: true, fields: EXPECT_FIELDS, doc: "What must come of it." },
} as const satisfies Fields;

export type TestCase = ConfigOf<typeof CASE_FIELDS>;
export type Expectation = TestCase["expect"];

/** Checks a list of cases; complaints go to the context's report. */
export function checkTestCases(value: unknown, at: DocumentPath, context: CheckContext): TestCase[] {
  const field = { kind: "list", of: { kind: "object", fields: CASE_FIELDS, doc: "" }, doc: "" } as const;
  const checked = checkField(field, value, at, { ...context, partial: false });
  return (checked as unknown as TestCase[] | undefined) ?? []; // what CASE_FIELDS describes
}

export type Difference = string;

/** Where two values differ, a line each; "contains" looks only at what is expected. */
export function findDifferences(
  expected: JsonValue,
  found: JsonValue | undefined,
  mode: "equal" | "contains",
  at: string,
): Difference[] {
  if (isObject(expected) && isObject(found)) {
    const differences: Difference[] = [];
    for (const [key, value] of Object.entries(expected)) {
      const has = Object.hasOwn(found, key);
      differences.push(...findDifferences(value, has ? found[key] : undefined, mode, `${at}.${key}`));
    }
    if (mode === "equal") {
      for (const key of Object.keys(found)) {
        if (!Object.hasOwn(expected, key)) differences.push(`${at}.${key}: not expected, found ${show(found[key])}`);
      }
    }
    return differences;
  }
  if (Array.isArray(expected) && Array.isArray(found)) {
    const differences: Difference[] = [];
    if (mode === "equal" ? found.length !== expected.length : found.length < expected.length) {
      differences.push(`${at}: expected ${expected.length} elements, found ${found.length}`);
    }
    for (const [i, value] of expected.entries()) {
      if (i < found.length) differences.push(...findDifferences(value, found[i], mode, `${at}[${i}]`));
    }
    return differences;
  }
  return Object.is(expected, found) ? [] : [`${at}: expected ${show(expected)}, found ${show(found)}`];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const SHOWN_CHARS_MAX = 200;

function show(value: JsonValue | undefined): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`;
}
