/**
 * Hand-written Envoy configurations, one per body mode and without a word of the routes: what each can do is done, what it
 * cannot is refused where a rule guards and passes where one only looks, and the log says which line to add.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { GUARDS } from "./guards.ts";
import { type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { chunked, exchange, openWire, startWireUpstream, WAIT, type WireUpstream } from "./wire.ts";

const card = "4111111111111111";
const section = { pipelines: ["refuse", "cover"], setHeaders: { "x-seen": "yes" }, removeHeaders: ["x-debug"] };
const config = {
  pipelines: [...GUARDS.pipelines, { name: "mirror", processes: [{ name: "tee" }] }],
  processDefinitions: [...GUARDS.processDefinitions, { tee: { name: "tee", outputConnectorRef: "seen" } }],
  externalSystems: [{ externalType: "ExternalPubSub", name: "seen", connectionString: "mem:seen" }],
  http: {
    version: 1,
    routes: [
      { name: "guard", match: { paths: ["/guard"] }, request: section, response: section },
      {
        name: "look",
        match: { paths: ["/look"] },
        request: { pipelines: ["mirror"] },
        response: { pipelines: ["mirror"] },
      },
      {
        name: "events",
        match: { paths: ["/events"] },
        request: { ...section, contentTypes: ["application/x-ndjson"] },
        response: { ...section, contentTypes: ["application/x-ndjson"] },
      },
    ],
  },
};

const MODES = ["NONE", "BUFFERED", "BUFFERED_PARTIAL", "STREAMED", "FULL_DUPLEX_STREAMED"] as const;
type Mode = (typeof MODES)[number];
const FRAMINGS = ["length", "chunks"] as const;
type Framing = (typeof FRAMINGS)[number];

function filter(mode: Mode) {
  const trailers = mode === "FULL_DUPLEX_STREAMED" ? "SEND" : "SKIP";
  return {
    processing_mode: {
      request_header_mode: "SEND",
      response_header_mode: "SEND",
      request_body_mode: mode,
      response_body_mode: mode,
      request_trailer_mode: trailers,
      response_trailer_mode: trailers,
    },
  };
}

let server: TestServer;
let upstream: WireUpstream;
let envoy: HandWritten;
let mirrored: string[];

beforeAll(async () => {
  server = await startTestServer(config);
  server.runtime.memory.subscribe("seen", (_id, bytes) => mirrored.push(Buffer.from(bytes).toString()));
  upstream = await startWireUpstream();
  const addresses = { extProc: server.address, upstream: upstream.address };
  envoy = await startHandWritten(Object.fromEntries(MODES.map((mode) => [mode, filter(mode)])), addresses);
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

function framed(body: string, framing: Framing): string {
  const half = body.length >> 1;
  if (framing === "length") return `content-length: ${body.length}\r\n\r\n${body}`;
  return `transfer-encoding: chunked\r\n\r\n${chunked([body.slice(0, half), body.slice(half)]).toString("latin1")}`;
}

const json = "content-type: application/json\r\n";

/** What came back, and what arrived. */
async function post(mode: Mode, path: string, body: string, framing: Framing, type = json) {
  upstream.respond = (_request, socket) => socket.write("HTTP/1.1 204 No Content\r\n\r\n");
  const head = `POST ${path} HTTP/1.1\r\nhost: x\r\nx-debug: 1\r\n${type}`;
  const answer = await exchange(envoy.ports[mode] as number, "POST", head + framed(body, framing));
  return { answer, seen: upstream.requests.find((request) => request.complete) };
}

async function get(mode: Mode, path: string, body: string, framing: Framing): Promise<Http1Message> {
  upstream.respond = (_request, socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nx-debug: 1\r\netag: "1"\r\n${json}${framed(body, framing)}`);
  const wire = await openWire(envoy.ports[mode] as number, ["GET"]);
  wire.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await vi.waitFor(() => expect(wire.closed || wire.reader.messages.at(-1)?.complete === true).toBe(true), WAIT);
  wire.end();
  return wire.reader.messages[0] as Http1Message;
}

function counted(name: string, label: string): number {
  const found = server.runtime.counters.snapshot().find((row) => row.name === name && row.label === label);
  return found?.value ?? 0;
}

describe.each(MODES)("%s", (mode) => {
  describe.each(FRAMINGS)("and a body by %s", (framing) => {
    // Behind trailers STREAMED has no place for a body, so only a length says which chunk is the last.
    const treats = mode !== "NONE" && !(mode === "STREAMED" && framing === "chunks");

    if (treats) {
      test("rewrites a request, its headers and its length", async () => {
        const { seen } = await post(mode, "/guard", `{"card":"${card}", "n":1.0}`, framing);
        expect(bodyOf(seen as Http1Message).toString()).toBe('{"card":"************1111", "n":1.0}');
        expect(headerOf(seen as Http1Message, "x-seen")).toEqual(["yes"]);
        expect(headerOf(seen as Http1Message, "x-debug")).toEqual([]);
      });

      test("lets a request pass as it is", async () => {
        const { seen } = await post(mode, "/guard", '{ "n": 1.0 }', framing);
        expect(bodyOf(seen as Http1Message).toString()).toBe('{ "n": 1.0 }');
        const keeps = mode === "BUFFERED" && framing === "length";
        expect(headerOf(seen as Http1Message, "content-length")).toEqual(keeps ? ["12"] : []);
      });

      test("refuses a request: nothing whole reaches the upstream", async () => {
        const { answer, seen } = await post(mode, "/guard", '{"secret":1}', framing);
        expect(statusOf(answer)).toBe(403);
        expect(seen).toBeUndefined();
        expect(upstream.requests.map((request) => bodyOf(request).toString()).join("")).toBe("");
      });

      test("rewrites a response, and takes off what described the old bytes", async () => {
        const response = await get(mode, "/guard", `{"card":"${card}", "n":1.0}`, framing);
        expect(bodyOf(response).toString()).toBe('{"card":"************1111", "n":1.0}');
        expect(headerOf(response, "etag")).toEqual([]);
        expect(headerOf(response, "x-seen")).toEqual(["yes"]);
      });

      test("lets a response pass as it is", async () => {
        expect(bodyOf(await get(mode, "/guard", '{ "n": 1.0 }', framing)).toString()).toBe('{ "n": 1.0 }');
      });

      test("refuses a response", async () => {
        const response = await get(mode, "/guard", '{"secret":1}', framing);
        expect(statusOf(response)).toBe(403);
        expect(bodyOf(response).toString()).toContain('"rule":"no-secrets"');
      });
    } else {
      test("refuses what a rule would have to hold, and says the line to add", async () => {
        const before = counted("missingModes", "guard|request");
        const { answer, seen } = await post(mode, "/guard", "{}", framing);
        expect(statusOf(answer)).toBe(500);
        expect(seen).toBeUndefined();
        expect(counted("missingModes", "guard|request")).toBe(before + 1);
        expect(statusOf(await get(mode, "/guard", "{}", framing))).toBe(502);
        const said = server.log.filter((line) => line.includes("route guard "));
        expect(said).toEqual([
          expect.stringContaining("request_body_mode: BUFFERED"),
          expect.stringContaining("response_body_mode: BUFFERED"),
        ]);
      });
    }

    test("passes what is only looked at, and mirrors it where it comes", async () => {
      const before = counted("missingModes", "look|request");
      const { seen } = await post(mode, "/look", '{ "n": 1.0 }', framing);
      expect(bodyOf(seen as Http1Message).toString()).toBe('{ "n": 1.0 }');
      expect(bodyOf(await get(mode, "/look", '{ "m": 1.0 }', framing)).toString()).toBe('{ "m": 1.0 }');
      if (mode === "NONE") {
        expect(counted("missingModes", "look|request")).toBe(before + 1);
        expect(server.log.filter((line) => line.includes("route look "))).toEqual([
          expect.stringContaining("request_body_mode: STREAMED"),
          expect.stringContaining("response_body_mode: STREAMED"),
        ]);
      } else {
        await vi.waitFor(() => expect(mirrored).toEqual(['{ "n": 1.0 }', '{ "m": 1.0 }']), WAIT);
      }
    });
  });

  test("traffic of no route passes untouched", async () => {
    const { seen } = await post(mode, "/free", `{"card":"${card}"}`, "chunks");
    expect(bodyOf(seen as Http1Message).toString()).toBe(`{"card":"${card}"}`);
    expect(headerOf(seen as Http1Message, "x-seen")).toEqual([]);
  });
});

test("a STREAMED response whose headers have gone is cut when it is refused, and counted", async () => {
  const before = counted("cutReplies", "guard");
  const wire = await openWire(envoy.ports.STREAMED as number);
  let sendRest = () => false;
  upstream.respond = (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 12\r\n${json}\r\n{"secr`);
    sendRest = () => socket.write('et":1}');
  };
  wire.write("GET /guard HTTP/1.1\r\nhost: x\r\n\r\n");
  await vi.waitFor(() => expect(wire.reader.messages.length).toBe(1), WAIT);
  sendRest();
  await vi.waitFor(() => expect(wire.closed).toBe(true), WAIT);
  const [response] = wire.reader.messages;
  expect(response).toMatchObject({ complete: false, chunks: [] });
  expect(counted("cutReplies", "guard")).toBe(before + 1);
});

test.each([
  ["/guard", 413],
  ["/look", 204],
] as const)("a body larger than BUFFERED_PARTIAL holds: %s answers %i", async (path, status) => {
  const large = `{"f":"${"x".repeat(3_000_000)}"}`;
  const { answer, seen } = await post("BUFFERED_PARTIAL", path, large, "chunks");
  expect(statusOf(answer)).toBe(status);
  if (path === "/guard") expect(seen).toBeUndefined();
  else expect(bodyOf(seen as Http1Message).toString() === large).toBe(true);
});

test("events that no mode but FULL_DUPLEX_STREAMED can treat without a length name it in the log", async () => {
  const type = "content-type: application/x-ndjson\r\n";
  expect(statusOf((await post("STREAMED", "/events", '{"n":1}\n', "chunks", type)).answer)).toBe(500);
  const said = server.log.filter((line) => line.includes("route events "));
  expect(said).toEqual([expect.stringContaining("request_body_mode: FULL_DUPLEX_STREAMED")]);
  expect(said[0]).toContain("request_trailer_mode: SEND");
});
