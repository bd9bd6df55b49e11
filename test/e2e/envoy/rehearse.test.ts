/** What `binge test` and `binge explain` say is what Envoy gets: the same exchanges, played here and by a real one. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Play, playHere, playTrial } from "../../../cli/exchange-cases.ts";
import { bodyText, type HttpMessage, requestMessage, responseMessage } from "../../../cli/http-message.ts";
import { type Stage, startStage } from "../../../cli/on-envoy.ts";
import type { JsonValue } from "../../../engine/core/event/json.ts";
import { startTrial } from "../../../engine/runtime/cases.ts";
import { loadText } from "../../../engine/runtime/configuration.ts";
import { headerValue } from "../../../extproc/exchange/headers.ts";

const copyRisk = {
  sourceField: "n",
  targetField: "internal:risk",
  transformation: { transformationType: "TransformCopy" },
};
const config = {
  pipelines: [
    { name: "guard", processes: [{ name: "mirror" }, { name: "no-bad" }, { name: "cover" }, { name: "risk" }] },
    { name: "cover", processes: [{ name: "cover" }] },
    { name: "look", processes: [{ name: "mirror" }] },
  ],
  processDefinitions: [
    { tee: { name: "mirror", outputConnectorRef: "copies" } },
    {
      filter: {
        name: "no-bad",
        condition: { exists: { ops: [{ key: "bad", op: "Exists" }] } },
        reject: { status: 451 },
      },
    },
    { redactor: { name: "cover", rules: [{ paths: ["**.card"], mask: { keepLast: 4 } }] } },
    { transformer: { name: "risk", forwardInputFields: true, specs: [copyRisk] } },
  ],
  externalSystems: [{ externalType: "ExternalObjectStore", name: "copies", connectionString: "mem:copies" }],
  http: {
    version: 1,
    always: { request: { setHeaders: { "x-always": "1" } }, response: { removeHeaders: ["x-debug"] } },
    routes: [
      {
        name: "both",
        match: { paths: ["/both/**"] },
        request: {
          pipelines: ["guard"],
          bodyless: true,
          setHeaders: { "x-risk": "{internal:risk}" },
          removeHeaders: ["x-debug"],
        },
        response: { status: ["2xx"], pipelines: ["cover"], metadata: ["internal:name"] },
      },
      {
        name: "post",
        match: { methods: ["POST"], paths: ["/post"] },
        request: { pipelines: ["guard"], batch: "element" },
      },
      {
        name: "lines",
        match: { paths: ["/lines"] },
        request: { pipelines: ["guard"], contentTypes: ["application/json", "application/x-ndjson"], batch: "all" },
        response: { pipelines: ["guard"], contentTypes: ["application/json", "application/x-ndjson"] },
      },
      {
        name: "looks",
        match: { paths: ["/looks"] },
        request: { pipelines: ["look"] },
        response: { pipelines: ["look"] },
      },
      {
        name: "half-looks",
        match: { paths: ["/half"] },
        request: { pipelines: ["guard"] },
        response: { pipelines: ["look"] },
      },
      {
        name: "looks-half",
        match: { paths: ["/flah"] },
        request: { pipelines: ["look"] },
        response: { pipelines: ["guard"] },
      },
      { name: "lax", match: { paths: ["/lax"] }, request: { pipelines: ["cover"], onFault: { contentType: "pass" } } },
      {
        name: "one-sided",
        match: { paths: ["/one-sided"] },
        request: { pipelines: ["cover"], onFault: { contentType: "pass" } },
        response: { removeHeaders: ["x-debug"], pipelines: ["cover"] },
      },
      { name: "tenant", match: { headers: { "x-tenant": "a" } }, response: { pipelines: ["cover"] } },
      {
        name: "dry",
        match: { paths: ["/dry"] },
        enforce: false,
        request: { pipelines: ["guard"], removeHeaders: ["x-debug"] },
        response: { pipelines: ["cover"] },
      },
      {
        name: "small",
        match: { paths: ["/small"] },
        request: { pipelines: ["guard"], limits: { bodyBytes: 16 } },
        response: { pipelines: ["cover"], limits: { bodyBytes: 16 }, onFault: { tooLarge: "pass" } },
      },
    ],
  },
};

// A busy machine is no reason for another outcome.
for (const route of config.http.routes as { [section: string]: { limits?: object } }[]) {
  for (const section of [route.request, route.response]) {
    if (section !== undefined) section.limits = { ...section.limits, deadlineMs: 30_000 };
  }
}

const loaded = loadText(JSON.stringify(config), "test.json");
let stage: Stage;
beforeAll(async () => {
  stage = await startStage(loaded.plan?.routes ?? []);
});
afterAll(() => stage.stop());

const ODD_PATHS = [
  "//both",
  "/x/../both",
  "/%62oth",
  "/both/%2e%2e/post",
  "/both%2fx",
  "/x/%2e%2e;/both",
  "/dry?a=..%2f",
  "/dry;v=1",
];
const bodies = fc.constantFrom<JsonValue | undefined>(
  undefined,
  { n: 7, card: "4111111111111111" },
  '{ "n": 1.50 }',
  { bad: 1 },
  [{ n: 1 }, { bad: 2 }, { card: "4111111111111111" }],
  "{",
  '{"a":1,"a":2}',
  '{"n":"zwölf"}',
  '"text"',
  { long: "x".repeat(40) },
  '{"n":1}\n{"card":"4111111111111111"}\n{"n":2}',
  '{"n":1}\n{"bad":1}\n{"n":2}\n',
);
const some = (names: object[]) =>
  fc.subarray(names).map((headers) => Object.assign({}, ...headers) as { [name: string]: string });
type Sample = {
  request: { method: string; path: string; headers: { [name: string]: string }; body: JsonValue | undefined };
  response: { status: number; headers: { [name: string]: string }; body: JsonValue | undefined };
};
const exchanges: fc.Arbitrary<Sample> = fc.record({
  request: fc.record({
    method: fc.constantFrom<string>("POST", "PUT"),
    path: fc.constantFrom(
      "/both",
      "/both/x?q=1",
      "/post",
      "/dry",
      "/small",
      "/lax",
      "/one-sided",
      "/elsewhere",
      "/lines",
      "/looks",
      "/half",
      "/flah",
      ...ODD_PATHS,
    ),
    headers: some([
      { "x-tenant": "a" },
      { "x-debug": "1" },
      { "content-type": "text/plain" },
      { "content-type": "application/x-ndjson" },
      { "accept-encoding": "gzip" },
    ]),
    body: bodies,
  }),
  response: fc.record({
    status: fc.constantFrom(200, 201, 404),
    headers: some([
      { "x-debug": "1" },
      { etag: '"1"' },
      { "content-type": "application/problem+json" },
      { "content-type": "application/x-ndjson" },
    ]),
    body: bodies,
  }),
});

const SEEN = [":path", "x-always", "x-risk", "x-debug", "accept-encoding", "content-type", "content-length", "etag"];

function example(path: string, body: JsonValue, type?: string, status = 200, answer?: JsonValue): [Sample] {
  const headers: Sample["request"]["headers"] = type === undefined ? {} : { "content-type": type };
  return [{ request: { method: "POST", path, headers, body }, response: { status, headers: {}, body: answer } }];
}

/** One of each status, whatever chance brings. */
const EXAMPLES = [
  example("/both", { n: 7, card: "4111111111111111" }),
  example("/both", { bad: 1 }),
  example("/both", "{"),
  example("/small", { long: "x".repeat(40) }),
  example("/both", "hello", "text/plain"),
  example("/both", {}, undefined, 201, "{"),
  example("/both", {}, undefined, 201, { a: 1 }),
  example("/both", {}, undefined, 404, "no"),
];

/** What can be told of a message from outside, whoever carried it. */
function told(message: HttpMessage | undefined) {
  if (message === undefined) return undefined;
  const headers = SEEN.map((name) => `${name}: ${headerValue(message.headers, name)}`);
  // A length of 0 is Node's and Envoy's to say or to leave out.
  return {
    status: headerValue(message.headers, ":status"),
    headers: headers.filter((text) => text !== "content-length: 0" && !text.endsWith("undefined")),
    body: bodyText(message),
  };
}

async function outcome(play: Play, request: HttpMessage, response: HttpMessage) {
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  const trial = await startTrial(loaded.plan, loaded.systems);
  if ("error" in trial) throw new Error(trial.error);
  try {
    // A response that is refused when its headers have gone is cut off.
    const cut = { upstream: undefined, reply: undefined };
    const { upstream, reply } = await playTrial(trial, play, request, response).catch(() => cut);
    const counters = trial.runtime.counters.snapshot().filter(({ name }) => name !== "redacted");
    // Messages that are not held up are looked at in any order.
    const counted = counters.map(({ name, label, value }) => `${name} ${label} ${value}`).sort();
    return { upstream: told(upstream), reply: told(reply), copies: trial.copies, counted };
  } finally {
    await trial.close();
  }
}

test("a response is treated also where the request's body was not looked at", async () => {
  const request = {
    path: "/one-sided",
    headers: { "content-type": "text/plain" },
    "content-type": "application/x-ndjson",
    body: "hello",
  };
  const response = { body: { card: "4111111111111111" } };
  const here = await outcome(playHere, requestMessage(request), responseMessage(response));
  expect(here.reply?.body).toBe('{"card":"************1111"}');
  expect(await outcome(stage.play, requestMessage(request), responseMessage(response))).toEqual(here);
});

test("an exchange comes out alike here and through a real Envoy, verdicts, headers, bodies and copies", async () => {
  const seen = new Set<string | undefined>();
  await fc.assert(
    fc.asyncProperty(exchanges, async ({ request, response }) => {
      const asked = requestMessage(request);
      const answer = responseMessage(response);
      const here = await outcome(playHere, asked, answer);
      const there = await outcome(stage.play, asked, answer);
      // Whether a reply behind headers that have gone is cut off is a matter of microseconds.
      if (here.reply === undefined) expect([there.counted, there.copies]).toEqual([here.counted, here.copies]);
      else expect(there).toEqual(here);
      seen.add(here.reply?.status);
    }),
    { numRuns: 300, examples: EXAMPLES },
  );
  seen.delete(undefined);
  expect([...seen].sort()).toEqual(["200", "201", "400", "404", "413", "415", "451", "502"]);
}, 60_000);
