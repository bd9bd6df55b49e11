import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../core/event/json.ts";
import { type Bench, opened as open, outlivesRestarts, type Restartable, takesEvents } from "./contract.ts";
import { type HttpSettings, openHttp, parseHttp } from "./http.ts";
import { newMemory } from "./memory.ts";
import { sendEvent } from "./send.ts";
import type { OpenedSystem, SystemDeps } from "./system.ts";

type Received = { method: string; url: string; headers: IncomingMessage["headers"]; body: string };
/** A server on 127.0.0.1 that keeps what it got and answers as the test says. */
type Target = {
  server: Server;
  url: string;
  received: Received[];
  connections: number;
  answer: (response: ServerResponse, request: IncomingMessage) => void;
};

async function startTarget(): Promise<Target> {
  const server = createServer((request, response) => void take(target, request, response));
  const target: Target = { server, url: "", received: [], connections: 0, answer: (response) => response.end() };
  server.on("connection", () => {
    target.connections++;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  target.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`;
  return target;
}

async function take(target: Target, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { method = "", url = "", headers } = request;
  target.received.push({ method, url, headers, body: Buffer.concat(chunks).toString("utf8") });
  target.answer(response, request);
}

async function stopTarget(target: Target): Promise<void> {
  target.server.closeAllConnections();
  target.server.close();
  await once(target.server, "close");
}

function settingsFor(connectionString: string): HttpSettings {
  const parsed = parseHttp("ExternalHttp", connectionString);
  if ("error" in parsed) throw new Error(parsed.error);
  return parsed;
}

function withOptions(options: JsonObject): SystemDeps {
  return { name: "target", memory: newMemory(), options };
}

/** The one that was started last for a suite. */
let benchTarget: Target;

async function openBench(): Promise<Bench> {
  const target = await startTarget();
  benchTarget = target;
  const opened = await open(openHttp(settingsFor(target.url)));
  const idOf = (received: Received): string => String(received.headers["idempotency-key"]);
  return {
    opened,
    arrived: async (id) => target.received.find((received) => idOf(received) === id)?.body,
    ids: async () => target.received.map(idOf).sort(),
    async end() {
      await opened.close();
      await stopTarget(target);
    },
  };
}

/** Ends as a killed process does: with every connection. */
const restartable = (): Restartable => ({
  stop: () => stopTarget(benchTarget),
  async start() {
    benchTarget.server.listen(Number(new URL(benchTarget.url).port), "127.0.0.1");
    await once(benchTarget.server, "listening");
  },
});

takesEvents("an HTTP target", openBench);
outlivesRestarts("an HTTP target", restartable, openBench);

describe("an HTTP target", () => {
  let target: Target;
  let opened: OpenedSystem;
  beforeEach(async () => {
    target = await startTarget();
    opened = await open(openHttp(settingsFor(target.url)));
  });
  afterEach(async () => {
    await opened.close();
    await stopTarget(target);
  });

  test("gets a POST of JSON with the event's id", async () => {
    target.answer = (response) => response.end('{"ok":true}');
    expect(await sendEvent(opened.port, "id-1", '{"é":1}')).toEqual({ reply: '{"ok":true}' });
    expect(target.received).toMatchObject([
      {
        method: "POST",
        url: "/in",
        body: '{"é":1}',
        headers: { "content-type": "application/json", "content-length": "8", "idempotency-key": "id-1" },
      },
    ]);
  });

  test("may answer anything below 300: a mirror does not read it", async () => {
    target.answer = (response) => response.writeHead(202).end("thank you");
    expect(await sendEvent(opened.port, "a", "{}")).toEqual({ reply: "thank you" });
  });

  test.each([
    [300, false],
    [304, false],
    [400, false],
    [401, false],
    [404, false],
    [408, true],
    [413, false],
    [422, false],
    [425, true],
    [429, true],
    [500, true],
    [503, true],
  ])("that answers %i is an error, worth retrying: %s", async (status, retryable) => {
    target.answer = (response) => response.writeHead(status).end();
    expect(await sendEvent(opened.port, "a", "{}")).toEqual({
      code: `http${status}`,
      message: `error status ${status} posting to url '${target.url}'`,
      retryable,
      ...([400, 413, 422].includes(status) ? { divisible: true } : {}),
    });
  });

  test("cannot send the event elsewhere by a redirect", async () => {
    const other = await startTarget();
    target.answer = (response) => response.writeHead(307, { location: other.url }).end();
    expect(await sendEvent(opened.port, "a", "{}")).toMatchObject({ code: "http307", retryable: false });
    expect(other.received).toEqual([]);
    await stopTarget(other);
  });

  test("that never answers, or drips for ever, ends at the deadline", async () => {
    const hasty = await open(openHttp(settingsFor(target.url), withOptions({ timeoutMs: 50 })));
    const timeout = {
      code: "timeout",
      message: `no reply within 50 ms posting to url '${target.url}'`,
      retryable: true,
    };
    target.answer = () => undefined;
    expect(await sendEvent(hasty.port, "a", "{}")).toEqual(timeout);
    target.answer = (response) => response.writeHead(200).write("{");
    expect(await sendEvent(hasty.port, "a", "{}")).toEqual(timeout);
    await hasty.close();
  });

  test("whose reply has no end is cut off", async () => {
    target.answer = (response) => response.end(Buffer.alloc(2 * 1024 * 1024, 0x20));
    expect(await sendEvent(opened.port, "a", "{}")).toMatchObject({ code: "replyTooLong", retryable: false });
    target.answer = (response) => response.writeHead(503).end(Buffer.alloc(2 * 1024 * 1024, 0x20));
    expect(await sendEvent(opened.port, "a", "{}")).toMatchObject({ code: "http503", retryable: true });
  });

  test("that breaks off in the middle of its reply is worth retrying", async () => {
    target.answer = (response, request) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{", () => request.socket.destroy());
    };
    expect(await sendEvent(opened.port, "a", "{}")).toMatchObject({ code: "ECONNRESET", retryable: true });
  });

  test("is reached over one connection by one event after the other, over a bounded number by many", async () => {
    for (let i = 0; i < 5; i++) await sendEvent(opened.port, "a", "{}");
    expect(target.connections).toBe(1);
    await Promise.all(Array.from({ length: 100 }, () => sendEvent(opened.port, "a", "{}")));
    expect(target.connections).toBeLessThanOrEqual(16);
    expect(target.received).toHaveLength(105);
  });

  test("that drops a connection it kept open gets the event on a fresh one", async () => {
    await sendEvent(opened.port, "a", "{}");
    let dropped = 0;
    target.answer = (response, request) => {
      if (dropped++ === 0) request.socket.resetAndDestroy();
      else response.end("{}");
    };
    expect(await sendEvent(opened.port, "b", "{}")).toEqual({ reply: "{}" });
    expect(target.connections).toBe(2);
  });

  test("that drops a fresh connection gets the event once", async () => {
    target.answer = (_, request) => request.socket.resetAndDestroy();
    expect(await sendEvent(opened.port, "a", "{}")).toMatchObject({ code: "ECONNRESET", retryable: true });
    expect(target.received).toHaveLength(1);
  });

  test("that is down is an error worth retrying", async () => {
    const gone = await startTarget();
    await stopTarget(gone);
    const down = await open(openHttp(settingsFor(gone.url)));
    expect(await sendEvent(down.port, "a", "{}")).toEqual({
      code: "ECONNREFUSED",
      message: `ECONNREFUSED posting to url '${gone.url}'`,
      retryable: true,
    });
    await down.close();
  });

  test("that does not speak TLS where https is written is an error for good", async () => {
    const secure = await open(openHttp(settingsFor(target.url.replace("http:", "https:"))));
    expect(await sendEvent(secure.port, "a", "{}")).toMatchObject({ retryable: false });
    await secure.close();
  });

  test("gets user and password as a header, and no message or metadata shows them or the query", async () => {
    target.answer = (response) => response.writeHead(401).end();
    const settings = settingsFor(`${target.url.replace("//", "//ann:p%40ss@")}?key=hidden`);
    const guarded = await open(openHttp(settings));
    const sent = await sendEvent(guarded.port, "a", "{}");
    expect(target.received[0]?.headers.authorization).toBe(`Basic ${Buffer.from("ann:p@ss").toString("base64")}`);
    expect(target.received[0]?.url).toBe("/in?key=hidden");
    expect(sent).toMatchObject({ message: `error status 401 posting to url '${target.url}'` });
    expect(settings.connectionString).toBe(`${target.url.replace("//", "//***@")}?key=hidden`);
    await guarded.close();
  });

  test("closed in the middle of an exchange answers an error value", async () => {
    target.answer = () => void opened.close();
    expect(await sendEvent(opened.port, "a", "{}")).toMatchObject({ code: "ECONNRESET" });
  });
});

describe("the options of an HTTP target", () => {
  let target: Target;
  beforeEach(async () => {
    target = await startTarget();
  });
  afterEach(() => stopTarget(target));

  test("choose the method and headers, ours replaced but for those that follow from the message", async () => {
    const options = { method: "PUT", headers: { "X-Team": "ops", "Content-Type": "application/x-ours" } };
    const secretHeaders = { authorization: "Bearer s3cret" };
    const system = await open(openHttp(settingsFor(target.url), withOptions({ ...options, secretHeaders })));
    await sendEvent(system.port, "id-1", "{}");
    expect(target.received).toMatchObject([
      {
        method: "PUT",
        headers: { "x-team": "ops", "content-type": "application/x-ours", authorization: "Bearer s3cret" },
      },
    ]);
    await system.close();
  });

  test.each([
    [{ Host: "other" }, 'the header "host" follows from the message or the connection'],
    [{ "content-length": "0" }, 'the header "content-length" follows from the message or the connection'],
    [{ "a b": "x" }, 'the header "a b" is no valid header name'],
    [{ a: "x\r\nb: c" }, 'the header "a" would hold a line break or another control character'],
  ])("refuse %j", async (headers, message) => {
    const system = await openHttp(settingsFor(target.url), withOptions({ headers }));
    expect(system).toMatchObject({ code: "options", message });
  });

  test("say whom to trust over TLS", async () => {
    const fixture = (name: string) =>
      fileURLToPath(new URL(`../../test/e2e/transport/fixtures/${name}`, import.meta.url));
    const certificate = { cert: readFileSync(fixture("cert.pem")), key: readFileSync(fixture("key.pem")) };
    const secure = createSecureServer(certificate, (_, response) => void response.end("{}")).listen(0, "127.0.0.1");
    await once(secure, "listening");
    const settings = settingsFor(`https://localhost:${(secure.address() as AddressInfo).port}/`);
    const trusting = await open(openHttp(settings, withOptions({ tls: { caFile: fixture("cert.pem") } })));
    expect(await sendEvent(trusting.port, "a", "{}")).toEqual({ reply: "{}" });
    expect(await trusting.probe()).toEqual({ found: "connected with TLS, sent nothing" });
    const wary = await open(openHttp(settings));
    expect(await sendEvent(wary.port, "a", "{}")).toMatchObject({ retryable: false });
    await Promise.all([trusting.close(), wary.close()]);
    secure.closeAllConnections();
    secure.close();
  });

  test("a probe connects and sends nothing", async () => {
    const system = await open(openHttp(settingsFor(target.url)));
    expect(await system.probe()).toEqual({ found: "connected, sent nothing" });
    expect([target.connections, target.received]).toEqual([1, []]);
    await system.close();
  });

  test("a probe of a closed port says so", async () => {
    const gone = await startTarget();
    await stopTarget(gone);
    const system = await open(openHttp(settingsFor(gone.url)));
    expect(await system.probe()).toMatchObject({ code: "ECONNREFUSED", retryable: true });
    await system.close();
  });
});

/** [connection string, what is wrong] */
const REFUSED: readonly (readonly [string, string])[] = [
  ["", "the connection string is no URL"],
  ["example.com/in", "the connection string is no URL"],
  ["http://", "the connection string is no URL"],
  ["ftp://example.com", 'ExternalHttp knows no "ftp:"'],
  ["file:///etc/passwd", 'ExternalHttp knows no "file:"'],
  ["http://a%zz:b@example.com", "user or password in the URL have a broken % escape"],
];

describe("an HTTP connection string", () => {
  test.each(REFUSED)("%j is refused", (connectionString, error) => {
    expect(parseHttp("ExternalHttp", connectionString)).toMatchObject({ code: "E_CONNECTION", error });
  });

  test("stands in the metadata as it was written", () => {
    const written = "HTTP://Example.com:80/a?b=c";
    expect(settingsFor(written)).toMatchObject({ connectionString: written, outputType: "web" });
  });
});
