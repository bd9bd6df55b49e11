import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newClient } from "./client.ts";
import { startTestStack, type TestStack } from "./stack.ts";

/** An HTTP endpoint that can be slow, gone and back at its old address. Remembers the events that it took. */
type Endpoint = {
  url: string;
  taken: Set<string>;
  delayMs: number;
  stop(): Promise<void>;
  restart(): Promise<void>;
};

async function startEndpoint(reply: string): Promise<Endpoint> {
  let server: Server | undefined;
  let port = 0;
  const endpoint: Endpoint = {
    url: "",
    taken: new Set(),
    delayMs: 0,
    async stop() {
      const stopping = server;
      server = undefined;
      if (stopping === undefined) return;
      const closed = new Promise((resolve) => stopping.close(resolve));
      stopping.closeAllConnections();
      await closed;
    },
    async restart() {
      const started = createServer((request, response) => void take(endpoint, request, response, reply));
      await new Promise<void>((resolve) => started.listen(port, "127.0.0.1", resolve));
      port = (started.address() as AddressInfo).port;
      server = started;
    },
  };
  await endpoint.restart();
  endpoint.url = `http://127.0.0.1:${port}/`;
  return endpoint;
}

async function take(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse, reply: string) {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return; // stopped while it was sent
  }
  const coded = Buffer.concat(chunks);
  const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(coded) : coded;
  if (endpoint.delayMs > 0) await delay(endpoint.delayMs);
  for (const line of body.toString().trimEnd().split("\n")) {
    endpoint.taken.add((JSON.parse(line) as { id: string }).id);
  }
  response.end(reply);
}

const tee = (name: string, target: string, more: object = {}) => ({
  tee: { name, outputConnectorRef: target, ...more },
});
const web = (name: string, endpoint: Endpoint) => ({
  externalType: "ExternalHttp",
  name,
  connectionString: endpoint.url,
});

describe("traffic mirrored through a real Envoy while the targets are slowed, stopped and restarted", () => {
  const TARGETS = ["events", "batches"] as const;
  let stack: TestStack;
  let endpoints: { [target in (typeof TARGETS)[number]]: Endpoint };
  let client: ReturnType<typeof newClient>;
  let requests = 0;

  beforeAll(async () => {
    endpoints = { events: await startEndpoint(""), batches: await startEndpoint("") };
    const batch = { events: 50, seconds: 0.2, codec: "ndjson.gz" };
    stack = await startTestStack(
      {
        pipelines: [{ name: "mirror", processes: [{ name: "one" }, { name: "many" }] }],
        processDefinitions: [tee("one", "events"), tee("many", "batches", { batch })],
        externalSystems: [web("events", endpoints.events), web("batches", endpoints.batches)],
        http: { version: 1, routes: [{ name: "all", request: { pipelines: ["mirror"] } }] },
      },
      (_seen, response) => response.end("ok"),
      { memoryBytes: 16 * 1024 * 1024 }, // 2 MiB for the copies to each target: 1,000 of them
    );
    client = newClient(stack.envoy.port, 16);
  }, 60_000);
  afterAll(async () => {
    client.close();
    await stack.stop();
    await Promise.all(TARGETS.map((target) => endpoints[target].stop()));
  });

  async function ask(): Promise<void> {
    const body = JSON.stringify({ id: `event-${requests++}`, text: "x".repeat(1500) });
    expect((await client.ask({ body })).status).toBe(200);
  }

  /** So many requests, 16 at a time; every one must be answered as if there were no tee. */
  async function send(count: number): Promise<void> {
    const end = requests + count;
    const worker = async () => {
      while (requests < end) {
        await ask();
        if (requests % 50 === 0) checkAccounts();
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    checkAccounts();
  }

  const count = (name: string, target: string): number => {
    const rows = stack.runtime.counters.snapshot();
    const own = rows.filter((row) => row.name === name && (row.label === target || row.label.startsWith(`${target}|`)));
    return own.reduce((sum, row) => sum + row.value, 0);
  };
  const waiting = (target: string) =>
    stack.runtime.queued().targets.find(({ name }) => name === target) ?? { events: 0, bytes: 0, down: false };

  /** received = delivered + dropped + queued, for each target, and memory within its bound. */
  function checkAccounts(): void {
    for (const target of TARGETS) {
      const sent = count("teeSent", target);
      const dropped = count("teeDropped", target);
      expect(sent + dropped + waiting(target).events).toBe(count("teeOffered", target));
      // Sent is what the target took; it may have taken what we did not hear of.
      expect(endpoints[target].taken.size).toBeGreaterThanOrEqual(sent);
      expect(waiting(target).bytes).toBeLessThanOrEqual(2 * 1024 * 1024);
    }
  }

  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await delay(20);
  }
  const queued = () => stack.runtime.queued().events;

  test("no request fails, none is delayed for ever, and no copy is unexplained", async () => {
    await send(500);
    for (const target of TARGETS) endpoints[target].delayMs = 50;
    await send(500);
    await Promise.all(TARGETS.map((target) => endpoints[target].stop()));
    await send(2500);
    await until(() => TARGETS.every((target) => waiting(target).down));
    for (const target of TARGETS) {
      expect(count("teeDropped", target), `${target} stands still and has room for 1,000`).toBeGreaterThan(500);
      endpoints[target].delayMs = 0;
      await endpoints[target].restart();
    }
    await until(() => queued() === 0);
    expect(TARGETS.map((target) => waiting(target).down)).toEqual([false, false]);
    await send(500);
    await until(() => queued() === 0);
    checkAccounts();
    for (const target of TARGETS) {
      expect(count("teeOffered", target)).toBe(requests);
      expect(count("teeSent", target) + count("teeDropped", target)).toBe(requests);
      const { taken } = endpoints[target];
      expect(taken.size).toBeLessThanOrEqual(requests);
      // The last ones came when all was well.
      for (let i = requests - 500; i < requests; i++) expect(taken).toContain(`event-${i}`);
    }
  }, 120_000);
});

test("a tee whose result a later process reads is waited for, and the message goes on with it", async () => {
  const scores = await startEndpoint('{"risk":"high"}');
  const specs = [
    {
      sourceField: "internal:tee:output.0.response.risk",
      targetField: "risk",
      transformation: { transformationType: "TransformCopy" },
    },
  ];
  const stack = await startTestStack({
    pipelines: [{ name: "score", processes: [{ name: "ask" }, { name: "note" }] }],
    processDefinitions: [tee("ask", "scores"), { transformer: { name: "note", forwardInputFields: true, specs } }],
    externalSystems: [web("scores", scores)],
    http: { version: 1, routes: [{ name: "all", request: { pipelines: ["score"], limits: { deadlineMs: 1000 } } }] },
  });
  try {
    const answer = await stack.client.ask({ body: '{"id":"1"}' });
    expect(answer.status).toBe(200);
    expect(stack.upstream.reached.at(-1)?.body).toBe('{"id":"1","risk":"high"}');
    expect([...scores.taken]).toEqual(["1"]);
    scores.delayMs = 5000;
    const slow = await stack.client.ask({ body: '{"id":"3"}' });
    expect([slow.status, slow.headers["content-type"]]).toEqual([504, "application/problem+json"]); // ours, not Envoy's
    await scores.stop();
    expect((await stack.client.ask({ body: '{"id":"2"}' })).status).toBe(500); // it changes the body: it guards
  } finally {
    await stack.stop();
    await scores.stop();
  }
}, 60_000);
