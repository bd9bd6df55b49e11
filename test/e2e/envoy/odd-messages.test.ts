/** Messages that are not a head with a body behind it: none, half, informational, replies of Envoy's own, tunnels. */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { GUARDS } from "./guards.ts";
import { type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import { type Http2Upstream, openHttp2, respondWith, startHttp2Upstream } from "./http2.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { exchange, openWire, startWireUpstream, WAIT, type WireUpstream } from "./wire.ts";

const card = "4111111111111111";
const section = { pipelines: ["refuse", "cover"], setHeaders: { "x-seen": "yes" } };
const config = {
  ...GUARDS,
  http: {
    version: 1,
    routes: [{ name: "guard", match: { paths: ["/guard/**", "/direct/**"] }, request: section, response: section }],
  },
};

const MODES = ["BUFFERED", "BUFFERED_PARTIAL", "STREAMED", "FULL_DUPLEX_STREAMED"] as const;
const LISTENERS = [...MODES, "generated"] as const;
type Listener = (typeof LISTENERS)[number];

function filter(body: string, headers = "SEND") {
  const trailers = body === "FULL_DUPLEX_STREAMED" ? "SEND" : "SKIP";
  return {
    allow_mode_override: true,
    processing_mode: {
      request_header_mode: headers,
      response_header_mode: "SEND",
      request_body_mode: headers === "SKIP" ? "NONE" : body,
      response_body_mode: body,
      request_trailer_mode: trailers,
      response_trailer_mode: trailers,
    },
  };
}

let server: TestServer;
let upstream: WireUpstream;
let upstream2: Http2Upstream;
let envoy: HandWritten;
let generated: RunningEnvoy;

beforeAll(async () => {
  server = await startTestServer(config);
  upstream = await startWireUpstream();
  upstream2 = await startHttp2Upstream();
  const filters = Object.fromEntries(MODES.map((mode) => [mode, filter(mode)]));
  envoy = await startHandWritten(
    { ...filters, "no request headers": filter("BUFFERED", "SKIP") },
    { extProc: server.address, upstream: upstream.address, upstream2: upstream2.address },
  );
  const options = { listen: server.address, upstream: upstream.address, port: 0, adminPort: 0 };
  generated = await startEnvoy(envoyBootstrap(server.plan.routes ?? [], options));
});
beforeEach(() => {
  upstream.requests.length = 0;
  upstream.progress = () => {};
  server.verdicts.length = 0;
});
afterAll(async () => {
  await envoy.stop();
  await generated.stop();
  await server.stop();
  await upstream.stop();
  await upstream2.stop();
});

const portOf = (listener: Listener) => (listener === "generated" ? generated.port : (envoy.ports[listener] as number));
const answering = (text: string) => {
  upstream.respond = (_request, socket) => socket.write(text);
};
const send = (listener: Listener, method: string, more = "", path = "/guard/x") =>
  exchange(portOf(listener), method, `${method} ${path} HTTP/1.1\r\nhost: x\r\n${more || "\r\n"}`);

describe.each(LISTENERS)("%s", (listener) => {
  test("a GET has no body to treat, and gets its headers", async () => {
    answering("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
    const answer = await send(listener, "GET");
    expect(bodyOf(answer).toString()).toBe("{}");
    expect(headerOf(upstream.requests[0] as Http1Message, "x-seen")).toEqual(["yes"]);
  });

  test.each([
    ["GET", "204 No Content", ""],
    ["GET", "304 Not Modified", 'etag: "1"\r\n'],
    ["GET", "304 Not Modified", 'content-length: 24\r\netag: "1"\r\n'],
    ["HEAD", "200 OK", 'content-length: 24\r\netag: "1"\r\n'],
    ["HEAD", "200 OK", "transfer-encoding: chunked\r\n"],
    ["POST", "200 OK", "content-length: 0\r\n"],
    ["POST", "205 Reset Content", "content-length: 0\r\n"],
  ])("a response to %s with %s has no body to treat: %j", async (method, status, headers) => {
    answering(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}\r\n`);
    const answer = await send(listener, method, method === "POST" ? "content-length: 0\r\n\r\n" : "");
    expect(answer.line).toContain(status.slice(0, 3));
    expect(headerOf(answer, "x-seen")).toEqual(["yes"]);
    expect(bodyOf(answer).length).toBe(0);
    // A HEAD tells nothing of a body that a GET would have rewritten.
    if (method === "HEAD") expect([headerOf(answer, "content-length"), headerOf(answer, "etag")]).toEqual([[], []]);
    if (status.startsWith("304")) expect(headerOf(answer, "etag")).toEqual(['"1"']);
  });

  test("a part of a body is not let through where a rule guards, and is not asked for", async () => {
    answering(
      'HTTP/1.1 206 Partial Content\r\ncontent-type: application/json\r\ncontent-range: bytes 0-1/9\r\ncontent-length: 2\r\n\r\n{"',
    );
    const answer = await send(listener, "GET", "range: bytes=0-1\r\nif-range: x\r\naccept-encoding: gzip\r\n\r\n");
    expect(statusOf(answer)).toBe(502);
    for (const name of ["range", "if-range", "accept-encoding"]) {
      expect(headerOf(upstream.requests[0] as Http1Message, name)).toEqual([]);
    }
  });

  test("a response that was rewritten has lost its validators, one that was not keeps them", async () => {
    const etagOf = async (body: string) => {
      const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: "1"\r\ncontent-length: ${body.length}`;
      answering(`${head}\r\n\r\n${body}`);
      return headerOf(await send(listener, "GET"), "etag");
    };
    expect(await etagOf(`{"card":"${card}"}`)).toEqual([]);
    // In these two the headers go before the verdict, with what is true of either.
    const goesEarly = listener === "STREAMED" || listener === "BUFFERED_PARTIAL";
    expect(await etagOf('{"n": 1.0}')).toEqual(goesEarly ? [] : ['"1"']);
  });

  test("Early Hints go before the response, which is treated", async () => {
    const body = `{"card":"${card}"}`;
    answering(
      `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    expect(bodyOf(await send(listener, "GET")).toString()).toBe('{"card":"************1111"}');
  });

  test.each(["Envoy", "the upstream"])(
    "Expect: 100-continue, answered by %s, is a body like any other",
    async (who) => {
      const body = `{"card":"${card}"}`;
      if (who === "the upstream") {
        const seen = new Set<Http1Message>();
        upstream.progress = (request, socket) => {
          if (!seen.has(request) && headerOf(request, "expect").length > 0)
            socket.write("HTTP/1.1 100 Continue\r\n\r\n");
          seen.add(request);
        };
      }
      answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      const wire = await openWire(portOf(listener), ["POST"]);
      wire.write(
        `POST /guard/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
      );
      expect(statusOf(await wire.response())).toBe(100);
      wire.write(body);
      await wire.response();
      wire.end();
      expect(bodyOf(upstream.requests[0] as Http1Message).toString()).toBe('{"card":"************1111"}');
    },
  );

  test("a refused body that is still expected is answered before it comes", async () => {
    const wire = await openWire(portOf(listener), ["POST"]);
    wire.write(
      "POST /guard/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\n",
    );
    let answer = await wire.response();
    if (statusOf(answer) === 100) answer = await wire.response();
    expect(statusOf(answer)).toBe(415);
    wire.end();
    expect(upstream.requests.filter((request) => request.complete)).toEqual([]);
  });
});

describe("replies of Envoy's own", () => {
  test.each(MODES)("are no message of an upstream, and reach the client: %s", async (listener) => {
    const answer = await send(listener, "GET", "", "/direct/x");
    expect([statusOf(answer), bodyOf(answer).toString()]).toEqual([418, "teapot"]);
  });

  test("arrive without a request, too", async () => {
    const port = envoy.ports["no request headers"] as number;
    const answer = await exchange(port, "GET", "GET /direct/x HTTP/1.1\r\nhost: x\r\n\r\n");
    expect([statusOf(answer), bodyOf(answer).toString()]).toEqual([418, "teapot"]);
    expect(server.verdicts).toEqual([]);
    expect(server.log).toContainEqual(expect.stringContaining("a response came without its request"));
  });

  test("for an upstream that is not there", async () => {
    upstream.respond = (_request, socket) => socket.destroy();
    expect(statusOf(await send("BUFFERED", "GET"))).toBe(503);
    expect(statusOf(await send("FULL_DUPLEX_STREAMED", "GET"))).toBe(503);
  });
});

describe("tunnels are never touched", () => {
  const frames = Buffer.from([0x81, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f]);

  // On a bound route of the generated configuration Envoy refuses upgrades itself.
  test.each([...MODES, "generated, unbound"] as const)("WebSocket: %s", async (listener) => {
    const isGenerated = listener === "generated, unbound";
    const port = isGenerated ? generated.port : portOf(listener);
    const echoed: Buffer[] = [];
    upstream.respond = (_request, socket) => {
      socket.removeAllListeners("data");
      socket.on("data", (bytes: Buffer) => {
        echoed.push(bytes);
        socket.write(bytes);
      });
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    };
    const wire = await openWire(port);
    const path = isGenerated ? "/chat" : "/guard/chat";
    wire.write(
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n`,
    );
    expect(statusOf(await wire.response())).toBe(101);
    wire.write(frames);
    await vi.waitFor(() => expect(Buffer.concat(echoed)).toEqual(frames), WAIT);
    await vi.waitFor(() => expect(wire.reader.garbage).not.toBe(""), WAIT); // frames are no HTTP
    expect(wire.reader.garbage).toBe(frames.toString("latin1"));
    wire.end();
  });

  test.each(MODES)("CONNECT, whose bytes are nobody's JSON: %s", async (listener) => {
    const client = openHttp2(portOf(listener));
    const stream = client.session.request({ ":method": "CONNECT", ":authority": "x:443" }, { endStream: false });
    stream.on("error", () => {}); // the reset at its end
    const bytes = '{"secret":1}\r\n\r\n';
    const before = upstream.garbage().length;
    stream.write(bytes);
    await vi.waitFor(() => expect(upstream.garbage().slice(before)).toEqual(['{"secret":1}']), WAIT);
    client.session.destroy();
  });
});

test("an HTTP/2 response without a body but with trailers is complete", async () => {
  upstream2.respond = (_request, stream) =>
    respondWith(stream, { "content-type": "application/json" }, [], { "x-end": "yes" });
  const statuses: unknown[] = [];
  for (const mode of MODES) {
    const client = openHttp2(portOf(mode));
    const answer = await client.ask({ headers: { ":method": "GET", ":path": "/guard/x", "x-upstream": "h2" } });
    client.close();
    statuses.push(answer.headers[":status"]);
  }
  expect(statuses).toEqual([200, 200, 502, 200]); // STREAMED without a length cannot tell the end
});
