/** Bodies in every format and coding, both directions, through a real Envoy. */
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Respond } from "../../../tools/start/upstream.ts";
import { startTestStack, type TestStack } from "./stack.ts";

const card = "4111111111111111";
const covered = "************1111";
const streams = ["application/json", "application/x-ndjson", "text/event-stream"];
const config = {
  pipelines: [
    { name: "cover", processes: [{ name: "cover-cards" }] },
    { name: "refuse", processes: [{ name: "no-secrets" }] },
    { name: "id", processes: [{ name: "need-id" }] },
  ],
  processDefinitions: [
    { redactor: { name: "cover-cards", rules: [{ paths: ["**.card"], mask: { keepLast: 4 } }] } },
    { filter: { name: "no-secrets", condition: { exists: { ops: [{ key: "secret" }] } } } },
    { filter: { name: "need-id", unless: { exists: { ops: [{ key: "id" }] } } } },
  ],
  http: {
    version: 1,
    routes: [
      {
        name: "coded",
        match: { paths: ["/coded/**"] },
        request: { pipelines: ["cover"], limits: { bodyBytes: 200_000, decodedBytes: 400_000, deadlineMs: 10_000 } },
        response: { pipelines: ["cover"], limits: { bodyBytes: 200_000, decodedBytes: 400_000, deadlineMs: 10_000 } },
      },
      {
        name: "streams",
        match: { paths: ["/streams/**"] },
        request: { pipelines: ["refuse", "cover"], contentTypes: streams },
        response: { pipelines: ["refuse", "cover"], contentTypes: streams },
      },
      {
        name: "all",
        match: { paths: ["/all/**"] },
        request: { pipelines: ["refuse"], contentTypes: streams, batch: "all" },
      },
      {
        name: "each",
        match: { paths: ["/each/**"] },
        request: { pipelines: ["refuse", "cover"], each: "items[*]", batch: "element" },
      },
      {
        name: "bodyless",
        match: { paths: ["/bodyless/**"] },
        request: { pipelines: ["id"], bodyless: true, limits: { decodedBytes: 100 } },
      },
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

type Headers = { [name: string]: string };

async function send(path: string, body: string | Uint8Array, headers: Headers, chunked = false) {
  respond = (_seen, response) => response.end("ok");
  const before = stack.upstream.reached.length;
  const answer = await stack.client.ask({ path, body, headers, chunked });
  return { answer, seen: stack.upstream.reached[before], raw: stack.upstream.raw[before] };
}

async function get(path: string, body: string | Uint8Array, headers: Headers) {
  respond = (_seen, response) => {
    response.writeHead(200, { ...headers, "content-length": String(Buffer.byteLength(body)) });
    response.end(body);
  };
  return await stack.client.ask({ method: "GET", path, headers: { "accept-encoding": "gzip" } });
}

const json = { "content-type": "application/json" };
const codings = [
  ["gzip", gzipSync, gunzipSync],
  ["deflate", deflateSync, inflateSync],
  ["br", brotliCompressSync, brotliDecompressSync],
  ["zstd", zstdCompressSync, zstdDecompressSync],
] as const;

describe.each(codings)("a %s body", (coding, encode, decode) => {
  const headers = { ...json, "content-encoding": coding };
  const text = `{ "card":"${card}","n":1.50 }`;
  const expected = `{ "card":"${covered}","n":1.50 }`;

  test("that a request's pipelines change is coded again, and its length is its own", async () => {
    const { answer, seen, raw } = await send("/coded/x", encode(text), headers);
    expect(answer.status).toBe(200);
    expect(decode(raw as Buffer).toString()).toBe(expected);
    expect(seen?.headers["content-encoding"]).toBe(coding);
    expect(seen?.headers["content-length"]).toBe(String(raw?.length));
  });

  test("without a length stays without one", async () => {
    const { seen, raw } = await send("/coded/x", encode(text), headers, true);
    expect(decode(raw as Buffer).toString()).toBe(expected);
    expect(seen?.headers["content-length"]).toBeUndefined();
  });

  test("that is large is treated like a small one", async () => {
    const large = `[${Array.from({ length: 4000 }, (_, i) => `{"i":${i}.0,"card":"${card}"}`).join(",")}]`;
    const { answer, raw } = await send("/coded/x", encode(large), headers);
    expect(answer.status).toBe(200);
    expect(decode(raw as Buffer).toString() === large.replaceAll(card, covered)).toBe(true);
  });

  test("that nobody changes is the same bytes", async () => {
    const bytes = encode('{"n": 1.0}');
    expect((await send("/coded/x", bytes, headers)).raw?.equals(bytes)).toBe(true);
  });

  test("of a response is coded again, although the upstream was asked for plain ones", async () => {
    const answer = await get("/coded/x", encode(text), { ...headers, etag: '"1"' });
    expect(answer.status).toBe(200);
    expect(decode(answer.body).toString()).toBe(expected);
    expect(answer.headers["content-encoding"]).toBe(coding);
    expect(answer.headers["content-length"]).toBe(String(answer.body.length));
    expect(answer.headers.etag).toBeUndefined();
  });

  test("that unfolds past the limit is refused, a bomb included", async () => {
    for (const size of [399_000, 401_000, 20_000_000]) {
      const bytes = encode(`{"f":"${"x".repeat(size)}"}`);
      const { answer, seen } = await send("/coded/x", bytes, headers);
      expect(answer.status).toBe(size < 400_000 ? 200 : 413);
      expect(seen === undefined).toBe(size > 400_000);
      expect((await get("/coded/x", bytes, headers)).status).toBe(size < 400_000 ? 200 : 502);
    }
  });

  test("that is broken, cut short or goes on is refused unread", async () => {
    const whole = encode(text);
    for (const bytes of [whole.subarray(0, -1), Buffer.concat([whole, Buffer.from(text)]), Buffer.from(text)]) {
      const { answer, seen } = await send("/coded/x", bytes, headers);
      expect([answer.status, JSON.parse(answer.body.toString()).rule]).toEqual([400, "unparsable"]);
      expect(answer.body.toString()).not.toContain(card);
      expect(seen).toBeUndefined();
      expect((await get("/coded/x", bytes, headers)).status).toBe(502);
    }
  });
});

describe("a content-encoding", () => {
  test.each(["gzip, gzip", "compress", "identity, gzip", "aes128gcm"])("of %s is refused unread", async (coding) => {
    for (const body of ["{}", gzipSync("{}")]) {
      const { answer, seen } = await send("/coded/x", body, { ...json, "content-encoding": coding });
      expect(answer.status).toBe(400);
      expect(answer.body.toString()).toContain("content coding");
      expect(seen).toBeUndefined();
    }
  });

  test("of identity is none", async () => {
    const { seen } = await send("/coded/x", `{"card":"${card}"}`, { ...json, "content-encoding": "identity" });
    expect(seen?.body).toBe(`{"card":"${covered}"}`);
  });
});

describe("NDJSON", () => {
  const headers = { "content-type": "application/x-ndjson" };
  const lines = `{"a": 1.0}\r\n\n{"secret":1}\n{"card":"${card}"}`;
  const left = `{"a": 1.0}\r\n\n{"card":"${covered}"}`;

  test("loses the lines that a rule refuses, the others are rewritten or stay", async () => {
    const { seen } = await send("/streams/x", lines, headers);
    expect(seen?.body).toBe(left);
    expect(seen?.headers["content-length"]).toBeUndefined(); // it left before its length was known
    expect((await get("/streams/x", lines, headers)).body.toString()).toBe(left);
  });

  test("of which all lines are refused is an empty body", async () => {
    const { answer, seen } = await send("/streams/x", '{"secret":1}\n{"secret":2}\n', headers);
    expect(answer.status).toBe(200);
    expect(seen?.body).toBe("");
    expect(seen?.headers["content-length"]).toBeUndefined();
    expect((await get("/streams/x", '{"secret":1}\n', headers)).body.toString()).toBe("");
  });

  test("coded is the same", async () => {
    const { raw } = await send("/streams/x", gzipSync(lines), { ...headers, "content-encoding": "gzip" });
    expect(gunzipSync(raw as Buffer).toString()).toBe(left);
  });

  test("is refused as one where the route says so", async () => {
    const { answer, seen } = await send("/all/x", lines, headers);
    expect(answer.status).toBe(403);
    expect(seen).toBeUndefined();
  });

  test("with a line that is no object is refused", async () => {
    expect((await send("/streams/x", `{}\n["${card}"]\n`, headers)).answer.status).toBe(400);
  });

  test("is not read where the section does not list it", async () => {
    expect((await send("/coded/x", lines, headers)).answer.status).toBe(415);
  });
});

test("server-sent events are treated one by one, all else stays to the byte", async () => {
  const text = `\ufeff: hi\n\nid: 1\nevent: x\ndata: {"card":\ndata: "${card}"}\n\ndata: {"secret":1}\n\ndata: {"n": 1.0}\n\ndata: [DONE]\n\n`;
  const answer = await get("/streams/x", text, { "content-type": "text/event-stream" });
  expect(answer.body.toString()).toBe(
    `\ufeff: hi\n\nid: 1\nevent: x\ndata: {"card":"${covered}"}\n\ndata: {"n": 1.0}\n\ndata: [DONE]\n\n`,
  );
  expect((await get("/streams/x", `data: ${card}\n\n`, { "content-type": "text/event-stream" })).status).toBe(502);
});

test("events inside a document are treated where they are", async () => {
  const text = `{"card":"${card}", "items": [{"secret":1}, {"card":"${card}"}], "n":1.0}`;
  const { seen } = await send("/each/x", text, json);
  expect(seen?.body).toBe(`{"card":"${card}", "items": [ {"card":"${covered}"}], "n":1.0}`);
  expect((await send("/each/x", '{"items":{"secret":1}}', json)).answer.status).toBe(400);
});

test("what is not coded is its own content, and bounded as such", async () => {
  const { answer } = await send("/bodyless/x", `{"id":"${"x".repeat(100)}"}`, json);
  expect([answer.status, JSON.parse(answer.body.toString()).rule]).toEqual([413, "tooLarge"]);
});

test("a message without a body is an empty event where the route says so", async () => {
  respond = (_seen, response) => response.end("ok");
  expect((await stack.client.ask({ method: "GET", path: "/bodyless/x", headers: {} })).status).toBe(403);
  expect((await send("/bodyless/x", '{"id":1}', json)).answer.status).toBe(200);
  expect((await send("/bodyless/x", "", json, true)).answer.status).toBe(403);
});
