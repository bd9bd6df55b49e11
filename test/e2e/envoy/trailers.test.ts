/** Messages that end with trailers, both ways, on HTTP/1.1 and HTTP/2: treated like others, and the trailers arrive. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { GUARDS } from "./guards.ts";
import { type ExtProcFields, type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import {
  type Http2Ask,
  type Http2Client,
  type Http2Upstream,
  openHttp2,
  respondWith,
  startHttp2Upstream,
} from "./http2.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { chunked, exchange, startWireUpstream, type WireUpstream } from "./wire.ts";

const card = "4111111111111111";
const covered = '{"card":"************1111"}';
const section = { pipelines: ["refuse", "cover"] };
const config = {
  pipelines: [...GUARDS.pipelines, { name: "id", processes: [{ name: "need-id" }] }],
  processDefinitions: [
    ...GUARDS.processDefinitions,
    { filter: { name: "need-id", unless: { exists: { ops: [{ key: "id" }] } } } },
  ],
  http: {
    version: 1,
    routes: [
      { name: "guard", match: { paths: ["/guard"] }, request: section, response: section },
      { name: "bodyless", match: { paths: ["/bodyless"] }, request: { pipelines: ["id"], bodyless: true } },
      {
        name: "events",
        match: { paths: ["/events"] },
        request: { ...section, contentTypes: ["application/x-ndjson"], bodyless: true },
      },
    ],
  },
};

const modes = (body: string, trailers: string): ExtProcFields => ({
  allow_mode_override: true,
  processing_mode: {
    request_header_mode: "SEND",
    response_header_mode: "SEND",
    request_body_mode: body,
    response_body_mode: body,
    request_trailer_mode: trailers,
    response_trailer_mode: trailers,
  },
});
/** Those that know the end of a body with trailers: STREAMED without a length does not. */
const LISTENERS = {
  BUFFERED: modes("BUFFERED", "SKIP"),
  "BUFFERED and trailers": modes("BUFFERED", "SEND"),
  "FULL_DUPLEX_STREAMED and trailers": modes("FULL_DUPLEX_STREAMED", "SEND"),
};
const names = Object.keys(LISTENERS) as (keyof typeof LISTENERS)[];

let server: TestServer;
let upstream: WireUpstream;
let upstream2: Http2Upstream;
let envoy: HandWritten;
let generated: RunningEnvoy;
const clients = new Map<string, Http2Client>();

beforeAll(async () => {
  server = await startTestServer(config);
  upstream = await startWireUpstream();
  upstream2 = await startHttp2Upstream();
  const addresses = { extProc: server.address, upstream: upstream.address, upstream2: upstream2.address };
  const options = { listen: server.address, upstream: upstream.address, port: 0, adminPort: 0 };
  envoy = await startHandWritten(
    { ...LISTENERS, STREAMED: modes("STREAMED", "SKIP"), "STREAMED and trailers": modes("STREAMED", "SEND") },
    addresses,
  );
  generated = await startEnvoy(envoyBootstrap(server.plan.routes ?? [], options));
  for (const [name, port] of Object.entries(envoy.ports)) clients.set(name, openHttp2(port));
  clients.set("generated", openHttp2(generated.port));
});
beforeEach(() => {
  upstream.requests.length = 0;
  upstream2.requests.length = 0;
});
afterAll(async () => {
  for (const client of clients.values()) client.close();
  await envoy.stop();
  await generated.stop();
  await server.stop();
  await upstream.stop();
  await upstream2.stop();
});

const ask = (listener: string, request: Http2Ask) => (clients.get(listener) as Http2Client).ask(request);
const json = { "content-type": "application/json" };

describe.each(names)("%s", (listener) => {
  describe("HTTP/1.1", () => {
    const post = (body: string) =>
      exchange(
        envoy.ports[listener] as number,
        "POST",
        "POST /guard HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        chunked([body], ["x-end: yes", "x-other: 1"]),
      );

    test.each([
      ["rewritten", `{"card":"${card}"}`, covered],
      ["as it is", '{ "n": 1.0 }', '{ "n": 1.0 }'],
    ])("a request goes on %s, with its trailers", async (_how, body, expected) => {
      upstream.respond = (_request, socket) => socket.write("HTTP/1.1 204 No Content\r\n\r\n");
      expect(statusOf(await post(body))).toBe(204);
      const [seen] = upstream.requests as [Http1Message];
      expect(bodyOf(seen).toString()).toBe(expected);
      expect(seen.trailers).toEqual([
        ["x-end", "yes"],
        ["x-other", "1"],
      ]);
    });

    test("a request is refused", async () => {
      expect(statusOf(await post('{"secret":1}'))).toBe(403);
      expect(upstream.requests.filter((request) => request.complete)).toEqual([]);
    });

    test.each([
      ["rewritten", `{"card":"${card}"}`, 200, covered],
      ["as it is", '{ "n": 1.0 }', 200, '{ "n": 1.0 }'],
      ["refused", '{"secret":1}', 403, undefined],
    ])("a response is %s", async (_how, body, status, expected) => {
      upstream.respond = (_request, socket) => {
        socket.write(
          'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: "1"\r\ntransfer-encoding: chunked\r\n\r\n',
        );
        socket.write(chunked([body], ["x-end: yes"]));
      };
      const response = await exchange(envoy.ports[listener] as number, "GET", "GET /guard HTTP/1.1\r\nhost: x\r\n\r\n");
      expect(statusOf(response)).toBe(status);
      if (expected === undefined) return;
      expect(bodyOf(response).toString()).toBe(expected);
      expect(response.trailers).toEqual([["x-end", "yes"]]);
      expect(headerOf(response, "etag")).toEqual(expected === covered ? [] : ['"1"']);
    });
  });

  test("HTTP/2, there and back", async () => {
    const pieces = [`{"card":"${card.slice(0, 5)}`, `${card.slice(5)}"}`];
    const headers = { ...json, ":path": "/guard", "x-upstream": "h2" };
    upstream2.respond = (_request, stream) => respondWith(stream, json, pieces, { "x-end": "back" });
    const answer = await ask(listener, { headers, pieces, trailers: { "x-end": "there" } });
    expect(upstream2.requests[0]?.body.toString()).toBe(covered);
    expect(upstream2.requests[0]?.trailers).toMatchObject({ "x-end": "there" });
    expect(answer.body.toString()).toBe(covered);
    expect(answer.trailers).toMatchObject({ "x-end": "back" });
  });

  test("HTTP/2 with a content-length, rewritten to another length", async () => {
    const body = `{"card":"${card}", "drop":"${"x".repeat(100)}"}`;
    const headers = { ...json, ":path": "/guard", "x-upstream": "h2", "content-length": String(body.length) };
    upstream2.respond = (_request, stream) => respondWith(stream, {}, [], { "x-end": "back" });
    const answer = await ask(listener, { headers, pieces: [body], trailers: { "x-end": "there" } });
    expect(answer.headers[":status"]).toBe(200);
    expect(answer.trailers).toMatchObject({ "x-end": "back" });
    const [seen] = upstream2.requests;
    expect(seen?.body.toString()).toBe(body.replace(card, "************1111"));
    expect([undefined, String(seen?.body.length)]).toContain(seen?.headers["content-length"]);
  });
});

describe("trailers and no body", () => {
  const asks = (path: string, type?: string): Http2Ask => ({
    headers: { ":path": path, "x-upstream": "h2", ...(type === undefined ? {} : { "content-type": type }) },
    trailers: { "x-end": "there" },
  });
  const telling = ["BUFFERED and trailers", "FULL_DUPLEX_STREAMED and trailers", "generated"];

  test.each(telling)("do not slip past a rule on messages without a body: %s", async (listener) => {
    const statuses = [];
    // Without a type it is not known to be an empty event; a body of another type might follow.
    for (const type of ["application/json", undefined]) {
      statuses.push((await ask(listener, asks("/bodyless", type))).headers[":status"]);
    }
    expect(statuses).toEqual([403, 415]);
    expect([...upstream.requests, ...upstream2.requests].filter((request) => request.complete)).toEqual([]);
  });

  test("are refused where STREAMED cannot tell", async () => {
    const answer = await ask("STREAMED and trailers", asks("/bodyless", "application/json"));
    expect(answer.headers[":status"]).toBe(500);
    expect(upstream2.requests).toEqual([]);
  });

  test.each(names)("pass where no rule asks for a body: %s", async (listener) => {
    const answer = await ask(listener, asks("/guard", "application/json"));
    expect(answer.headers[":status"]).toBe(200);
    expect(upstream2.requests[0]?.trailers).toMatchObject({ "x-end": "there" });
  });

  test("are an event stream without events on the generated configuration", async () => {
    expect((await ask("generated", asks("/events", "application/x-ndjson"))).headers[":status"]).toBe(200);
  });
});

test("a STREAMED body whose end only trailers tell is refused where a rule guards, before any of it has gone", async () => {
  for (const listener of ["STREAMED", "STREAMED and trailers"]) {
    const headers = { ...json, ":path": "/guard", "x-upstream": "h2" };
    const answer = await ask(listener, { headers, pieces: ["{}"], trailers: { "x-end": "there" } });
    expect(answer.headers[":status"]).toBe(500);
    expect(answer.body.toString()).toContain('"rule":"error"');
  }
  expect(upstream2.requests).toEqual([]);
});

test("a STREAMED body with a length and trailers is whole with its last byte", async () => {
  const body = `{"card":"${card}"}`;
  const headers = { ...json, ":path": "/guard", "x-upstream": "h2", "content-length": String(body.length) };
  for (const listener of ["STREAMED", "STREAMED and trailers"]) {
    await ask(listener, { headers, pieces: [body.slice(0, 9), body.slice(9)], trailers: { "x-end": "there" } });
    expect(upstream2.requests.at(-1)?.body.toString()).toBe(covered);
    expect(upstream2.requests.at(-1)?.trailers).toMatchObject({ "x-end": "there" });
  }
});

test("the generated configuration treats bodies with trailers of both protocols", async () => {
  upstream.respond = (request, socket) => {
    socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
    socket.write(chunked([bodyOf(request)], ["x-end: yes"]));
  };
  const body = `{"card":"${card}"}`;
  const answer = await ask("generated", {
    headers: { ...json, ":path": "/guard" },
    pieces: [body],
    trailers: { "x-end": "1" },
  });
  expect(answer.body.toString()).toBe(covered);
  const raw = await exchange(
    generated.port,
    "POST",
    "POST /guard HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    chunked([body], ["x-end: yes"]),
  );
  expect(bodyOf(raw).toString()).toBe(covered);
  expect(upstream.requests.map((request) => bodyOf(request).toString())).toEqual([covered, covered]);
});
