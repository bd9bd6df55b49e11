import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestStack, type TestStack } from "./stack.ts";

const drop = { redactor: { name: "drop-card", rules: [{ paths: ["**.card"], drop: true }] } };
const route = (name: string, more: object) => ({
  name,
  match: { paths: [`/${name}/**`] },
  request: { pipelines: ["guard"], ...more },
});

describe("bodies no well-meaning client sends, through a real Envoy", () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack({
      pipelines: [{ name: "guard", processes: [{ name: "drop-card" }] }],
      processDefinitions: [drop],
      http: {
        version: 1,
        routes: [
          route("strict", { limits: { bodyBytes: 100_000 } }),
          route("lenient", { limits: { bodyBytes: 100_000 }, onFault: "pass" }),
        ],
      },
    });
  }, 60_000);
  afterAll(() => stack.stop());

  async function send(path: string, body: string | Uint8Array, headers: { [name: string]: string } = {}) {
    const before = stack.upstream.raw.length;
    const answer = await stack.client.ask({ path, body, headers: { "content-type": "application/json", ...headers } });
    return { ...answer, reached: stack.upstream.raw[before] };
  }

  const deep = `{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
  const bad: [string, string | Uint8Array, { [name: string]: string }, number][] = [
    ["broken JSON", '{"card":"4111"', {}, 400],
    ["white space", "  ", {}, 400],
    ["duplicate keys", '{"card":"4111","card":1}', {}, 400],
    ["duplicate keys, one escaped", '{"card":"4111","c\\u0061rd":1}', {}, 400],
    ["duplicate __proto__", '{"__proto__":1,"__proto__":{"card":1}}', {}, 400],
    ["invalid UTF-8", Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]), {}, 400],
    ["an overlong encoding", Buffer.from([0x7b, 0x22, 0xc1, 0xa1, 0x22, 0x3a, 0x31, 0x7d]), {}, 400],
    ["a byte order mark", '\ufeff{"card":"4111"}', {}, 400],
    ["10,000 levels", deep, {}, 400],
    ["too large a body", `{"a":"${"x".repeat(100_000)}"}`, {}, 413],
    ["another content type", '{"card":"4111"}', { "content-type": "text/plain" }, 415],
    ["another charset", '{"card":"4111"}', { "content-type": "application/json; charset=utf-7" }, 415],
    ["a compressed body", '{"card":"4111"}', { "content-encoding": "gzip" }, 400],
    ["a scalar", '"4111"', {}, 400],
  ];
  test.each(bad)(
    "%s is refused where a rule guards, and nothing reaches the upstream",
    async (_title, body, headers, status) => {
      const answer = await send("/strict/x", body, headers);
      expect(answer.status).toBe(status);
      expect(answer.reached).toBeUndefined();
      expect(answer.headers["content-type"]).toBe("application/problem+json");
      expect(JSON.parse(answer.body.toString())).toMatchObject({ status });
      expect(answer.body.toString()).not.toContain("4111");
    },
  );

  test.each(bad)("%s passes where the route says so, byte for byte", async (_title, body, headers) => {
    const answer = await send("/lenient/x", body, headers);
    expect(answer.status).toBe(200);
    expect(answer.reached).toEqual(Buffer.from(body));
  });

  const good: [string, string][] = [
    ["__proto__", '{"__proto__":{"x":1}}'],
    ["keys that begin with internal:", '{"internal:http":{"path":"/admin"},"internal:name":"x"}'],
    ["a number of 30 digits", '{"n":123456789012345678901234567890, "m" : 1.0}'],
    ["odd spacing and escapes", ' {\t"\\u0061"\n:\r"\\/\\ud83d\\ude00\\ud800" } '],
    ["an empty object", "{}"],
    ["no body at all", ""],
  ];
  test.each(good)("%s passes untouched", async (_title, body) => {
    const answer = await send("/strict/x", body);
    expect(answer.status).toBe(200);
    expect(answer.reached).toEqual(Buffer.from(body));
  });

  test("what no rule touched stays to the byte when something else changes", async () => {
    const answer = await send(
      "/strict/x",
      '{ "n":123456789012345678901234567890 ,"card":"4111", "m" : 1.0,"internal:x":1}',
    );
    expect(answer.reached?.toString()).toBe('{ "n":123456789012345678901234567890 , "m" : 1.0,"internal:x":1}');
  });

  test.each([
    "/%73trict/x",
    "//strict/x",
    "/./strict/x",
    "/a/../strict/x",
    "/strict/../strict/x",
    "/strict/x?y=/lenient/",
  ])("the rule is not slipped past by writing the path %s", async (path) => {
    const answer = await send(path, '{"card":"4111"}');
    if (answer.status === 200) expect(answer.reached?.toString()).toBe("{}");
    else expect(answer.reached).toBeUndefined();
  });

  test("after all that the server is up", async () => {
    expect((await send("/strict/x", '{"card":1,"b":2}')).reached?.toString()).toBe('{"b":2}');
  });
});

test("a tee whose target is down delays nothing; the loss is counted", async () => {
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(0, "127.0.0.1", resolve));
  const { port } = dead.address() as AddressInfo;
  await new Promise((resolve) => dead.close(resolve));
  const stack = await startTestStack({
    pipelines: [{ name: "mirror", processes: [{ name: "tee" }] }],
    processDefinitions: [{ tee: { name: "tee", outputConnectorRef: "down" } }],
    externalSystems: [{ externalType: "ExternalHttp", name: "down", connectionString: `http://127.0.0.1:${port}/` }],
    http: { version: 1, routes: [{ name: "all", request: { pipelines: ["mirror"] } }] },
  });
  try {
    for (let i = 0; i < 50; i++) {
      const answer = await stack.client.ask({ body: `{"i":${i}}` });
      expect(answer.status).toBe(200);
    }
    const dropped = () => {
      const rows = stack.runtime.counters.snapshot().filter((row) => row.name === "teeDropped");
      return rows.reduce((sum, row) => sum + row.value, 0);
    };
    // Every answer is here while copies are still on their way or wait for a retry; the first may have had all of its own.
    const waiting = stack.runtime.queued().events;
    expect(waiting).toBeGreaterThan(0);
    expect(waiting + dropped()).toBe(50);
    await stack.runtime.close(0);
    expect(dropped()).toBe(50);
  } finally {
    await stack.stop();
  }
}, 60_000);
