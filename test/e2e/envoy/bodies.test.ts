import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Respond } from "../../../tools/start/upstream.ts";
import { startTestStack, type TestStack } from "./stack.ts";

const card = "4111111111111111";
const config = {
  pipelines: [
    { name: "cover", processes: [{ name: "cover-cards" }] },
    { name: "refuse", processes: [{ name: "no-secrets" }] },
    { name: "risk", processes: [{ name: "note-risk" }] },
    { name: "context", processes: [{ name: "from-test" }] },
  ],
  processDefinitions: [
    { redactor: { name: "cover-cards", rules: [{ paths: ["**.card"], mask: { keepLast: 4 } }] } },
    {
      filter: {
        name: "no-secrets",
        condition: { exists: { ops: [{ key: "secret" }] } },
        reject: { status: 451, body: "no", headers: { "x-why": "secret" } },
      },
    },
    {
      transformer: {
        name: "note-risk",
        forwardInputFields: true,
        specs: [
          {
            sourceField: "risk",
            targetField: "internal:risk",
            transformation: { transformationType: "TransformCopy" },
          },
          {
            sourceField: "internal:http.path",
            targetField: "seen",
            transformation: { transformationType: "TransformCopy" },
          },
        ],
      },
    },
    {
      filter: {
        name: "from-test",
        condition: {
          expression: {
            comparator: {
              lhs: { variable: { name: "internal:http.request.headers.x-env" } },
              rhs: { literal: "prod" },
              op: "Equal",
            },
          },
        },
      },
    },
  ],
  http: {
    version: 1,
    routes: [
      {
        name: "request",
        match: { paths: ["/request/**"] },
        request: {
          pipelines: ["risk", "cover"],
          setHeaders: { "x-risk": "{internal:risk}", "x-agglo": "seen" },
          removeHeaders: ["x-debug"],
        },
      },
      {
        name: "response",
        match: { paths: ["/response/**"] },
        response: { status: ["2xx"], pipelines: ["cover", "refuse"] },
      },
      { name: "context", match: { paths: ["/context/**"] }, response: { pipelines: ["context"] } },
    ],
  },
};

/** The upstream answers what the test has put here. */
let respond: Respond = () => {};
let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack(config, (seen, response) => respond(seen, response));
}, 60_000);
afterAll(() => stack.stop());

const ok: Respond = (_seen, response) => response.end("ok");

describe("requests", () => {
  async function send(body: string, headers: { [name: string]: string } = {}, chunked = false) {
    respond = ok;
    const before = stack.upstream.reached.length;
    const path = "/request/x?q=1";
    const sent = { "content-type": "application/json", ...headers };
    const answer = await stack.client.ask({ path, body, headers: sent, chunked });
    return { answer, seen: stack.upstream.reached[before], raw: stack.upstream.raw[before] };
  }

  test("a rewritten body has its own length, and the headers that the route writes", async () => {
    const { seen } = await send(`{"card":"${card}","risk":"high"}`, { "x-debug": "1" });
    expect(seen?.body).toBe('{"card":"************1111","risk":"high","seen":"/request/x"}');
    expect(seen?.headers["content-length"]).toBe(String(seen?.body.length));
    expect(seen?.headers["x-risk"]).toBe("high");
    expect(seen?.headers["x-agglo"]).toBe("seen");
    expect(seen?.headers["x-debug"]).toBeUndefined();
  });

  test("a header value that no header can hold refuses the message", async () => {
    const { answer, seen } = await send('{"risk":"a\\r\\nx-admin: 1"}');
    expect(answer.status).toBe(500);
    expect(seen).toBeUndefined();
  });

  test("other letters than ASCII leave in headers as UTF-8", async () => {
    const { seen } = await send('{"risk":"hö\u{1f600}"}');
    expect(Buffer.from(seen?.headers["x-risk"] as string, "latin1").toString("utf8")).toBe("hö\u{1f600}");
  });

  test("a chunked body stays without a length", async () => {
    const { seen } = await send(`{"card":"${card}"}`, {}, true);
    expect(seen?.body).toBe('{"card":"************1111","seen":"/request/x"}');
    expect(seen?.headers["content-length"]).toBeUndefined();
  });

  test("a request without a body only gets its headers", async () => {
    respond = ok;
    const before = stack.upstream.reached.length;
    const answer = await stack.client.ask({ method: "GET", path: "/request/x", headers: {} });
    expect(answer.status).toBe(200);
    expect(stack.upstream.reached[before]?.headers["x-agglo"]).toBe("seen");
  });

  test.each([65_535, 65_536, 1_000_000, 1_048_576])("a body of %i bytes arrives whole", async (size) => {
    const text = `{"f":"${"x".repeat(size - 8)}"}`;
    expect(text.length).toBe(size);
    const { answer, seen } = await send(text);
    expect(answer.status).toBe(200);
    expect(seen?.body === `${text.slice(0, -1)},"seen":"/request/x"}`).toBe(true);
  });

  test("a body over the route's limit is answered by the route, with and without a length", async () => {
    const body = `{"f":"${"x".repeat(1_048_576)}"}`;
    for (const chunked of [false, true]) {
      const { answer, seen } = await send(body, {}, chunked);
      expect(answer.status).toBe(413);
      expect(JSON.parse(answer.body.toString())).toMatchObject({ rule: "tooLarge" });
      expect(seen).toBeUndefined();
    }
  });

  test("a body with trailers is treated like any other", async () => {
    respond = ok;
    const before = stack.upstream.reached.length;
    const body = `{"card":"${card}"}`;
    const answer = await rawRequest(
      stack.envoy.port,
      `POST /request/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\nconnection: close\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\nx-t: 1\r\n\r\n`,
    );
    expect(answer).toContain("200 OK");
    expect(stack.upstream.reached[before]?.body).toContain("************1111");
  });
});

describe("responses", () => {
  async function get(answer: Respond, headers: { [name: string]: string } = {}, method = "GET", path = "/response/x") {
    respond = answer;
    const before = stack.upstream.reached.length;
    const result = await stack.client.ask({ method, path, headers });
    return { ...result, text: result.body.toString(), seen: stack.upstream.reached[before] };
  }
  const json =
    (body: string, headers: { [name: string]: string } = {}, status = 200): Respond =>
    (_seen, response) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(body);
    };

  test("a rewritten response has its own length and no longer what described the old bytes", async () => {
    const body = `{"card":"${card}","n":1.50}`;
    const length = String(body.length);
    const { text, headers } = await get(
      json(body, { etag: '"1"', "last-modified": "x", "accept-ranges": "bytes", "content-length": length }),
    );
    expect(text).toBe('{"card":"************1111","n":1.50}');
    expect(headers["content-length"]).toBe(String(text.length));
    expect(headers.etag).toBeUndefined();
    expect(headers["last-modified"]).toBeUndefined();
    expect(headers["accept-ranges"]).toBeUndefined();
  });

  test("an untouched response keeps its bytes and validators", async () => {
    const { text, headers } = await get(json('{ "n": 1.0 }', { etag: '"1"' }));
    expect(text).toBe('{ "n": 1.0 }');
    expect(headers.etag).toBe('"1"');
  });

  test("the upstream is asked for whole, uncoded bodies", async () => {
    const { seen } = await get(json("{}"), { "accept-encoding": "gzip", range: "bytes=0-3", "if-range": '"1"' });
    expect(seen?.headers["accept-encoding"]).toBeUndefined();
    expect(seen?.headers.range).toBeUndefined();
    expect(seen?.headers["if-range"]).toBeUndefined();
  });

  const refused: [string, Respond][] = [
    ["a part of a body", json(`{"card":"${card}"}`, { "content-range": "bytes 0-9/10" }, 206)],
    [
      "a body compressed twice",
      (_seen, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip, gzip" });
        response.end(gzipSync(gzipSync(`{"card":"${card}"}`)));
      },
    ],
    ["broken JSON", json(`{"card":"${card}"`)],
    ["duplicate keys", json(`{"card":1,"card":"${card}"}`)],
  ];
  test.each(refused)("%s is not let through unread", async (_title, answer) => {
    const { status, text } = await get(answer);
    expect(status).toBe(502);
    expect(text).not.toContain(card);
  });

  test("a response refused by its content has the rule's status, body and headers", async () => {
    const { status, text, headers } = await get(json('{"secret":1}'));
    expect({ status, text, why: headers["x-why"] }).toEqual({ status: 451, text: "no", why: "secret" });
  });

  test("statuses and content types that the section does not name pass", async () => {
    expect((await get(json(`{"card":"${card}"}`, {}, 404))).text).toContain(card);
    expect(
      (
        await get((_seen, response) => {
          response.writeHead(200, { "content-type": "text/html" });
          response.end("<p>");
        })
      ).text,
    ).toBe("<p>");
  });

  test.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ] as const)("%s with %i has no body to treat", async (method, status) => {
    const { status: got, text } = await get(
      (_seen, response) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end();
      },
      {},
      method,
    );
    expect(got).toBe(status);
    expect(text).toBe("");
  });

  test("a rule may read the request's part of the context", async () => {
    expect((await get(json("{}"), { "x-env": "test" }, "GET", "/context/x")).status).toBe(200);
    expect((await get(json("{}"), { "x-env": "prod" }, "GET", "/context/x")).status).toBe(403);
  });

  test("the verdict is in Envoy's access log, with what ext_proc cost", async () => {
    await get(json('{"secret":1}'));
    const lines = await logLines('"details":"agglo_refused{no-secrets}"');
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.at(-1)).toContain('"verdict":"refused"');
  });
});

/** Envoy's access log is written in batches: read until it holds the text. */
async function logLines(text: string): Promise<string[]> {
  for (;;) {
    const lines = (await stack.envoy.output()).split("\n").filter((line) => line.includes(text));
    if (lines.length > 0) return lines;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function rawRequest(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
  });
}
