/** The cases of `binge test`: `tests` inside a configuration, or a list in `NAME.tests.json` beside it. */
import type { ConfigOf, Fields } from "../core/definition.ts";
import { complain, type DocumentPath, type Report } from "../core/diagnostic.ts";
import type { JsonValue } from "../core/event/json.ts";
import { type CheckContext, checkField, checkFields } from "./check.ts";

const HEADERS_FIELD = {
  kind: "map",
  of: { kind: "string", doc: "The value." },
  doc: "More headers, by name.",
} as const;
const BODY_FIELD = { kind: "any", doc: "The body: a string as it stands, anything else as JSON." } as const;

/** A request as a client sends it; `binge explain` takes one too. */
const REQUEST_FIELDS = {
  method: { kind: "string", doc: "Default POST where there is a body, else GET." },
  path: { kind: "string", doc: "With its query. Default `/`." },
  headers: {
    ...HEADERS_FIELD,
    doc: "Default: host localhost, and content-type application/json where there is a body.",
  },
  body: BODY_FIELD,
} as const;

const RESPONSE_FIELDS = {
  status: { kind: "integer", min: 200, max: 599, doc: "Default 200." },
  headers: { ...HEADERS_FIELD, doc: "Default: content-type application/json where there is a body." },
  body: BODY_FIELD,
} as const;

/** An exchange: what a client asks, and what the upstream answers when it is reached. */
export const EXCHANGE_FIELDS = {
  request: { kind: "object", fields: REQUEST_FIELDS, doc: "Sent through the routes, as a proxy would." },
  response: { kind: "object", fields: RESPONSE_FIELDS, doc: "What the upstream answers. Default: 200 without a body." },
} as const satisfies Fields;
export type ExchangeCase = ConfigOf<typeof EXCHANGE_FIELDS>;

const EXPECTED_HEADERS_FIELD = {
  kind: "map",
  of: { kind: "any", doc: "The value, several joined by a comma; null: the header must not be there." },
  doc: "Headers, by name; others may be there too.",
} as const;
const EXPECTED_BODY_FIELD = {
  kind: "any",
  doc: "The body: a string to the byte, anything else as JSON that is equal.",
} as const;

export const UPSTREAM_FIELDS = {
  method: { kind: "string", doc: "Its method." },
  path: { kind: "string", doc: "Its path." },
  headers: EXPECTED_HEADERS_FIELD,
  body: EXPECTED_BODY_FIELD,
  contains: { kind: "any", doc: "The body as JSON: holds this, whatever else it holds." },
} as const;

const VERDICT_WORDS = ["passed", "changed", "refused", "faulted"] as const;
const EXPECT_FIELDS = {
  output: { kind: "any", doc: "The event, or the body, afterwards: equal to this." },
  contains: {
    kind: "any",
    doc: "The event, or the body (the client's, of an exchange), afterwards: holds this, whatever else it holds.",
  },
  schema: { kind: "json", doc: "The same: valid under this JSON Schema." },
  reserved: { kind: "json", doc: "What stands under `internal:` afterwards: holds this." },
  verdict: {
    kind: "word",
    words: [...VERDICT_WORDS, "stopped"],
    doc: "How it ended. Of a pipeline: passed, changed, stopped, refused or faulted.",
  },
  status: {
    kind: "integer",
    min: 100,
    max: 599,
    doc: "Of the reply to a refused message; of an exchange: what the client gets.",
  },
  headers: EXPECTED_HEADERS_FIELD,
  body: EXPECTED_BODY_FIELD,
  upstream: {
    kind: "any",
    doc: "What reaches the upstream: an object with any of method, path, headers, body, contains; null: nothing does.",
  },
  verdicts: {
    kind: "object",
    fields: {
      request: { kind: "word", words: [...VERDICT_WORDS, "none"], doc: "On the request; none: no section was asked." },
      response: { kind: "word", words: [...VERDICT_WORDS, "none"], doc: "On the response; none likewise." },
    },
    doc: "What the sections of the route made of an exchange.",
  },
  rule: { kind: "string", doc: "Who refused it: a filter's name, or the fault's reason." },
  tees: {
    kind: "map",
    of: { kind: "list", of: { kind: "any", doc: "A copy; holds this." }, doc: "The copies, in order." },
    doc: "Copies by external system: exactly as many, each holding what stands here.",
  },
} as const;

export const CASE_FIELDS = {
  name: { kind: "string", required: true, doc: "What it shows." },
  pipeline: { kind: "string", doc: "Run this pipeline on the input." },
  route: { kind: "string", doc: "Send the input through this route." },
  direction: { kind: "word", words: ["request", "response"], doc: "Of the route. Default request." },
  input: { kind: "any", doc: "The event, or the body as JSON." },
  text: { kind: "string", doc: "The body as it stands, for input that is no JSON or whose spelling matters." },
  contentType: { kind: "string", doc: "Of the body. Default application/json." },
  http: { kind: "json", doc: "What stands under `internal:http`." },
  ...EXCHANGE_FIELDS,
  expect: { kind: "object", required: true, fields: EXPECT_FIELDS, doc: "What must come of it." },
} as const satisfies Fields;

export type TestCase = ConfigOf<typeof CASE_FIELDS>;
export type Expectation = TestCase["expect"];

/** Checks a list of cases; complaints go to the context's report. */
export function checkTestCases(value: unknown, at: DocumentPath, context: CheckContext): TestCase[] {
  const field = { kind: "list", of: { kind: "object", fields: CASE_FIELDS, doc: "" }, doc: "" } as const;
  const checked = checkField(field, value, at, { ...context, partial: false });
  const cases = (checked as unknown as TestCase[] | undefined) ?? []; // what CASE_FIELDS describes
  for (const [i, testCase] of cases.entries()) checkKind(testCase, [...at, i], context);
  return cases;
}

/** Fields that say nothing of an exchange, and those that say something of nothing else. */
const OF_EVENTS = ["direction", "input", "text", "contentType", "http"] as const;
const EXPECTED_OF_EVENTS = ["output", "reserved", "verdict"] as const;
const EXPECTED_OF_EXCHANGES = ["headers", "body", "upstream", "verdicts"] as const;

function checkKind(testCase: TestCase, at: DocumentPath, context: CheckContext): void {
  const kinds = (["pipeline", "route", "request"] as const).filter((kind) => testCase[kind] !== undefined);
  if (kinds.length !== 1) {
    const found = kinds.length === 0 ? "none" : kinds.join(" and ");
    const message = `a case names either a pipeline or a route, or it has a request; found ${found}`;
    complain(context.report, "E_ONE_OF", at, message, "keep one of them");
    return;
  }
  const { expect } = testCase;
  if (testCase.request === undefined) {
    refuseFields(
      { response: testCase.response },
      at,
      "is a part of an exchange: give the case a request",
      context.report,
    );
    const strange = Object.fromEntries(EXPECTED_OF_EXCHANGES.map((name) => [name, expect[name]]));
    refuseFields(strange, [...at, "expect"], "is said of exchanges only: give the case a request", context.report);
    return;
  }
  const strange = Object.fromEntries(OF_EVENTS.map((name) => [name, testCase[name]]));
  refuseFields(strange, at, "says nothing of an exchange: put it into request", context.report);
  const unexpected = Object.fromEntries(EXPECTED_OF_EVENTS.map((name) => [name, expect[name]]));
  refuseFields(
    unexpected,
    [...at, "expect"],
    "says nothing of an exchange: there are body and verdicts",
    context.report,
  );
  checkExpectedMessage(testCase, [...at, "expect"], context);
}

function refuseFields(fields: { [name: string]: unknown }, at: DocumentPath, why: string, report: Report): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) complain(report, "E_VALUE", [...at, name], `"${name}" ${why}`, "");
  }
}

export type ExpectedUpstream = ConfigOf<typeof UPSTREAM_FIELDS>;

function checkExpectedMessage({ expect }: TestCase, at: DocumentPath, context: CheckContext): void {
  checkExpectedHeaders(expect.headers, [...at, "headers"], context.report);
  if (expect.upstream === undefined || expect.upstream === null) return;
  const checked = checkFields(UPSTREAM_FIELDS, expect.upstream, [...at, "upstream"], { ...context, partial: false });
  const headers = (checked as ExpectedUpstream | undefined)?.headers;
  checkExpectedHeaders(headers, [...at, "upstream", "headers"], context.report);
}

function checkExpectedHeaders(headers: { [name: string]: JsonValue } | undefined, at: DocumentPath, report: Report) {
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value === null || typeof value === "string") continue;
    complain(report, "E_TYPE", [...at, name], "expected a string or null", "");
  }
}
