/** Headers of several values, of odd bytes, written and removed, in every mode and both directions. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { chunked, exchange, startWireUpstream, type WireUpstream } from "./wire.ts";

const CARD = "4111111111111111";
const section = {
  pipelines: ["cover"],
  setHeaders: { "x-new": "hö\u{1f600}", "x-over": "new" },
  removeHeaders: ["x-gone", "x-never-there"],
};
const config = {
  pipelines: [{ name: "cover", processes: [{ name: "cover-cards" }] }],
  processDefinitions: [{ redactor: { name: "cover-cards", rules: [{ paths: ["card"], mask: { keepLast: 4 } }] } }],
  http: { version: 1, routes: [{ name: "write", match: { paths: ["/write"] }, request: section, response: section }] },
};

const MODES = ["NONE", "BUFFERED", "BUFFERED_PARTIAL", "STREAMED", "FULL_DUPLEX_STREAMED"] as const;
const LISTENERS = [...MODES, "generated"] as const;

let server: TestServer;
let upstream: WireUpstream;
let envoy: HandWritten;
let generated: RunningEnvoy;

beforeAll(async () => {
  server = await startTestServer(config);
  upstream = await startWireUpstream();
  const filter = (body: string) => {
    const trailers = body === "FULL_DUPLEX_STREAMED" ? "SEND" : "SKIP";
    const headers = { request_header_mode: "SEND", response_header_mode: "SEND" };
    const bodies = { request_body_mode: body, response_body_mode: body };
    return {
      processing_mode: { ...headers, ...bodies, request_trailer_mode: trailers, response_trailer_mode: trailers },
    };
  };
  const filters = Object.fromEntries(MODES.map((mode) => [mode, filter(mode)]));
  envoy = await startHandWritten(filters, { extProc: server.address, upstream: upstream.address });
  const options = { listen: server.address, upstream: upstream.address, port: 0, adminPort: 0 };
  generated = await startEnvoy(envoyBootstrap(server.plan.routes ?? [], options));
});
beforeEach(() => {
  upstream.requests.length = 0;
});
afterAll(async () => {
  await envoy.stop();
  await generated.stop();
  await server.stop();
  await upstream.stop();
});

// Every byte a field value may have beyond ASCII (RFC 9110 section 5.5, obs-text); no UTF-8.
const ODD = Buffer.from(Array.from({ length: 128 }, (_, i) => 128 + i)).toString("latin1");
const FIELDS = [
  ["x-odd", ODD],
  ["x-many", "1"],
  ["x-many", "2"],
  ["x-over", "old"],
  ["x-over", "older"],
  ["x-gone", "1"],
  ["x-gone", "2"],
  ["set-cookie", "a=1; path=/"],
  ["set-cookie", "b=2"],
  ["set-cookie", "c=3"],
] as const;
const LINES = FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join("");

function expectWritten(message: Http1Message): void {
  expect(headerOf(message, "x-odd")).toEqual([ODD]);
  expect(headerOf(message, "x-many")).toEqual(["1", "2"]);
  expect(headerOf(message, "set-cookie")).toEqual(["a=1; path=/", "b=2", "c=3"]);
  expect(headerOf(message, "x-over")).toEqual(["new"]);
  expect(headerOf(message, "x-gone")).toEqual([]);
  expect(headerOf(message, "x-new")).toEqual([Buffer.from("hö\u{1f600}").toString("latin1")]);
}

const json = "content-type: application/json\r\n";
const bodies: [string, string, string][] = [
  ["no body", "content-length: 0\r\n\r\n", ""],
  ["a body that is rewritten", `${json}content-length: 27\r\n\r\n{"card":"${CARD}"}`, '{"card":"************1111"}'],
  ["a body that stays", `${json}content-length: 10\r\n\r\n{"n": 1.0}`, '{"n": 1.0}'],
];
const chunkedBody: [string, string, string] = [
  "a body in chunks",
  `${json}transfer-encoding: chunked\r\n\r\n${chunked([`{"card":"${CARD}"}`]).toString("latin1")}`,
  '{"card":"************1111"}',
];

describe.each(LISTENERS)("%s", (listener) => {
  const treated =
    listener === "NONE" ? bodies.slice(0, 1) : listener === "STREAMED" ? bodies : [...bodies, chunkedBody];

  test.each(treated)("a request with %s", async (_title, framed, expected) => {
    upstream.respond = (_request, socket) => socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    const answer = await exchange(portOf(listener), "POST", `POST /write HTTP/1.1\r\nhost: x\r\n${LINES}${framed}`);
    expect(statusOf(answer)).toBe(204);
    const [seen] = upstream.requests as [Http1Message];
    expect(bodyOf(seen).toString()).toBe(expected);
    expectWritten(seen);
  });

  test.each(treated)("a response with %s", async (_title, framed, expected) => {
    upstream.respond = (_request, socket) => socket.write(`HTTP/1.1 200 OK\r\n${LINES}${framed}`, "latin1");
    const answer = await exchange(portOf(listener), "GET", "GET /write HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(bodyOf(answer).toString()).toBe(expected);
    expectWritten(answer);
  });

  test("headers of no route stay as they are", async () => {
    upstream.respond = (_request, socket) =>
      socket.write(`HTTP/1.1 200 OK\r\n${LINES}content-length: 0\r\n\r\n`, "latin1");
    const answer = await exchange(portOf(listener), "GET", `GET /free HTTP/1.1\r\nhost: x\r\n${LINES}\r\n`);
    for (const message of [answer, upstream.requests[0] as Http1Message]) {
      expect(message.headers.filter(([name]) => FIELDS.some(([known]) => known === name))).toEqual(FIELDS);
    }
  });
});

function portOf(listener: (typeof LISTENERS)[number]): number {
  return listener === "generated" ? generated.port : (envoy.ports[listener] as number);
}
