/** Events while they stream, on the generated configuration: the first is out before the last is in, wherever it is cut. */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { GUARDS } from "./guards.ts";
import { bodyOf, type Http1Message, headerOf, statusOf } from "./http1.ts";
import { type Http2Client, openHttp2 } from "./http2.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { openWire, startWireUpstream, WAIT, type WireUpstream } from "./wire.ts";

const contentTypes = ["application/x-ndjson", "text/event-stream"];
const section = { pipelines: ["refuse", "cover"], contentTypes };
const config = {
  ...GUARDS,
  http: {
    version: 1,
    routes: [{ name: "events", match: { paths: ["/events"] }, request: section, response: section }],
  },
};

const card = "4111111111111111";
const formats = [
  {
    type: "application/x-ndjson",
    events: [`{"n":1,"card":"${card}"}\n`, `{"n":2.0, "é":"😀"}\r\n`, `{"secret":1}\n`, `{"n":3,"card":"${card}"}`],
    expected: [
      `{"n":1,"card":"************1111"}\n`,
      `{"n":2.0, "é":"😀"}\r\n`,
      "",
      `{"n":3,"card":"************1111"}`,
    ],
  },
  {
    type: "text/event-stream",
    events: [
      `: hi\nid: 1\ndata: {"card":\ndata: "${card}"}\n\n`,
      `event: é😀\r\ndata: {"n": 2.0}\r\n\r\n`,
      `data: {"secret":1}\n\n`,
      "data: [DONE]\n\n",
    ],
    expected: [
      `: hi\nid: 1\ndata: {"card":"************1111"}\n\n`,
      `event: é😀\r\ndata: {"n": 2.0}\r\n\r\n`,
      "",
      "data: [DONE]\n\n",
    ],
  },
] as const;

let server: TestServer;
let upstream: WireUpstream;
let envoy: RunningEnvoy;
let client2: Http2Client;

beforeAll(async () => {
  server = await startTestServer(config);
  upstream = await startWireUpstream();
  const options = { listen: server.address, upstream: upstream.address, port: 0, adminPort: 0 };
  envoy = await startEnvoy(envoyBootstrap(server.plan.routes ?? [], options));
  client2 = openHttp2(envoy.port);
});
beforeEach(() => {
  upstream.requests.length = 0;
});
afterAll(async () => {
  client2.close();
  await envoy.stop();
  await server.stop();
  await upstream.stop();
});

const NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n";
const chunk = (text: string | Uint8Array) => {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
};
const textOf = (message: Http1Message | undefined) => (message === undefined ? "" : bodyOf(message).toString());

describe.each(formats)("$type", ({ type, events, expected }) => {
  const whole = Buffer.from(events.join(""));
  const wanted = expected.join("");
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n`;

  test("of a request: each event goes on while the next is not written yet", async () => {
    upstream.respond = (_request, socket) => socket.write(NO_CONTENT);
    const wire = await openWire(envoy.port, ["POST"]);
    wire.write(`POST /events HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`);
    let so = "";
    for (const [i, event] of events.entries()) {
      wire.write(chunk(event));
      so += expected[i];
      // An NDJSON line without its end is no event yet.
      if (event.endsWith("\n")) await vi.waitFor(() => expect(textOf(upstream.requests[0])).toBe(so), WAIT);
    }
    wire.write("0\r\n\r\n");
    expect(statusOf(await wire.response())).toBe(204);
    expect(textOf(upstream.requests[0])).toBe(wanted);
    wire.end();
  });

  test("of a response: each event goes on while the next is not written yet", async () => {
    let write: (bytes: string | Uint8Array) => void = () => {};
    upstream.respond = (_request, socket) => {
      write = (bytes) => socket.write(bytes);
      socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
    };
    const wire = await openWire(envoy.port);
    wire.write("GET /events HTTP/1.1\r\nhost: x\r\n\r\n");
    await vi.waitFor(() => expect(wire.reader.messages.length).toBe(1), WAIT); // headers before any event
    let so = "";
    for (const [i, event] of events.entries()) {
      write(chunk(event));
      so += expected[i];
      if (event.endsWith("\n")) await vi.waitFor(() => expect(textOf(wire.reader.messages[0])).toBe(so), WAIT);
    }
    write("0\r\n\r\n");
    expect(textOf(await wire.response())).toBe(wanted);
    wire.end();
  });

  test("a request cut in two at every byte is the same", async () => {
    upstream.respond = (_request, socket) => socket.write(NO_CONTENT);
    const headers = { ":path": "/events", "content-type": type };
    for (let cut = 0; cut <= whole.length; cut++) {
      await client2.ask({ headers, pieces: [whole.subarray(0, cut), whole.subarray(cut)] });
      expect([cut, textOf(upstream.requests[cut])]).toEqual([cut, wanted]);
    }
  });

  test("a response cut in two at every byte is the same", async () => {
    let cut = 0;
    upstream.respond = (_request, socket) => {
      socket.write(`${head}content-length: ${whole.length}\r\n\r\n`);
      socket.write(whole.subarray(0, cut));
      setImmediate(() => socket.write(whole.subarray(cut)));
    };
    const wire = await openWire(envoy.port);
    for (; cut <= whole.length; cut++) {
      wire.write("GET /events HTTP/1.1\r\nhost: x\r\n\r\n");
      const response = await wire.response();
      expect([cut, textOf(response)]).toEqual([cut, wanted]);
      expect(headerOf(response, "content-length")).toEqual([]);
    }
    wire.end();
  });

  test("one byte at a time, there and back, is the same", async () => {
    upstream.respond = (request, socket) => {
      socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
      for (const byte of bodyOf(request)) socket.write(chunk([byte] as unknown as Uint8Array));
      socket.write("0\r\n\r\n");
    };
    const wire = await openWire(envoy.port, ["POST"]);
    wire.write(`POST /events HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`);
    for (const byte of whole) {
      wire.write(chunk([byte] as unknown as Uint8Array));
      await new Promise((resolve) => setImmediate(resolve));
    }
    wire.write("0\r\n\r\n");
    expect(textOf(await wire.response())).toBe(wanted);
    expect(textOf(upstream.requests[0])).toBe(wanted);
    wire.end();
  });
});

describe("an event that is none", () => {
  const good = `{"n":1}\n`;

  test("answers a request whose first events have gone on, which is cut for the upstream", async () => {
    const wire = await openWire(envoy.port, ["POST"]);
    wire.write(
      "POST /events HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    wire.write(chunk(good));
    await vi.waitFor(() => expect(textOf(upstream.requests[0])).toBe(good), WAIT);
    wire.write(chunk(`{"card":"${card}\n`));
    expect(statusOf(await wire.response())).toBe(400);
    expect(upstream.requests[0]).toMatchObject({ complete: false });
    expect(textOf(upstream.requests[0])).toBe(good);
    wire.end();
  });

  test("cuts a response whose headers have gone, and is counted", async () => {
    const cuts = () => server.runtime.counters.snapshot().find((row) => row.name === "cutReplies")?.value ?? 0;
    const before = cuts();
    let write: (bytes: Uint8Array) => void = () => {};
    upstream.respond = (_request, socket) => {
      write = (bytes) => socket.write(bytes);
      socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n");
      write(chunk(good));
    };
    const wire = await openWire(envoy.port);
    wire.write("GET /events HTTP/1.1\r\nhost: x\r\n\r\n");
    await vi.waitFor(() => expect(textOf(wire.reader.messages[0])).toBe(good), WAIT);
    write(chunk(`{"card":"${card}\n`));
    await vi.waitFor(() => expect(wire.closed).toBe(true), WAIT);
    expect(wire.reader.messages[0]?.complete).toBe(false);
    expect(textOf(wire.reader.messages[0])).toBe(good);
    expect(cuts()).toBe(before + 1);
  });
});

test("a stream a client leaves ends for the upstream too, and the server forgets it", async () => {
  let closed = false;
  upstream.respond = (_request, socket) => {
    socket.on("close", () => {
      closed = true;
    });
    socket.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n");
  };
  const wire = await openWire(envoy.port);
  wire.write("GET /events HTTP/1.1\r\nhost: x\r\n\r\n");
  await vi.waitFor(() => expect(textOf(wire.reader.messages[0])).toBe("data: {}\n\n"), WAIT);
  wire.end();
  await vi.waitFor(() => expect(closed).toBe(true), WAIT);
  await vi.waitFor(async () => {
    const stats = await fetch(`http://${envoy.admin}/stats?filter=agglo_ext_proc.upstream_rq_active`);
    expect(await stats.text()).toContain("upstream_rq_active: 0");
  }, WAIT);
});
