import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { annotate, type Daemon, metric, startDaemon, startTarget, teeTo } from "./testing.ts";

const TWO = {
  pipelines: [
    { name: "mark", processes: [{ name: "m" }] },
    { name: "check", processes: [{ name: "big-only" }, { name: "needs-id" }] },
  ],
  processDefinitions: [
    annotate("m", "mark", "yes"),
    { continuation: { name: "big-only", condition: "event.n > 10" } },
    { filter: { name: "needs-id", unless: "has(event.id)", reject: { status: 422 } } },
  ],
};

const NDJSON = { "content-type": "application/x-ndjson" };
const JSON_WANTED = { accept: "application/json" };

async function answerOf(response: Response): Promise<[number, string]> {
  return [response.status, await response.text()];
}

describe("events in, one answer out", () => {
  test("Success when every pipeline did, one that a continuation ended included (B22)", async () => {
    const { post } = await startDaemon(TWO);
    const one = await post('{"n":1}');
    expect(one.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await answerOf(one)).toEqual([200, "Success"]);
    expect(await answerOf(await post('[{"n":1},{"n":11,"id":1}]'))).toEqual([200, "Success"]);
    expect(await answerOf(await post('{"n":1}\n{"n":2}\n', { headers: NDJSON }))).toEqual([200, "Success"]);
    expect(await answerOf(await post("[]"))).toEqual([200, "Success"]);
  });

  test("the final events on demand, by pipeline, with reserved keys and without loss", async () => {
    const { post } = await startDaemon(TWO);
    const one = await post('{"n":12.50,"id":1}', { query: "?output=1" });
    const id = one.headers.get("x-agglo-message-id");
    const side = (name: string) => ({
      "internal:name": name,
      "internal:messageID": id,
      "internal:partitionID": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    });
    const text = await one.text();
    expect(text).toContain('"n":12.50');
    expect(JSON.parse(text)).toEqual([
      { n: 12.5, id: 1, mark: "yes", ...side("mark") },
      { n: 12.5, id: 1, ...side("check") },
    ]);
    const many = await post('{"n":1}\n{"n":2}\n', { query: "?output=1", headers: NDJSON });
    expect(many.headers.get("content-type")).toBe("application/x-ndjson");
    const request = many.headers.get("x-agglo-message-id");
    const lines = (await many.text()).trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { [key: string]: unknown })["internal:messageID"])).toEqual([
      `${request}.1`,
      `${request}.2`,
    ]);
  });

  test("which pipeline failed on which event, while the others ran (B26)", async () => {
    const { post, metrics } = await startDaemon(TWO);
    const body = '[{"n":1},{"n":11},{"n":12}]';
    expect(await answerOf(await post(body))).toEqual([
      422,
      "event 2: check: refused by needs-id\nevent 3: check: refused by needs-id\n",
    ]);
    const problem = await post(body, { headers: JSON_WANTED });
    expect(problem.headers.get("content-type")).toBe("application/problem+json");
    expect(await problem.json()).toMatchObject({
      status: 422,
      failures: [
        { event: 2, pipeline: "check", process: "needs-id", reason: "refused" },
        { event: 3, pipeline: "check", process: "needs-id", reason: "refused" },
      ],
    });
    const events = metrics().find(({ name }) => name === "agglo_daemon_events_total")?.samples;
    expect(events?.map(({ labels, value }) => [labels[0]?.[1], value])).toEqual([
      ["succeeded", 2],
      ["refused", 4],
      ["faulted", 0],
    ]);
  });

  test("a tee is waited for, and 500 says what its target said", async () => {
    const target = await startTarget();
    const { post } = await startDaemon(teeTo(target.url));
    expect(await answerOf(await post('{"a":1}'))).toEqual([200, "Success"]);
    expect(target.got.map((body) => JSON.parse(body) as object)).toMatchObject([{ a: 1, "internal:name": "mirror" }]);
    target.status = 400;
    expect(await answerOf(await post('{"a":1}'))).toEqual([500, expect.stringMatching(/^event 1: mirror, tee: .*400/)]);
  });
});

describe("what is no event is told where, and the connection stays (B36)", () => {
  test.each([
    ["null", "null", {}, 400, "null is no event: expected a JSON object, or an array of them\n"],
    ["a scalar", "7", {}, 400, "a number is no event: expected a JSON object, or an array of them\n"],
    ["nothing", "", {}, 400, "there is no event\n"],
    ["trailing data", '{"a":1} 7', {}, 400, "line 1, column 9: not valid JSON\n"],
    ["a key twice", '{"a":1,"a":2}', {}, 400, "line 1, column 8: a key stands twice in one object\n"],
    ["a null among objects", '[{"a":1},null]', {}, 400, "element 2 of the array is null: expected a JSON object\n"],
    ["a broken line", '{"a":1}\n{"a"', NDJSON, 400, "line 2, column 5: not valid JSON\n"],
    ["depth", `${'{"a":'.repeat(70)}1${"}".repeat(70)}`, {}, 400, "nested deeper than 64 levels\n"],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xc3, 0xa9, 0xff]), {}, 400, "byte 5: not valid UTF-8\n"],
    ["half a character", Buffer.from([0x22, 0xe2, 0x82]), {}, 400, "byte 2: not valid UTF-8\n"],
    ["too many events", "{}\n".repeat(10_001), NDJSON, 413, "more than 10000 events\n"],
    ["another charset", "{}", { "content-type": "application/json; charset=utf-16" }, 415, /no other charset/],
    ["an unknown coding", "{}", { "content-encoding": "lzma" }, 415, /none of gzip/],
    ["what is not in its coding", "{}", { "content-encoding": "gzip" }, 400, "the body is not valid gzip\n"],
  ])("%s", async (_what, body, headers, status, text) => {
    const { post, bugs } = await startDaemon(TWO);
    const answer = await answerOf(await post(body, { headers }));
    expect(answer).toEqual([status, typeof text === "string" ? text : expect.stringMatching(text)]);
    expect(await answerOf(await post('{"n":1}'))).toEqual([200, "Success"]);
    expect(bugs).toEqual([]);
  });

  test("other methods and paths, sub-paths included", async () => {
    const { url } = await startDaemon(TWO);
    const got = await fetch(url);
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
    expect((await fetch(url, { method: "DELETE" })).status).toBe(405);
    for (const path of ["/x", "/", "/checkpoints"]) {
      expect((await fetch(`${url}${path}`, { method: "POST", body: "{}" })).status).toBe(404);
    }
    expect(await raw(url, "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n")).toMatch(/^HTTP\/1.1 405 /);
    expect(await raw(url, "nonsense\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw(url, `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  });
});

describe("bounds", () => {
  test("coded bodies are decoded, as far as the limit", async () => {
    const { post } = await startDaemon(TWO);
    const headers = { "content-encoding": "gzip" };
    expect((await post(gzipSync('{"n":1}'), { headers })).status).toBe(200);
    expect((await post(gzipSync(`{"n":1,"x":"${"y".repeat(100_000)}"}`), { headers })).status).toBe(413);
  });

  test("a body that is too large: told by its length, on the way, or before it is sent", async () => {
    const { post, url } = await startDaemon(TWO);
    const large = `{"n":1,"x":"${"y".repeat(200_000)}"}`;
    expect((await post(large)).status).toBe(413);
    const stream = new Blob([large]).stream();
    expect((await post(stream, { duplex: "half" } as RequestInit)).status).toBe(413);
    const { continued, status } = await postExpecting(url, large);
    expect([continued, status]).toEqual([false, 413]);
    expect(await postExpecting(url, '{"n":1}')).toEqual({ continued: true, status: 200 });
  });

  test("more requests at once than allowed hear when to come again", async () => {
    const target = await startTarget();
    target.holds = true;
    const { post } = await startDaemon(teeTo(target.url), { inProgressMax: 1 });
    const first = post("{}");
    await vi.waitFor(() => expect(target.got).toHaveLength(1));
    const second = await post("{}");
    expect([second.status, second.headers.get("retry-after")]).toEqual([503, "1"]);
    target.release();
    expect((await first).status).toBe(200);
    target.holds = false;
    expect((await post("{}")).status).toBe(200);
  });

  test("no memory is left: 503, and all of it is given back in the end", async () => {
    const target = await startTarget();
    target.holds = true;
    const memory = 16 * 1024 * 1024;
    const daemon = await startDaemon(teeTo(target.url), { memoryBytes: memory, bodyBytesMax: memory });
    const large = `{"x":"${"y".repeat(10 * 1024 * 1024)}"}`;
    const first = daemon.post(large);
    await vi.waitFor(() => expect(target.got).toHaveLength(1), 10_000);
    const second = await daemon.post(large);
    expect([second.status, second.headers.get("retry-after")]).toEqual([503, "1"]);
    target.release();
    expect((await first).status).toBe(200);
    await vi.waitFor(() => expect(heldBytes(daemon)).toBe(0));
  });

  test("a client that goes away in the middle leaves nothing behind", async () => {
    const daemon = await startDaemon(TWO);
    const { port } = new URL(daemon.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write('POST /binge HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{"n":');
    await vi.waitFor(() => expect(heldBytes(daemon)).toBe(1000));
    socket.destroy();
    await vi.waitFor(() => expect(heldBytes(daemon)).toBe(0));
    expect(daemon.bugs).toEqual([]);
  });

  test("one that goes away before its answer changes nothing: its event has run", async () => {
    const target = await startTarget();
    target.holds = true;
    const daemon = await startDaemon(teeTo(target.url));
    const abort = new AbortController();
    const answer = daemon.post("{}", { signal: abort.signal });
    await vi.waitFor(() => expect(target.got).toHaveLength(1));
    abort.abort();
    await expect(answer).rejects.toThrow();
    target.release();
    await vi.waitFor(() => expect(metric(daemon, "agglo_daemon_events_total")).toBe(1));
    await vi.waitFor(() => expect(metric(daemon, "agglo_daemon_requests_in_progress")).toBe(0));
    expect(daemon.bugs).toEqual([]);
  });

  test("a request that does not come whole in time is ended", async () => {
    const { url } = await startDaemon(TWO, { requestMs: 100 });
    expect(await raw(url, "POST /binge HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")).toMatch(/^HTTP\/1.1 408 /);
  });
});

test("a token, where there is one, is asked for", async () => {
  let token = "first";
  const { post } = await startDaemon(TWO, { token: () => token });
  const refused = await post('{"n":1}');
  expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="binge"']);
  const withToken = (text: string) =>
    post('{"n":1}', { headers: { authorization: text } }).then(({ status }) => status);
  expect(await withToken("Bearer firs")).toBe(401);
  expect(await withToken("Basic first")).toBe(401);
  expect(await withToken("bearer first")).toBe(200);
  token = "second";
  expect(await withToken("Bearer first")).toBe(401);
  expect(await withToken("Bearer second")).toBe(200);
});

test("commands run only where that is allowed, whichever pipeline has them", async () => {
  const job = { runnable: { pathToExec: "true", cmdArgs: [] } };
  const spawning = {
    pipelines: [{ name: "p", processes: [{ name: "s" }] }],
    processDefinitions: [{ spawner: { name: "s", doSync: true, job } }],
  };
  await expect(startDaemon(spawning)).rejects.toThrow('"s" would run commands');
  const { post } = await startDaemon(spawning, { allowSpawn: true });
  expect((await post("{}")).status).toBe(200);
});

test("the page of checkpoints: 404 for what nobody keeps, whether pipelines keep any or not (B37)", async () => {
  const target = await startTarget();
  target.status = 500;
  const config = {
    pipelines: [
      { name: "kept", processes: [{ name: "m" }, { name: "tee" }], checkpoint: { outputConnectorRef: "store" } },
      { name: "not", processes: [{ name: "m" }] },
    ],
    processDefinitions: [annotate("m", "mark", "yes"), { tee: { name: "tee", outputConnectorRef: "target" } }],
    externalSystems: [
      { externalType: "ExternalKVStore", name: "store", connectionString: "mem:store" },
      { externalType: "ExternalHttp", name: "target", connectionString: target.url },
    ],
  };
  const { post, pages } = await startDaemon(config);
  const failed = await post('{"a":1}');
  expect(failed.status).toBe(500);
  const id = failed.headers.get("x-agglo-message-id") as string;
  const page = (query: string) => pages["/checkpoints"]?.(new URLSearchParams(query));
  const found = await page(`messageId=${id}`);
  expect(found?.status).toBe(200);
  expect(JSON.parse(found?.text ?? "")).toMatchObject({
    checkpoints: [{ "internal:checkpoint:idx": 1, "internal:checkpoint:data": { a: 1, mark: "yes" } }, null],
  });
  expect((await page("messageId=none"))?.status).toBe(404);
  expect((await page(""))?.status).toBe(400);
});

test("leaving answers what has come, and then nothing is open", async () => {
  const target = await startTarget();
  target.holds = true;
  const daemon = await startDaemon(teeTo(target.url));
  const pending = daemon.post("{}");
  await vi.waitFor(() => expect(target.got).toHaveLength(1));
  const drained = daemon.drain();
  expect(daemon.isReady()).toBe(false);
  await expect(daemon.post("{}")).rejects.toThrow();
  target.release();
  const answer = await pending;
  expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
  await drained;
});

function heldBytes({ metrics }: Daemon): number {
  const { samples = [] } = metrics().find(({ name }) => name === "agglo_memory_bytes") ?? {};
  return samples.filter(({ labels }) => labels[0]?.[1] !== "tees").reduce((sum, { value }) => sum + value, 0);
}

/** All that comes back for these bytes, until the other side closes. */
function raw(url: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(text));
    let got = "";
    socket.on("data", (chunk) => {
      got += chunk.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(got));
  });
}

function postExpecting(url: string, body: string): Promise<{ continued: boolean; status: number | undefined }> {
  return new Promise((resolve, reject) => {
    const headers = { expect: "100-continue", "content-length": Buffer.byteLength(body) };
    const request = httpRequest(url, { method: "POST", headers });
    let continued = false;
    request.on("continue", () => {
      continued = true;
      request.end(body);
    });
    request.on("response", (response) => {
      response.resume();
      resolve({ continued, status: response.statusCode });
      request.destroy();
    });
    request.on("error", reject);
    request.flushHeaders();
  });
}
