import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startTestStack, type TestStack } from "./stack.ts";

const redact = { pipelines: ["cover"] };
const refuse = { pipelines: ["check"] };
const audit = { pipelines: ["audit"], bodyBytes: 64 };
const file = {
  pipelines: [
    { name: "audit", processes: [{ name: "mirror" }] },
    { name: "cover", processes: [{ name: "cards" }] },
    { name: "check", processes: [{ name: "no-bad" }] },
  ],
  processDefinitions: [
    { tee: { name: "mirror", outputConnectorRef: "audit" } },
    { redactor: { name: "cards", rules: [{ paths: ["card"], mask: { keepLast: 4 } }] } },
    { filter: { name: "no-bad", condition: { exists: { ops: [{ key: "bad", op: "Exists" }] } } } },
  ],
  externalSystems: [{ externalType: "ExternalObjectStore", name: "audit", connectionString: "mem:audit" }],
  http: {
    version: 1,
    routes: [
      { name: "guarded", match: { paths: ["/guarded"] }, request: refuse, response: redact, exchange: audit },
      { name: "looked-at", match: { paths: ["/looked-at"] }, exchange: audit },
      { name: "half", match: { paths: ["/half"] }, request: redact, exchange: audit },
    ],
  },
};

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack(file, (_seen, response) => {
    response.writeHead(201, { "content-type": "application/json", "set-cookie": "a=b", "x-up": "1" });
    response.end('{"card":"4111111111111111"}');
  });
});
afterAll(() => stack.stop());

type Audit = { [key: string]: unknown } & { request: { [key: string]: unknown }; response: { [key: string]: unknown } };

async function audited(request: Parameters<TestStack["client"]["ask"]>[0]): Promise<Audit> {
  const store = stack.runtime.memory.objectStore("audit");
  const before = store.keys();
  await stack.client.ask(request);
  const fresh = () => store.keys().filter((key) => !before.includes(key));
  await vi.waitFor(() => expect(fresh()).toHaveLength(1), 8000);
  return JSON.parse(Buffer.from((await store.get(fresh()[0] as string)) as Uint8Array).toString()) as Audit;
}

test("one event tells of all of an exchange, as it went on from here", async () => {
  const headers = { "content-type": "application/json", authorization: "Bearer secret", "x-tenant": "acme" };
  const event = await audited({ path: "/guarded?a=1", headers, body: '{"n":1.50}' });
  expect(event).toMatchObject({
    route: "guarded",
    status: 201,
    verdict: { request: "passed", response: "changed" },
    request: { method: "POST", path: "/guarded", query: { a: "1" }, body: { n: 1.5 } },
    response: { status: 201, headers: { "x-up": "1" }, body: { card: "************1111" } },
  });
  expect(event.request.headers).toMatchObject({ "x-tenant": "acme" });
  expect(JSON.stringify(event)).not.toMatch(/secret|a=b/);
  expect(event.durationMs).toBeGreaterThanOrEqual(0);
});

test("a refused request has no response", async () => {
  const event = await audited({ path: "/guarded", body: '{"bad":1}' });
  expect(event).toMatchObject({ status: 403, rule: "no-bad", verdict: { request: "refused", response: "" } });
  expect(event.response).toBeUndefined();
  expect(event.request.body).toBeUndefined();
});

test("a route that has nothing else is only looked at, bodies as far as bodyBytes", async () => {
  const body = `{"text":"${"ä".repeat(100)}"}`;
  const event = await audited({ path: "/looked-at", body });
  expect(stack.upstream.reached.at(-1)).toMatchObject({
    body,
    headers: { "content-length": String(Buffer.byteLength(body)) },
  });
  expect(event).toMatchObject({
    status: 201,
    request: { truncated: true },
    response: { body: { card: "4111111111111111" } },
  });
  expect(event.request.body).toBe(body.slice(0, 9 + 27)); // 64 bytes, no half character
});

test("a body that no section reads is looked at as it passes", async () => {
  const event = await audited({ path: "/half", body: '{"card":"4111111111111111"}' });
  expect(event).toMatchObject({
    verdict: { request: "changed", response: "" },
    request: { body: { card: "************1111" } },
    response: { body: { card: "4111111111111111" } },
  });
});
