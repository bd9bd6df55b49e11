/** Responses through a real nginx: rewritten whole or event by event, passed to the byte where nothing may be done. */
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { request as httpRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Respond } from "../../../tools/start/upstream.ts";
import { type NginxStack, startNginxStack, targetsHere } from "./stack.ts";

const card = "4111111111111111";
const covered = "************1111";
const limits = { bodyBytes: 100_000, depth: 31, deadlineMs: 10_000 };
const streams = ["application/x-ndjson", "text/event-stream"];
const config = {
  pipelines: [
    { name: "mask", processes: [{ name: "cover" }] },
    { name: "drop", processes: [{ name: "no-secrets" }, { name: "cover" }] },
    { name: "get", processes: [{ name: "from-get" }] },
  ],
  processDefinitions: [
    { redactor: { name: "cover", rules: [{ paths: ["**.card"], mask: { keepLast: 4 } }] } },
    {
      filter: {
        name: "no-secrets",
        condition: { exists: { ops: [{ key: "secret" }] } },
        reject: { status: 451, body: "no", headers: { "x-why": "secret" } },
      },
    },
    { filter: { name: "from-get", condition: 'http.request.headers["x-env"] == "prod"' } },
  ],
  http: {
    version: 1,
    routes: [
      {
        name: "masked",
        match: { paths: ["/masked/**"] },
        response: {
          pipelines: ["mask"],
          status: ["2xx", "500"],
          limits,
          onFault: "pass",
          setHeaders: { "x-seen": "agglo" },
          removeHeaders: ["x-internal"],
        },
      },
      {
        name: "streams",
        match: { paths: ["/streams"] },
        response: { pipelines: ["drop"], contentTypes: streams, limits, onFault: "pass" },
      },
      { name: "held", match: { paths: ["/held/**"] }, gateway: true, response: { pipelines: ["drop"], limits } },
      {
        name: "asked",
        match: { paths: ["/asked"] },
        gateway: true,
        request: { pipelines: ["mask"], limits },
        response: { pipelines: ["get"], limits, bodyless: true },
      },
    ],
  },
};

/** More of nginx around the routes: a cache, sendfile, gzip to the client. */
function change(name: string, text: string): string {
  if (name === "nginx.conf") {
    const more =
      "proxy_cache_path tmp/cache keys_zone=cache:1m;\n    sendfile on;\n    gzip on; gzip_min_length 1; gzip_types application/json;\n    gzip_proxied any;\n    proxy_cache_convert_head off;\n";
    return text.replace("http {\n", `http {\n    ${more}`).replace("worker_processes auto", "worker_processes 1");
  }
  if (name !== "agglo/server.conf") return text;
  return text.replaceAll("js_header_filter", "proxy_cache cache; proxy_cache_key $request_uri; js_header_filter");
}

type Got = { status: number; headers: IncomingHttpHeaders; body: Buffer; text: string };

describe.each(await targetsHere())("$target", (here) => {
  let respond: Respond = () => {};
  let stack: NginxStack;
  beforeAll(async () => {
    stack = await startNginxStack(config, here, { respond: (seen, response) => respond(seen, response), change });
  });
  afterAll(() => stack.stop());

  let asked = 0;
  async function get(path: string, answer: Respond, headers: object = {}, method = "GET"): Promise<Got> {
    respond = answer;
    asked++;
    const ask = { method, path: `${path}?${asked}`, headers: headers as { [name: string]: string } };
    const { status, headers: sent, body } = await stack.client.ask(ask);
    return { status, headers: sent, body, text: body.toString() };
  }

  const json =
    (body: string | Uint8Array, headers: object = {}, status = 200): Respond =>
    (_seen, response) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(body);
    };

  test("a rewritten response has no length, and nothing that described the old bytes", async () => {
    const body = `{"card":"${card}","n":1.50,"s":"é😀"}`;
    const described = {
      etag: '"1"',
      "last-modified": "x",
      "accept-ranges": "bytes",
      "content-length": Buffer.byteLength(body),
    };
    const { status, text, headers } = await get("/masked/x", json(body, described));
    expect({ status, body: JSON.parse(text) }).toEqual({ status: 200, body: { card: covered, n: 1.5, s: "é😀" } });
    expect(Object.keys(headers)).not.toContain("content-length");
    for (const name of ["etag", "last-modified", "accept-ranges"]) expect(headers[name]).toBeUndefined();
    expect(headers["x-seen"]).toBe("agglo");
  });

  test("headers are removed", async () => {
    expect((await get("/masked/x", json("{}", { "x-internal": "1" }))).headers["x-internal"]).toBeUndefined();
  });

  test("an unchanged response keeps its bytes", async () => {
    const body = '{ "n": 1.0,\r\n "u":"\\u00e9\\/" }';
    expect((await get("/masked/x", json(body))).text).toBe(body);
  });

  test("characters may be split anywhere", async () => {
    const bytes = Buffer.from(`{"card":"${card}","s":"é😀漢"}`);
    const answer: Respond = async (_seen, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      for (const byte of bytes) {
        response.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    };
    expect(JSON.parse((await get("/masked/x", answer)).text)).toEqual({ card: covered, s: "é😀漢" });
  });

  test("a large body within the limit is rewritten whole", async () => {
    const list = Array.from({ length: 1500 }, (_, i) => ({ i, card, s: "漢字" }));
    const { text } = await get("/masked/x", json(JSON.stringify(list)));
    expect(JSON.parse(text)).toEqual(list.map((one) => ({ ...one, card: covered })));
  });

  const passed: [string, Respond, number][] = [
    ["broken JSON", json(`{"card":"${card}"`), 200],
    ["a key that stands twice", json(`{"card":1,"card":"${card}"}`), 200],
    ["a rounded number", json(`{"card":"${card}","n":12345678901234567890}`), 200],
    ["a body over the limit", json(`{"card":"${card}","f":"${"x".repeat(5_000_000)}"}`), 200],
    ["a body over the limit, of unknown length", chunked(`{"card":"${card}","f":"${"x".repeat(300_000)}"}`), 200],
    ["a part of a body", json(`{"card":"${card}"}`, { "content-range": "bytes 0-3/9" }, 206), 206],
    ["a status that is not named", json(`{"card":"${card}"}`, {}, 404), 404],
    ["a bad gateway's page", json(`{"card":"${card}"}`, {}, 502), 502],
    ["another type", json(`card ${card}`, { "content-type": "text/html" }), 200],
    [
      "binary",
      json(Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 256)), { "content-type": "image/png" }),
      200,
    ],
    ["bytes that are no UTF-8", json(Buffer.from([0x22, 0xff, 0x22])), 200],
  ];
  test.each(passed)("%s passes to the byte", async (_title, answer, expected) => {
    let sent = Buffer.alloc(0);
    const recording: Respond = (seen, response) => {
      const chunks: Buffer[] = [];
      const keep = (chunk: unknown) => {
        if (typeof chunk === "string" || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk as Uint8Array));
        sent = Buffer.concat(chunks);
      };
      const write = response.write.bind(response);
      const end = response.end.bind(response);
      response.write = ((chunk: string, ...rest: []) => {
        keep(chunk);
        return write(chunk, ...rest);
      }) as ServerResponse["write"];
      response.end = ((chunk: string, ...rest: []) => {
        keep(chunk);
        return end(chunk, ...rest);
      }) as ServerResponse["end"];
      answer(seen, response);
    };
    const { status, body } = await get("/masked/x", recording);
    expect(status).toBe(expected);
    expect(body.equals(sent)).toBe(true);
  });

  test("a coded body passes to the byte although the upstream was asked for none", async () => {
    const bytes = gzipSync(`{"card":"${card}"}`);
    const { body, headers } = await get("/masked/x", json(bytes, { "content-encoding": "gzip" }), {
      "accept-encoding": "gzip",
    });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(body).toString()).toContain(card);
    const seen = stack.upstream.reached.at(-1);
    expect([seen?.headers["accept-encoding"], seen?.headers.range]).toEqual([undefined, undefined]);
  });

  test("gzip to the client works on what was rewritten", async () => {
    const { body, headers } = await get("/masked/x", json(`{"card":"${card}"}`), { "accept-encoding": "gzip" });
    expect(headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(body).toString()).toBe(`{"card":"${covered}"}`);
  });

  test.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("%s with %i has no body", async (method, status) => {
    const answer: Respond = (_seen, response) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end();
    };
    const got = await get("/masked/x", answer, {}, method);
    expect([got.status, got.text]).toEqual([status, ""]);
    expect(stack.upstream.reached.at(-1)?.method).toBe(method);
  });

  test("a range is asked for nowhere, and the whole comes", async () => {
    const { status, text } = await get("/masked/x", json(`{"card":"${card}"}`), { range: "bytes=0-3" });
    expect([status, text]).toEqual([200, `{"card":"${covered}"}`]);
  });

  test("a cached response is rewritten each time", async () => {
    respond = json(`{"card":"${card}"}`, { "cache-control": "max-age=60" });
    const before = stack.upstream.reached.length;
    const texts = [];
    for (let i = 0; i < 3; i++) {
      texts.push((await stack.client.ask({ method: "GET", path: "/masked/cached", headers: {} })).body.toString());
    }
    expect(texts).toEqual(Array(3).fill(`{"card":"${covered}"}`));
    expect(stack.upstream.reached.length).toBe(before + 1);
  });

  test("a slow client gets all of a large response, and the next one on its connection its own", async () => {
    const large = `{"card":"${card}","f":"${"x".repeat(8_000_000)}"}`;
    respond = json(large);
    const body = await slowGet(stack.nginx.port, "/masked/slow");
    expect(body === large).toBe(true);
    expect((await get("/masked/x", json("{}"))).text).toBe("{}");
  });

  test("responses of one connection keep apart after a longer rewrite", async () => {
    for (const n of [1, 2, 3]) {
      const { text } = await get("/masked/x", json(`{"n":${n},"card":"${card}"}`));
      expect(text).toBe(`{"n":${n},"card":"${covered}"}`);
    }
  });

  describe("a stream", () => {
    const sse = { "content-type": "text/event-stream" };
    test("goes on event by event, while it is still open", async () => {
      let upstream: ServerResponse | undefined;
      respond = (_seen, response) => {
        response.writeHead(200, sse);
        upstream = response;
        response.write(`data: {"n":1,"card":"${card}"}\n\n: note\n\ndata: {"secr`);
      };
      const reader = await openStream(stack.nginx.port, "/streams?open");
      await reader.until((text) => text.includes(": note\n\n"));
      expect(reader.text()).toBe(`data: {"n":1,"card":"${covered}"}\n\n: note\n\n`);
      upstream?.write('et":1}\n\ndata: {"s":"é');
      upstream?.write('"}\n');
      upstream?.write("\ndata: [DONE]\n\n");
      await reader.until((text) => text.includes("[DONE]"));
      upstream?.end('data: {"last":1}');
      expect(await reader.end()).toBe(
        `data: {"n":1,"card":"${covered}"}\n\n: note\n\ndata: {"s":"é"}\n\ndata: [DONE]\n\ndata: {"last":1}`,
      );
    });

    test("of lines loses what is refused", async () => {
      const text = `{"a": 1}\n{"secret":1}\n\r\n{"card":"${card}"}\n{"last":1.0}`;
      const { text: got } = await get("/streams", json(text, { "content-type": "application/x-ndjson" }));
      expect(got).toBe(`{"a": 1}\n\r\n{"card":"${covered}"}\n{"last":1.0}`);
    });

    test("passes what cannot be read, and goes on behind it", async () => {
      const text = `{"card":"${card}"}\n{"broken\n{"card":"${card}"}\n`;
      const { text: got } = await get("/streams", json(text, { "content-type": "application/x-ndjson" }));
      expect(got).toBe(text.replaceAll(card, covered));
      const long = `data: {"card":"${"1".repeat(200_000)}\n`.repeat(2);
      expect((await get("/streams", json(long, sse))).text).toBe(long);
    });
  });

  describe("a gateway", () => {
    test("refuses a response by its content", async () => {
      const { status, text, headers } = await get("/held/x", json('{"secret":1}', { etag: '"1"' }));
      expect([status, text, headers["x-why"], headers.etag]).toEqual([451, "no", "secret", undefined]);
    });

    test.each<[string, Respond]>([
      ["broken JSON", json('{"secret":1')],
      ["a key that stands twice", json('{"a":1,"a":2}')],
      ["a part of a body", json("{}", { "content-range": "bytes 0-1/9" }, 206)],
      ["a body over the limit", json(`{"f":"${"x".repeat(120_000)}"}`)],
      ["a coded body", json(gzipSync("{}"), { "content-encoding": "gzip" })],
    ])("answers %s with 502", async (_title, answer) => {
      expect((await get("/held/x", answer)).status).toBe(502);
    });

    test("passes status, headers and bytes of what is fine", async () => {
      const headers = { "set-cookie": ["a=1", "b=2"], "x-own": "1", etag: '"1"' };
      const got = await get("/held/x", json('{ "n": 1.0 }', headers, 201));
      expect([got.status, got.text, got.headers["x-own"], got.headers.etag]).toEqual([201, '{ "n": 1.0 }', "1", '"1"']);
      expect(got.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    });

    test("rewrites", async () => {
      const { text, headers } = await get("/held/x", json(`{"card":"${card}"}`, { etag: '"1"' }));
      expect([text, headers.etag]).toEqual([`{"card":"${covered}"}`, undefined]);
    });

    test.each([
      ["HEAD", 200],
      ["GET", 204],
      ["GET", 302],
      ["GET", 404],
    ])("%s with %i goes on", async (method, status) => {
      const answer: Respond = (_seen, response) => {
        response.writeHead(status, { location: "/there" });
        response.end();
      };
      const got = await get("/held/x", answer, {}, method);
      expect([got.status, got.text, got.headers.location]).toEqual([status, "", "/there"]);
      expect(stack.upstream.reached.at(-1)?.method).toBe(method);
    });

    test("sends the request's own body, rewritten or as it came", async () => {
      respond = json("{}");
      const body = `{"card":"${card}"}`;
      await stack.client.ask({ path: "/asked?x=1", body, headers: { "content-type": "application/json" } });
      expect(stack.upstream.reached.at(-1)).toMatchObject({
        method: "POST",
        path: "/asked?x=1",
        body: `{"card":"${covered}"}`,
      });
      await stack.client.ask({ path: "/asked", body: '{ "n":1.0 }', headers: { "content-type": "application/json" } });
      expect(stack.upstream.reached.at(-1)?.body).toBe('{ "n":1.0 }');
    });

    test("lets a rule on the response read the request", async () => {
      expect((await get("/asked", json("{}"), { "x-env": "prod" })).status).toBe(403);
      expect((await get("/asked", json("{}"), { "x-env": "test" })).status).toBe(200);
    });

    test("is not reached from outside", async () => {
      expect((await get("/agglo_gateway/held", json("{}"))).status).toBe(404);
    });
  });

  test.each([50_000, 300_000])("a cached response of %i bytes loses nothing to sendfile", async (size) => {
    const text = JSON.stringify({ card, f: "x".repeat(size) });
    respond = json(text, { "cache-control": "max-age=60" });
    for (const from of ["the upstream", "the cache"]) {
      const { body } = await stack.client.ask({ method: "GET", path: `/masked/cached/${size}`, headers: {} });
      const expected = size > limits.bodyBytes ? text : text.replace(card, covered);
      expect(body.toString() === expected, from).toBe(true);
    }
  });
});

function chunked(text: string): Respond {
  return (_seen, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write(text.slice(0, 10));
    response.end(text.slice(10));
  };
}

/** Reads in small sips, so that nginx has to keep what it sends. */
function slowGet(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) {
        chunks.push(chunk as Buffer);
        await delay(1);
      }
      resolve(Buffer.concat(chunks).toString());
    });
    request.on("error", reject);
    request.end();
  });
}

type Stream = { text(): string; until(holds: (text: string) => boolean): Promise<void>; end(): Promise<string> };

function openStream(port: number, path: string): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      const ended = new Promise<string>((done) => response.on("end", () => done(text)));
      const until = async (holds: (text: string) => boolean) => {
        while (!holds(text)) await delay(5);
      };
      resolve({ text: () => text, until, end: () => ended });
    });
    request.on("error", reject);
    request.end();
  });
}
