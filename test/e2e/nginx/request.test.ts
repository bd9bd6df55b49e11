/** Requests through a real nginx: refused, rewritten, or passed to the byte. */
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NginxStack, startNginxStack, targetsHere } from "./stack.ts";

const card = "4111111111111111";
const limits = { bodyBytes: 1_000_000, depth: 31 };
const config = {
  pipelines: [
    { name: "guard", processes: [{ name: "has-items" }, { name: "cover" }, { name: "text" }] },
    { name: "id", processes: [{ name: "need-id" }] },
    { name: "risk", processes: [{ name: "mark-risk" }] },
    { name: "host", processes: [{ name: "no-prod" }, { name: "seen" }] },
  ],
  processDefinitions: [
    {
      filter: {
        name: "has-items",
        unless: { exists: { ops: [{ key: "items.0" }] } },
        reject: { status: 422, body: { error: "no items" }, headers: { "x-why": "items" } },
      },
    },
    { redactor: { name: "cover", rules: [{ paths: ["items[*].card"], mask: { keepLast: 4 } }] } },
    {
      transformer: {
        name: "text",
        forwardInputFields: true,
        specs: [
          {
            sourceField: "phone",
            targetField: "phone",
            transformation: {
              transformationType: "TransformMapRegex",
              mapRegexArgs: { regex: "([0-9]{3})-([0-9]{4})", replace: "${2}x$1" },
            },
          },
        ],
      },
    },
    { filter: { name: "need-id", unless: { exists: { ops: [{ key: "id" }] } } } },
    { annotator: { name: "mark-risk", annotations: [{ fieldKey: "internal:risk", value: "hoch é" }] } },
    { filter: { name: "no-prod", condition: 'http.headers["x-env"] == "prod" || http.query.env == "a b"' } },
    { annotator: { name: "seen", annotations: [{ fieldKey: "seen", value: "yes" }] } },
  ],
  http: {
    version: 1,
    routes: [
      {
        name: "orders",
        match: { paths: ["/orders/**"], methods: ["POST"] },
        request: { pipelines: ["guard"], limits },
      },
      { name: "open", match: { paths: ["/open/*"] }, request: { pipelines: ["guard"], limits, onFault: "pass" } },
      {
        name: "lines",
        match: { paths: ["/lines"] },
        request: { pipelines: ["id"], limits, contentTypes: ["application/x-ndjson", "application/json"] },
      },
      {
        name: "headers",
        match: { paths: ["/headers"], headers: { "x-tenant": "acme" } },
        request: {
          pipelines: ["risk"],
          limits,
          setHeaders: { "x-risk": "{internal:risk}", "x-fixed": "1" },
          removeHeaders: ["x-secret"],
          onFault: "pass",
        },
      },
      { name: "bodyless", match: { paths: ["/bodyless"] }, request: { pipelines: ["id"], limits, bodyless: true } },
      {
        name: "each",
        match: { paths: ["/each"] },
        request: { pipelines: ["id"], limits, each: "l[*]", batch: "element" },
      },
      {
        name: "host",
        match: { paths: ["/context"], hosts: ["*.shop.example"] },
        request: { pipelines: ["host"], limits },
      },
    ],
  },
};

const json = { "content-type": "application/json" };

describe.each(await targetsHere())("$target", (here) => {
  let stack: NginxStack;
  beforeAll(async () => {
    stack = await startNginxStack(config, here);
  });
  afterAll(() => stack.stop());

  async function send(path: string, body: string | Uint8Array | undefined, headers: object = json, chunked = false) {
    const before = stack.upstream.reached.length;
    const own = headers as { [name: string]: string };
    const ask = { path, headers: own, chunked };
    const answer = await stack.client.ask(body === undefined ? ask : { ...ask, body });
    const { status, headers: sent } = answer;
    return {
      status,
      text: answer.body.toString(),
      headers: sent,
      seen: stack.upstream.reached[before],
      raw: stack.upstream.raw[before],
    };
  }

  test("a rule's refusal has its status, body and headers, and nothing reaches the upstream", async () => {
    const { status, text, headers, seen } = await send("/orders/1", '{"items":[]}');
    expect({ status, text, why: headers["x-why"] }).toEqual({
      status: 422,
      text: '{"error":"no items"}',
      why: "items",
    });
    expect(headers["content-type"]).toBe("application/json");
    expect(seen).toBeUndefined();
  });

  test("a refusal without a body of its own is problem details", async () => {
    const { status, text } = await send("/lines", "{}");
    expect({ status, problem: JSON.parse(text) }).toMatchObject({
      status: 403,
      problem: { rule: "need-id", status: 403 },
    });
  });

  test("a changed body goes on with its own length", async () => {
    const { status, seen } = await send("/orders/1?q=1", `{"items":[{"card":"${card}"}],"phone":"555-1234","s":"é😀"}`);
    expect(status).toBe(200);
    expect(JSON.parse(seen?.body ?? "")).toEqual({
      items: [{ card: "************1111" }],
      phone: "1234x555",
      s: "é😀",
    });
    expect(seen?.headers["content-length"]).toBe(String(Buffer.byteLength(seen?.body ?? "")));
    expect(seen?.path).toBe("/orders/1?q=1");
  });

  test("an unchanged body keeps its bytes", async () => {
    const body = '{ "items": [ {"n":1.50} ],\r\n "u":"\\u00e9\\/" }';
    expect((await send("/orders/1", body)).raw?.toString()).toBe(body);
  });

  const refused: [string, number, string | Uint8Array, object][] = [
    ["broken JSON", 400, '{"items":[1]', json],
    ["a key that stands twice", 400, '{"items":[1],"a":1,"a":2}', json],
    ["an escaped key that stands twice", 400, '{"items":[1],"a":1,"\\u0061":2}', json],
    ["a number that is rounded", 400, '{"items":[12345678901234567890]}', json],
    ["a number beyond a double", 400, '{"items":[1e400]}', json],
    ["bytes that are no UTF-8", 400, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), json],
    ["nesting over 31 levels", 400, `{"items":${"[".repeat(31)}${"]".repeat(31)}}`, json],
    ["another content type", 415, '{"items":[1]}', { "content-type": "text/plain" }],
    ["another charset", 415, '{"items":[1]}', { "content-type": "application/json; charset=utf-16" }],
    ["no content type", 415, '{"items":[1]}', {}],
    ["a coded body", 400, gzipSync('{"items":[1]}'), { ...json, "content-encoding": "gzip" }],
    ["a body over the limit", 413, `{"items":["${"x".repeat(1_000_000)}"]}`, json],
    ["a body that nginx would not read", 413, `{"items":["${"x".repeat(2_500_000)}"]}`, json],
  ];
  // QuickJS holds one and prints it as it came.
  const half = '{"items":["\\ud800"]}';
  if (here.target.startsWith("qjs")) {
    test("half of a surrogate pair stays what it is", async () => {
      expect((await send("/orders/1", half, json)).seen?.body).toContain("\\ud800");
    });
  } else {
    refused.push(["half of a surrogate pair", 400, half, json]);
  }
  test.each(refused)(
    "%s is refused with %i, and passed by a route that says so",
    async (_title, status, body, headers) => {
      const answer = await send("/orders/1", body, headers);
      expect(answer.status).toBe(status);
      expect(answer.seen).toBeUndefined();
      expect(JSON.parse(answer.text)).toMatchObject({ status });
      const passed = await send("/open/1", body, headers);
      expect(passed.status).toBe(200);
      expect(passed.raw?.equals(Buffer.from(body))).toBe(true);
    },
  );

  test.each<[string, string]>([
    ["31 levels", `{"items":${"[".repeat(30)}1${"]".repeat(30)}}`],
    ["brackets in a text", `{"items":["${"[".repeat(100)}"]}`],
    [
      "numbers of 17 digits as computers print them",
      '{"items":[0.30000000000000004,12.299999999999999,1e21,100000000000000000]}',
    ],
    ["an array of orders", '[{"items":[1]},{"items":[2]}]'],
    ["a body of nearly the limit", `{"items":["${"é".repeat(499_000)}"]}`],
  ])("%s pass", async (_title, body) => {
    const { status, raw } = await send("/orders/1", body);
    expect(status).toBe(200);
    expect(raw?.toString()).toBe(body);
  });

  test.each([10, 300_000])("a chunked body of %i bytes is read as any other", async (size) => {
    const { status, seen } = await send(
      "/orders/1",
      `{"items":[{"card":"${card}"}],"f":"${"x".repeat(size)}"}`,
      json,
      true,
    );
    expect(status).toBe(200);
    expect(seen?.body).toContain("************1111");
    expect((await send("/orders/1", `{"f":"${"x".repeat(size)}"}`, json, true)).status).toBe(422);
  });

  test("a chunked body over the limit is refused", async () => {
    const { status, seen } = await send("/orders/1", `{"items":["${"x".repeat(1_100_000)}"]}`, json, true);
    expect({ status, seen }).toEqual({ status: 413, seen: undefined });
  });

  test("lines lose what is refused, and the others keep their bytes", async () => {
    const lines = { "content-type": "application/x-ndjson" };
    const { status, seen } = await send("/lines", '{"id": 1}\n{"x":1.0}\r\n\n{"id":2.0}\n', lines);
    expect({ status, body: seen?.body }).toEqual({ status: 200, body: '{"id": 1}\n\n{"id":2.0}\n' });
    const none = await send("/lines", '{"x":1}\n', lines);
    expect({ status: none.status, body: none.seen?.body }).toEqual({ status: 200, body: "" });
  });

  test("events inside a document leave it alone", async () => {
    const { seen } = await send("/each", '{"l":[{"id":1},{},{"id":2}],"n":1.0}');
    expect(seen?.body).toBe('{"l":[{"id":1},{"id":2}],"n":1.0}');
    expect((await send("/each", '{"l":{"0":{}}}')).status).toBe(400);
  });

  test("headers are set from the event, and removed; a fault that passes leaves them", async () => {
    const own = { ...json, "x-tenant": "acme", "x-risk": "forged", "x-secret": "s" };
    const { seen } = await send("/headers", "{}", own);
    expect(Buffer.from(String(seen?.headers["x-risk"]), "latin1").toString()).toBe("hoch é");
    expect([seen?.headers["x-fixed"], seen?.headers["x-secret"]]).toEqual(["1", undefined]);
    const passed = await send("/headers", "{", own);
    expect([passed.seen?.headers["x-risk"], passed.seen?.headers["x-secret"]]).toEqual(["forged", "s"]);
  });

  test("a route that asks for a header is none of a request without it", async () => {
    const { seen } = await send("/headers", "{", { ...json, "x-risk": "forged", "x-tenant": "other" });
    expect([seen?.body, seen?.headers["x-risk"]]).toEqual(["{", "forged"]);
  });

  test("messages without a body run where the section says so", async () => {
    expect((await send("/bodyless", undefined)).status).toBe(403);
    expect((await send("/orders/1", undefined, {})).status).toBe(200);
  });

  test("rules read the host's context", async () => {
    const shop = { ...json, host: "a.shop.example:80" };
    expect((await send("/context", "{}", { ...shop, "x-env": "prod" })).status).toBe(403);
    expect((await send("/context?env=a+b", "{}", { ...shop, "x-env": "test" })).status).toBe(403);
    expect((await send("/context?env=a%20b", "{}", { ...shop, "x-env": "test" })).status).toBe(403);
    expect((await send("/context?env=%ff", "{}", { ...shop, "x-env": "test" })).seen?.body).toBe('{"seen":"yes"}');
    expect((await send("/context", "{}", { ...json, host: "elsewhere", "x-env": "prod" })).seen?.body).toBe("{}");
  });

  test.each([
    "/orders",
    "//orders/1",
    "/x/../orders/1",
    "/%6frders/1",
    "/orders;v=1/x",
    "/x/..;/orders/1",
    "/./orders/1",
    "/orders%2F1",
  ])("%s does not hide the route", async (path) => {
    expect((await send(path, '{"items":[]}')).status).toBe(422);
  });

  test("neither does a request line with a host, nor another case of the method", async () => {
    const body = '{"items":[]}';
    const head = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
    expect(await rawRequest(stack.nginx.port, `POST http://y/orders/1 HTTP/1.1\r\n${head}${body}`)).toContain("422");
    expect(await rawRequest(stack.nginx.port, `POST http://y?/orders HTTP/1.1\r\n${head}${body}`)).toContain("200");
  });

  test.each(["/ordersx", "/x/orders", "/open/1/2"])("%s is no route's", async (path) => {
    expect((await send(path, '{"items":[]}')).status).toBe(200);
  });

  test("requests on one connection each have their own answer", async () => {
    const one = (body: string) =>
      `POST /orders/1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    const bodies = [`{"items":[{"card":"${card}"}]}`, '{"items":[]}', '{"items":[2]}'];
    const close = "Connection: close\r\n";
    const text = bodies.map((body, i) => `${one(body)}${i === 2 ? close : ""}\r\n${body}`).join("");
    const answer = await rawRequest(stack.nginx.port, text);
    expect(answer.match(/HTTP\/1\.1 (\d+)/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 422", "HTTP/1.1 200"]);
  });

  test("nothing is wrong in nginx's log", () => {
    expect(stack.nginx.output()).not.toMatch(/\[(error|crit|alert|emerg)\](?!.*client intended to send too large)/);
  });
});

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
