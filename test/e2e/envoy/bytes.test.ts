/** What nobody changes arrives to the byte, whatever its size, framing, protocol and pace, in every mode, there and back. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { transportUnderTest } from "../../../tools/start/stack.ts";
import { type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import { type Http2Client, type Http2Upstream, openHttp2, respondWith, startHttp2Upstream } from "./http2.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { chunked, openWire, startWireUpstream, WAIT, type Wire, type WireUpstream } from "./wire.ts";

const MIB = 1_048_576;
// Whatever cannot be treated passes, and large bodies are treated however long it takes.
const limits = { bodyBytes: 32 * MIB, decodedBytes: 32 * MIB, deadlineMs: 0 };
const section = { pipelines: ["cover"], onFault: "pass", limits };
const events = { ...section, contentTypes: ["application/json", "application/x-ndjson"] };
const config = {
  pipelines: [
    { name: "cover", processes: [{ name: "cover-cards" }] },
    { name: "mirror", processes: [{ name: "tee" }] },
  ],
  processDefinitions: [
    { redactor: { name: "cover-cards", rules: [{ paths: ["card"], mask: { keepLast: 4 } }] } },
    { tee: { name: "tee", outputConnectorRef: "seen" } },
  ],
  externalSystems: [{ externalType: "ExternalPubSub", name: "seen", connectionString: "mem:seen" }],
  http: {
    version: 1,
    routes: [
      { name: "guard", match: { paths: ["/guard/**"] }, request: section, response: section },
      { name: "events", match: { paths: ["/events/**"] }, request: events, response: events },
      {
        name: "look",
        match: { paths: ["/look/**"] },
        request: { pipelines: ["mirror"], limits },
        response: { pipelines: ["mirror"], limits },
      },
    ],
  },
};

const MODES = ["NONE", "BUFFERED", "BUFFERED_PARTIAL", "STREAMED", "FULL_DUPLEX_STREAMED"] as const;
/** Listener and path: hand-written modes, and the routes of the generated configuration. */
const WAYS: [string, string][] = [
  ...MODES.map((mode): [string, string] => [mode, "/guard/x"]),
  ["generated", "/guard/x"],
  ["generated", "/events/x"],
  ["generated", "/look/x"],
];

let server: TestServer;
let upstream: WireUpstream;
let upstream2: Http2Upstream;
let envoy: HandWritten;
let generated: RunningEnvoy;
const wires = new Map<string, Wire>();
const clients = new Map<string, Http2Client>();

beforeAll(async () => {
  server = await startTestServer(config);
  upstream = await startWireUpstream();
  upstream2 = await startHttp2Upstream();
  const filter = (body: string) => {
    const trailers = body === "FULL_DUPLEX_STREAMED" ? "SEND" : "SKIP";
    const headers = { request_header_mode: "SEND", response_header_mode: "SEND" };
    const bodies = { request_body_mode: body, response_body_mode: body };
    return {
      message_timeout: "20s",
      processing_mode: { ...headers, ...bodies, request_trailer_mode: trailers, response_trailer_mode: trailers },
    };
  };
  envoy = await startHandWritten(Object.fromEntries(MODES.map((mode) => [mode, filter(mode)])), {
    extProc: server.address,
    upstream: upstream.address,
    upstream2: upstream2.address,
    bufferBytes: 32 * MIB,
  });
  const options = { listen: server.address, upstream: upstream.address, port: 0, adminPort: 0 };
  generated = await startEnvoy(envoyBootstrap(server.plan.routes ?? [], options));
  for (const [name, port] of [...Object.entries(envoy.ports), ["generated", generated.port] as const]) {
    wires.set(name, await openWire(port, Array(1000).fill("POST")));
    clients.set(name, openHttp2(port));
  }
});
beforeEach(() => {
  upstream.requests.length = 0;
  upstream2.requests.length = 0;
});
afterAll(async () => {
  for (const wire of wires.values()) wire.end();
  for (const client of clients.values()) client.close();
  await envoy.stop();
  await generated.stop();
  await server.stop();
  await upstream.stop();
  await upstream2.stop();
});

/** A body of so many bytes: JSON where there is room for it, any bytes for a type that no rule covers. */
function bodyFor(type: string, bytes: number): Buffer {
  if (type !== "application/json" || bytes < 10) return randomBytes(bytes);
  return Buffer.from(`{ "f": "${"x".repeat(bytes - 10)}"`.concat("}"));
}

/** Both directions of one exchange over HTTP/1.1. */
async function overHttp1(way: [string, string], type: string, body: Buffer, framing: string, bytewise = false) {
  const [listener, path] = way;
  const pieces = bytewise ? Array.from(body, (byte) => Buffer.from([byte])) : [body];
  const framed =
    framing === "length"
      ? [`content-length: ${body.length}\r\n\r\n`, ...pieces]
      : [
          "transfer-encoding: chunked\r\n\r\n",
          ...(bytewise ? pieces.map(chunkOf) : []),
          bytewise ? "0\r\n\r\n" : chunked(pieces),
        ];
  upstream.respond = async (_request, socket) => {
    for (const bytes of [`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n`, ...framed]) {
      socket.write(bytes);
      if (bytewise) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const wire = wires.get(listener) as Wire;
  for (const bytes of [`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\n`, ...framed]) {
    wire.write(bytes);
    if (bytewise) await new Promise((resolve) => setImmediate(resolve));
  }
  const response = await wire.response();
  expect(statusOf(response)).toBe(200);
  const request = upstream.requests.at(-1) as Http1Message;
  expect(bodyOf(request).equals(body)).toBe(true);
  expect(bodyOf(response).equals(body)).toBe(true);
  for (const message of [request, response]) {
    const length = headerOf(message, "content-length");
    if (length.length > 0) expect(length).toEqual([String(body.length)]);
  }
}

function chunkOf(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

/** The same over HTTP/2, to an upstream that speaks it too where there is one. */
async function overHttp2(way: [string, string], type: string, body: Buffer, framing: string, bytewise = false) {
  const [listener, path] = way;
  const length = framing === "length" ? { "content-length": String(body.length) } : {};
  const pieces = bytewise ? Array.from(body, (byte) => Buffer.from([byte])) : [body];
  upstream2.respond = (_request, stream) => respondWith(stream, { "content-type": type, ...length }, pieces);
  upstream.respond = (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
  };
  const headers = { ":path": path, "content-type": type, "x-upstream": "h2", ...length };
  const response = await (clients.get(listener) as Http2Client).ask({ headers, pieces });
  expect([response.headers[":status"], response.complete]).toEqual([200, true]);
  const there =
    listener === "generated" ? bodyOf(upstream.requests.at(-1) as Http1Message) : upstream2.requests.at(-1)?.body;
  expect(there?.equals(body)).toBe(true);
  expect(response.body.equals(body)).toBe(true);
}

const SIZES = [0, 1, 65_535, 65_536, 65_537, MIB];
const TYPES = ["application/json", "application/octet-stream"];

describe.each(WAYS)("%s %s", (...way) => {
  test.each(TYPES)("%s, by length and in chunks, HTTP/1.1", async (type) => {
    for (const bytes of SIZES) {
      for (const framing of ["length", "chunks"]) await overHttp1(way, type, bodyFor(type, bytes), framing);
    }
  });

  test.each(TYPES)("%s, with a length and without, HTTP/2", async (type) => {
    for (const bytes of SIZES) {
      for (const framing of ["length", "none"]) await overHttp2(way, type, bodyFor(type, bytes), framing);
    }
  });

  test("one byte at a time", async () => {
    for (const type of TYPES) {
      for (const framing of ["length", "chunks"]) {
        await overHttp1(way, type, bodyFor(type, 300), framing, true);
        await overHttp2(way, type, bodyFor(type, 300), framing, true);
      }
    }
  });

  // The transports differ below messages: on the second one, only the largest message is of interest.
  const mib = transportUnderTest() === "native" || way[0] === "BUFFERED" ? 20 : 2;
  test(`${mib} MiB, and each is read where the mode allows it`, async () => {
    const body = bodyFor("application/json", mib * MIB);
    server.verdicts.length = 0;
    await overHttp1(way, "application/json", body, "length");
    await vi.waitFor(() => expect(server.verdicts.length).toBe(2), WAIT); // who only looks may come later
    const kind = way[0] === "NONE" ? "faulted" : "passed";
    expect(server.verdicts.map(({ verdict }) => verdict.kind)).toEqual([kind, kind]);
    await overHttp2(way, "application/octet-stream", body, "none");
  }, 60_000);
});
