/**
 * Request smuggling (facts 2.4, 2.7, 2.8, 22.1): no body we send contradicts a content-length on the wire, however Envoy is
 * configured. Read as raw bytes by a peer that frames strictly, on connections that are used again.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loadConfig } from "../../../engine/config/load.ts";
import { re2Regexps } from "../../../engine/runtime/regexps.ts";
import { findSystem } from "../../../engine/systems/registry.ts";
import { type ExtProcFields, type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { chunked, openWire, startWireUpstream, type Wire, type WireUpstream } from "./wire.ts";

const CARD = "4111111111111111";
const limits = { bodyBytes: 20_000 };
const cover = { pipelines: ["cover"], limits };
const config = {
  pipelines: [
    { name: "cover", processes: [{ name: "cover-cards" }] },
    { name: "refuse", processes: [{ name: "no-secrets" }] },
    { name: "grow", processes: [{ name: "hash" }] },
  ],
  processDefinitions: [
    {
      redactor: {
        name: "cover-cards",
        rules: [
          { paths: ["**.card"], mask: { keepLast: 4 } },
          { paths: ["**.drop"], drop: true },
        ],
      },
    },
    { filter: { name: "no-secrets", condition: { exists: { ops: [{ key: "secret" }] } } } },
    {
      redactor: {
        name: "hash",
        rules: [{ paths: ["**.f"], replace: "a much longer text than the one that stood here before" }],
      },
    },
  ],
  http: {
    version: 1,
    routes: [
      { name: "shrink", match: { paths: ["/shrink"] }, request: cover, response: cover },
      {
        name: "grow",
        match: { paths: ["/grow"] },
        request: { pipelines: ["grow"], limits },
        response: { pipelines: ["grow"], limits },
      },
      {
        name: "headers",
        match: { paths: ["/headers"] },
        request: { setHeaders: { "x-a": "b" }, removeHeaders: ["x-b"] },
        response: { setHeaders: { "x-a": "b" }, removeHeaders: ["x-b"] },
      },
      {
        name: "lenient",
        match: { paths: ["/lenient"] },
        request: { ...cover, onFault: "pass" },
        response: { ...cover, onFault: "pass" },
      },
      {
        name: "events",
        match: { paths: ["/events"] },
        request: { pipelines: ["refuse", "grow"], contentTypes: ["application/x-ndjson"] },
        response: { pipelines: ["refuse", "grow"], contentTypes: ["application/x-ndjson"] },
      },
    ],
  },
};

const MODES = ["BUFFERED", "BUFFERED_PARTIAL", "STREAMED", "FULL_DUPLEX_STREAMED"] as const;

function filter(body: string, more: Partial<ExtProcFields> = {}, headers = "SEND"): ExtProcFields {
  const trailers = body === "FULL_DUPLEX_STREAMED" ? "SEND" : "SKIP";
  return {
    allow_mode_override: true,
    ...more,
    processing_mode: {
      request_header_mode: headers,
      response_header_mode: headers,
      request_body_mode: body,
      response_body_mode: body,
      request_trailer_mode: trailers,
      response_trailer_mode: trailers,
    },
  };
}

const LISTENERS: { [name: string]: ExtProcFields } = {
  NONE: filter("NONE"),
  ...Object.fromEntries(MODES.map((mode) => [mode, filter(mode)])),
  ...Object.fromEntries(
    MODES.map((mode) => [`${mode} and a kept length`, filter(mode, { allow_content_length_header: true })]),
  ),
  ...Object.fromEntries(MODES.map((mode) => [`${mode} without headers`, filter(mode, {}, "SKIP")])),
  "BUFFERED without headers and a kept length": filter("BUFFERED", { allow_content_length_header: true }, "SKIP"),
  "FULL_DUPLEX_STREAMED without headers and a kept length": filter(
    "FULL_DUPLEX_STREAMED",
    { allow_content_length_header: true },
    "SKIP",
  ),
};

let server: TestServer;
let upstream: WireUpstream;
let envoy: HandWritten;

beforeAll(async () => {
  server = await startTestServer(config);
  upstream = await startWireUpstream();
  envoy = await startHandWritten(LISTENERS, { extProc: server.address, upstream: upstream.address });
});
beforeEach(() => {
  upstream.requests.length = 0;
});
afterAll(async () => {
  await envoy.stop();
  await server.stop();
  await upstream.stop();
});

const JSON_TYPE = "application/json";
const bodies: { path: string; type: string; body: string }[] = [
  { path: "/shrink", type: JSON_TYPE, body: `{"drop":"${"x".repeat(300)}","card":"${CARD}"}` },
  { path: "/shrink", type: JSON_TYPE, body: '{"n": 1.0}' },
  { path: "/shrink", type: JSON_TYPE, body: `{"drop":"${"x".repeat(30_000)}"}` },
  { path: "/shrink", type: JSON_TYPE, body: '{"broken' },
  { path: "/shrink", type: "text/plain", body: "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n" },
  { path: "/grow", type: JSON_TYPE, body: '{"f":1}' },
  { path: "/grow", type: JSON_TYPE, body: `[${Array(200).fill('{"f":1}').join(",")}]` },
  { path: "/headers", type: JSON_TYPE, body: '{"n": 1.0}' },
  { path: "/lenient", type: "text/plain", body: "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n" },
  { path: "/lenient", type: JSON_TYPE, body: `{"drop":"${"x".repeat(30_000)}"}` },
  { path: "/lenient", type: JSON_TYPE, body: '{"broken' },
  { path: "/events", type: "application/x-ndjson", body: '{"f":1}\n{"f":2}\n' },
  { path: "/events", type: "application/x-ndjson", body: '{"secret":1}\n{"secret":2}\n' },
  { path: "/events", type: "application/x-ndjson", body: '{"secret":1}\n{"f":2}\n' },
  { path: "/marker", type: JSON_TYPE, body: '{"n": 1.0}' },
];
const framings = ["length", "chunks"] as const;

function framed(body: string, framing: (typeof framings)[number]): string {
  if (framing === "length") return `content-length: ${body.length}\r\n\r\n${body}`;
  return `transfer-encoding: chunked\r\n\r\n${chunked([body.slice(0, 3), body.slice(3)]).toString("latin1")}`;
}

const CASES = bodies
  .flatMap((each) => framings.map((framing) => ({ ...each, framing })))
  .map((each, i) => ({ ...each, path: `${each.path}?case=${i}` }));
const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

// The marker is the next request on the connection: a surplus of bytes, or a lack, would be read as part of it.
const MARKER = "GET /marker HTTP/1.1\r\nhost: x\r\n\r\n";

describe.each(Object.keys(LISTENERS))("%s", (listener) => {
  test("requests: the upstream reads each as one, and the next as the next", async () => {
    upstream.respond = (_request, socket) => socket.write(OK);
    await Promise.all(
      CASES.map(({ path, type, body, framing }) =>
        exchange(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\n${framed(body, framing)}`),
      ),
    );
    expectNothingElse();
  });

  test("responses: the client reads each as one, and the next as the next", async () => {
    upstream.respond = (request, socket) => {
      const found = CASES[Number(/case=(\d+)/.exec(request.line)?.[1] ?? -1)];
      const answer = found && `HTTP/1.1 200 OK\r\ncontent-type: ${found.type}\r\n${framed(found.body, found.framing)}`;
      socket.write(answer ?? OK);
    };
    await Promise.all(CASES.map(({ path }) => exchange(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)));
    expectNothingElse();
  });

  async function exchange(request: string): Promise<void> {
    const wire = await openWire(envoy.ports[listener] as number);
    wire.write(request);
    const response = await wholeOrCut(wire);
    if (response !== undefined) expectOurs(request, response);
    if (response !== undefined && headerOf(response, "connection").join() !== "close") {
      wire.write(MARKER);
      const next = await wholeOrCut(wire);
      if (next !== undefined) expect([request, statusOf(next), bodyOf(next).toString()]).toEqual([request, 200, "ok"]);
    }
    wire.end();
    expect([request, wire.reader.garbage]).toEqual([request, ""]);
  }
});

function expectNothingElse(): void {
  expect(upstream.garbage()).toEqual([]);
  expect(upstream.requests.filter((seen) => seen.line.includes("smuggled"))).toEqual([]);
}

/** undefined: the message was refused when its headers had gone, and Envoy has closed the connection on it. */
async function wholeOrCut(wire: Wire): Promise<Http1Message | undefined> {
  try {
    return await wire.response();
  } catch (error) {
    if (wire.closed) return undefined;
    throw error; // a length that promises more than comes
  }
}

/** Envoy's own errors have no body of ours: problem details name a rule. */
function expectOurs(what: string, response: Http1Message): void {
  if (statusOf(response) < 500) return;
  expect([what, bodyOf(response).toString()]).toEqual([what, expect.stringContaining('"rule":')]);
}

test.each(["content-length", "transfer-encoding", "Content-Length", "connection", "te", "trailer", "upgrade"])(
  "a configuration that writes %s is refused (facts 2.4)",
  (name) => {
    for (const write of [{ setHeaders: { [name]: "5" } }, { removeHeaders: [name] }]) {
      const routes = [{ name: "a", request: write }];
      const text = JSON.stringify({ pipelines: [], processDefinitions: [], http: { version: 1, routes } });
      const { plan, diagnostics } = loadConfig(text, { file: "a.json", regexps: re2Regexps(), systemForm: findSystem });
      expect(plan).toBeUndefined();
      expect(diagnostics.map((found) => found.code)).toContain("E_HEADER");
    }
  },
);

test.each(MODES)(
  "bodies without their headers, whose route nobody can know, do not slip past rules: %s",
  async (mode) => {
    upstream.respond = (_request, socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    const wire = await openWire(envoy.ports[`${mode} without headers`] as number);
    wire.write(`POST /shrink HTTP/1.1\r\nhost: x\r\ncontent-type: ${JSON_TYPE}\r\ncontent-length: 2\r\n\r\n{}`);
    const response = await wholeOrCut(wire);
    wire.end();
    if (response !== undefined) expect(statusOf(response)).toBe(500);
    expect(upstream.requests.filter((request) => request.complete)).toEqual([]);
    expect(server.log).toContainEqual(expect.stringContaining("request_header_mode: SEND"));
  },
);
