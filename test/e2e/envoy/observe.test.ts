import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestStack, type TestStack } from "./stack.ts";

const file = {
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  pipelines: [
    { name: "refuses", processes: [{ name: "no-bad" }] },
    { name: "marks", processes: [{ name: "mark" }, { name: "mirror" }] },
    { name: "mirrors", processes: [{ name: "mirror" }] },
  ],
  processDefinitions: [
    { filter: { name: "no-bad", condition: { exists: { ops: [{ key: "bad", op: "Exists" }] } } } },
    { annotator: { name: "mark", annotations: [{ fieldKey: "m", value: "x" }] } },
    { tee: { name: "mirror", outputConnectorRef: "copies" } },
  ],
  externalSystems: [{ externalType: "ExternalObjectStore", name: "copies", connectionString: "mem:copies" }],
};

describe("a file without http, behind a real Envoy", () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack(file);
  });
  afterAll(() => stack.stop());

  async function copies(count: number): Promise<object[]> {
    const store = stack.runtime.memory.objectStore("copies");
    await vi.waitFor(() => expect(store.keys()).toHaveLength(count));
    const values = await Promise.all(store.keys().map((key) => store.get(key)));
    return values.map((value) => JSON.parse(Buffer.from(value as Uint8Array).toString("utf8")) as object);
  }

  test("changes nothing, and every pipeline gets the event as it came in", async () => {
    const body = '{ "bad": 1.50 }';
    const headers = { "content-type": "application/json", "accept-encoding": "gzip", range: "bytes=0-3" };
    const answer = await stack.client.ask({ path: "/anything", headers, body });
    expect(answer.status).toBe(200);
    expect(stack.upstream.reached[0]).toMatchObject({
      body,
      headers: { "accept-encoding": "gzip", range: "bytes=0-3" },
    });
    expect(await copies(2)).toEqual([
      expect.objectContaining({ bad: 1.5, m: "x", "internal:name": "marks" }),
      expect.objectContaining({ bad: 1.5, "internal:name": "mirrors" }),
    ]);
    await vi.waitFor(() => expect(stack.verdicts).toHaveLength(1)); // nobody waits for it
    expect(stack.verdicts[0]?.verdict.would).toMatchObject({ kind: "refused", pipeline: "refuses" });
  });

  test.each([
    ["another media type", { "content-type": "text/plain" }, "hello"],
    ["no JSON", { "content-type": "application/json" }, "{"],
    ["no body", {}, undefined],
    ["more than the limit", { "content-type": "application/json" }, `{"a":"${"x".repeat(2_000_000)}"}`],
  ])("%s passes as it came", async (_title, headers, body) => {
    const answer = await stack.client.ask({ headers, ...(body === undefined ? { method: "GET" } : { body }) });
    expect(answer.status).toBe(200);
    expect(stack.upstream.reached.at(-1)?.body).toBe(body ?? "");
  });
});

describe("a dry run, behind a real Envoy", () => {
  let stack: TestStack;
  beforeAll(async () => {
    const { partitionUuid, ...rest } = file;
    const sections = { request: { pipelines: ["refuses"] }, response: { pipelines: ["marks"] } };
    const lines = { http: { version: 1, routes: [{ name: "dry", enforce: false, ...sections }] } };
    stack = await startTestStack({ ...rest, ...lines }, async (_seen, response) => {
      response.writeHead(200, { "content-type": "application/json", etag: '"1"' });
      response.write('{"a":');
      await delay(1); // chunked, in pieces
      response.end("1}");
    });
  });
  afterAll(() => stack.stop());

  test("neither refuses a request nor rewrites a response, and says what it would have done", async () => {
    const { status, headers, body } = await stack.client.ask({ body: '{"bad":1}' });
    expect({ status, etag: headers.etag, body: body.toString() }).toEqual({
      status: 200,
      etag: '"1"',
      body: '{"a":1}',
    });
    await vi.waitFor(() => expect(stack.verdicts).toHaveLength(2));
    expect(stack.verdicts.map(({ direction, verdict }) => [direction, verdict.kind, verdict.would?.kind])).toEqual([
      ["request", "passed", "refused"],
      ["response", "passed", "changed"],
    ]);
  });
});
