/**
 * Request smuggling (facts 2.4, 2.7, 2.8, 22.1): no body we send contradicts a content-length on the wire, however Envoy is
 * configured. Read as raw bytes by a peer that frames strictly, on connections that are used again.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loadConfig } from "../../../engine/config/load.ts";
import { re2Regexps } from "../../../engine/runtime/regexps.ts";
import { type ExtProcFields, type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { chunked, openWire, startWireUpstream, type WireUpstream } from "./wire.ts";

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
  { path: "/free", type: JSON_TYPE, body: '{"n": 1.0}' },
];
const framings = ["length", "chunks"] as const;

function framed(body: string, framing: (typeof framings)[number]): string {
  if (framing === "length") return `content-length: ${body.length}\r\n\r\n${body}`;
  return `transfer-encoding: chunked\r\n\r\n${chunked([body.slice(0, 3), body.slice(3)]).toString("latin1")}`;
}

// The marker is the next request on the connection: a surplus of bytes, or a lack, would be read as part of it.
const MARKER = "GET /free?marker HTTP/1.1\r\nhost: x\r\n\r\n";

describe.each(Object.keys(LISTENERS))("%s", (listener) => {
  test("requests: the upstream reads each as one, and the next as the next", async () => {
    upstream.respond = (_request, socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    for (const { path, type, body } of bodies) {
      for (const framing of framings) {
        await exchangeOf(
          path,
          body,
          type,
          framing,
          `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\n${framed(body, framing)}`,
        );
      }
    }
  });

  test("responses: the client reads each as one, and the next as the next", async () => {
    for (const { path, type, body } of bodies) {
      for (const framing of framings) {
        upstream.respond = (request, socket) => {
          const marker = request.line.includes("marker");
          const answer = marker ? "content-length: 2\r\n\r\nok" : `content-type: ${type}\r\n${framed(body, framing)}`;
          socket.write(`HTTP/1.1 200 OK\r\n${answer}`);
        };
        await exchangeOf(path, body, type, framing, `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
      }
    }
  });

  async function exchangeOf(path: string, body: string, type: string, framing: string, request: string): Promise<void> {
    const what = `${path} ${type} ${framing} ${body.slice(0, 20)}`;
    const garbageBefore = upstream.garbage().length;
    const wire = await openWire(envoy.ports[listener] as number);
    wire.write(request);
    const response = await wire.response().catch(() => undefined); // refused when its headers had gone: cut
    if (response !== undefined) {
      expectOurs(what, response);
      if (headerOf(response, "connection").join() !== "close") {
        wire.write(MARKER);
        const next = await wire.response().catch(() => undefined);
        if (next !== undefined) expect([what, statusOf(next), bodyOf(next).toString()]).toEqual([what, 200, "ok"]);
      }
    }
    wire.end();
    expect([what, wire.reader.garbage]).toEqual([what, ""]);
    expect([what, upstream.garbage().slice(garbageBefore)]).toEqual([what, []]);
    expect(upstream.requests.filter((seen) => seen.line.includes("smuggled"))).toEqual([]);
  }
});

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
      const { plan, diagnostics } = loadConfig(text, { file: "a.json", regexps: re2Regexps() });
      expect(plan).toBeUndefined();
      expect(diagnostics.map((found) => found.code)).toContain("E_HEADER");
    }
  },
);
