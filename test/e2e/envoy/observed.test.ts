/**
 * Routes whose sections only tee, on the generated configuration: Envoy sends copies and waits for nothing. Every event is
 * mirrored once, traffic keeps every byte, and a call ends with its last message, not after Envoy's five seconds.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import { openHttp2 } from "./http2.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { chunked, exchange, openWire, startWireUpstream, WAIT, type WireUpstream } from "./wire.ts";

const contentTypes = ["application/json", "application/x-ndjson", "text/event-stream"];
const section = { pipelines: ["mirror"], contentTypes };
const config = {
  pipelines: [{ name: "mirror", processes: [{ name: "tee" }] }],
  processDefinitions: [{ tee: { name: "tee", outputConnectorRef: "seen" } }],
  externalSystems: [{ externalType: "ExternalPubSub", name: "seen", connectionString: "mem:seen" }],
  http: {
    version: 1,
    routes: [
      { name: "both", match: { paths: ["/both"] }, request: section, response: section },
      { name: "request", match: { paths: ["/request"] }, request: section },
      { name: "response", match: { paths: ["/response"] }, response: section },
    ],
  },
};

let server: TestServer;
let upstream: WireUpstream;
let envoy: RunningEnvoy;
let mirrored: string[] = [];

beforeAll(async () => {
  server = await startTestServer(config);
  server.runtime.memory.subscribe("seen", (_id, bytes) => mirrored.push(Buffer.from(bytes).toString()));
  upstream = await startWireUpstream();
  const options = { listen: server.address, upstream: upstream.address, port: 0, adminPort: 0 };
  envoy = await startEnvoy(envoyBootstrap(server.plan.routes ?? [], options));
});
beforeEach(() => {
  mirrored = [];
  upstream.requests.length = 0;
});
afterAll(async () => {
  await envoy.stop();
  await server.stop();
  await upstream.stop();
});

/** Well before the five seconds after which Envoy would end the calls itself (facts 13.3). */
const SOON = { timeout: 2500, interval: 5 };

async function expectNoCallLeft(): Promise<void> {
  await vi.waitFor(async () => {
    const stats = await fetch(`http://${envoy.admin}/stats?filter=agglo_ext_proc.upstream_rq_active$`);
    expect(await stats.text()).toContain("upstream_rq_active: 0");
  }, SOON);
}

const there = '{ "there": 1.0 }';
const back = '{ "back": 1.0 }';
const json = "content-type: application/json\r\n";
const framings = ["length", "chunks", "trailers"] as const;

function framed(body: string, framing: (typeof framings)[number]): string {
  if (framing === "length") return `content-length: ${body.length}\r\n\r\n${body}`;
  const trailers = framing === "trailers" ? ["x-end: yes"] : [];
  return `transfer-encoding: chunked\r\n\r\n${chunked([body.slice(0, 5), body.slice(5)], trailers).toString("latin1")}`;
}

describe.each([
  ["/both", [there, back]],
  ["/request", [there]],
  ["/response", [back]],
] as const)("%s", (path, expected) => {
  test.each(framings)("an exchange of bodies by %s is mirrored once, and keeps every byte", async (framing) => {
    upstream.respond = (_request, socket) =>
      socket.write(`HTTP/1.1 200 OK\r\n${json}etag: "1"\r\n${framed(back, framing)}`);
    const head = `POST ${path} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n${json}`;
    const answer = await exchange(envoy.port, "POST", head + framed(there, framing));
    expect(statusOf(answer)).toBe(200);
    expect(bodyOf(answer).toString()).toBe(back);
    expect(headerOf(answer, "etag")).toEqual(['"1"']);
    expect(headerOf(answer, "content-length")).toEqual(framing === "length" ? [String(back.length)] : []);
    const [seen] = upstream.requests as [Http1Message];
    expect(bodyOf(seen).toString()).toBe(there);
    expect(headerOf(seen, "content-length")).toEqual(framing === "length" ? [String(there.length)] : []);
    expect(headerOf(seen, "accept-encoding")).toEqual(["gzip"]);
    await expectNoCallLeft();
    await vi.waitFor(() => expect(mirrored.toSorted()).toEqual(expected.toSorted()), WAIT);
  });

  test("HTTP/2 with trailers is mirrored once, too", async () => {
    upstream.respond = (_request, socket) => socket.write(`HTTP/1.1 200 OK\r\n${json}${framed(back, "length")}`);
    const client = openHttp2(envoy.port);
    const headers = { ":path": path, "content-type": "application/json" };
    const answer = await client.ask({ headers, pieces: [there], trailers: { "x-end": "yes" } });
    client.close();
    expect(answer.body.toString()).toBe(back);
    await expectNoCallLeft();
    await vi.waitFor(() => expect(mirrored.toSorted()).toEqual(expected.toSorted()), WAIT);
  });

  test("what has no body is no event, and leaves no call", async () => {
    upstream.respond = (_request, socket) => socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    expect(statusOf(await exchange(envoy.port, "GET", `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`))).toBe(204);
    await expectNoCallLeft();
    expect(mirrored).toEqual([]);
  });

  test("what is no event passes as it is", async () => {
    upstream.respond = (_request, socket) => socket.write(`HTTP/1.1 200 OK\r\n${json}${framed('{"broken', "length")}`);
    const answer = await exchange(
      envoy.port,
      "POST",
      `POST ${path} HTTP/1.1\r\nhost: x\r\n${json}${framed("no", "chunks")}`,
    );
    expect([statusOf(answer), bodyOf(answer).toString()]).toEqual([200, '{"broken']);
    await expectNoCallLeft();
    expect(mirrored).toEqual([]);
  });
});

test("a hundred exchanges side by side are each mirrored once", async () => {
  upstream.respond = (request, socket) => {
    const body = bodyOf(request).toString().replace("there", "back");
    socket.write(`HTTP/1.1 200 OK\r\n${json}${framed(body, "chunks")}`);
  };
  const client = openHttp2(envoy.port);
  const headers = { ":path": "/both", "content-type": "application/json" };
  const bodies = Array.from({ length: 100 }, (_, i) => `{"there":${i}}`);
  await Promise.all(bodies.map((body) => client.ask({ headers, pieces: [body.slice(0, 4), body.slice(4)] })));
  client.close();
  const expected = [...bodies, ...bodies.map((body) => body.replace("there", "back"))];
  await vi.waitFor(() => expect(mirrored.toSorted()).toEqual(expected.toSorted()), WAIT);
  await expectNoCallLeft();
});

test("events of a stream are mirrored while it runs", async () => {
  let write: (text: string) => void = () => {};
  upstream.respond = (_request, socket) => {
    write = (text) => socket.write(text);
    write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
  };
  const wire = await openWire(envoy.port);
  wire.write("GET /both HTTP/1.1\r\nhost: x\r\n\r\n");
  await vi.waitFor(() => expect(wire.reader.messages.length).toBe(1), WAIT);
  for (const i of [1, 2, 3]) {
    const event = `data: {"n":${i}}\n\n`;
    write(`${event.length.toString(16)}\r\n${event}\r\n`);
    await vi.waitFor(() => expect(mirrored).toEqual([1, 2, 3].slice(0, i).map((n) => `{"n":${n}}`)), WAIT);
  }
  write("0\r\n\r\n");
  await wire.response();
  wire.end();
  await expectNoCallLeft();
});

test("without the server traffic passes, unmirrored", async () => {
  await server.stop();
  upstream.respond = (_request, socket) => socket.write(`HTTP/1.1 200 OK\r\n${json}${framed(back, "length")}`);
  const answer = await exchange(
    envoy.port,
    "POST",
    `POST /both HTTP/1.1\r\nhost: x\r\n${json}${framed(there, "length")}`,
  );
  expect([statusOf(answer), bodyOf(answer).toString()]).toEqual([200, back]);
  server = await startTestServer(config); // for afterAll
});
