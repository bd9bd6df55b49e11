/** Copies out of a real nginx: to an endpoint and to a file, none late, none lost uncounted; and counts of one host. */
import { mkdtempSync, readFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NginxStack, startNginxStack, targetsHere } from "./stack.ts";

type Copy = { body: string; headers: { [name: string]: string | string[] | undefined } };
type Sink = { url: string; copies: Copy[]; answer: (response: ServerResponse) => void; stop(): void };

async function startSink(): Promise<Sink> {
  const sink: Sink = { url: "", copies: [], answer: (response) => response.end(), stop: () => server.close() };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      sink.copies.push({ body: Buffer.concat(chunks).toString(), headers: request.headers });
      sink.answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  sink.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in?x=1`;
  return sink;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(20);
}

const limits = { depth: 31, deadlineMs: 10_000 };
const configFor = (url: string, folder: string) => ({
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  pipelines: [
    { name: "mirror", processes: [{ name: "to-sink" }, { name: "to-file" }, { name: "mark" }] },
    { name: "refuse", processes: [{ name: "to-file" }, { name: "no" }, { name: "to-sink" }] },
    { name: "back", processes: [{ name: "to-sink" }] },
  ],
  processDefinitions: [
    {
      tee: { name: "to-sink", outputConnectorRef: "sink", transformerRef: "small", additionalBody: { from: "nginx" } },
    },
    { tee: { name: "to-file", outputConnectorRef: "my folder" } },
    {
      transformer: {
        name: "small",
        specs: [
          { sourceField: "id", targetField: "copied.id", transformation: { transformationType: "TransformCopy" } },
        ],
      },
    },
    { annotator: { name: "mark", annotations: [{ fieldKey: "seen", value: "yes" }] } },
    { filter: { name: "no", condition: {} } },
  ],
  externalSystems: [
    { externalType: "ExternalHttp", name: "sink", connectionString: url },
    { externalType: "ExternalLocalFile", name: "my folder", connectionString: folder },
  ],
  http: {
    version: 1,
    routes: [
      { name: "mirror", match: { paths: ["/mirror"] }, request: { pipelines: ["mirror"], limits } },
      { name: "refuse", match: { paths: ["/refuse"] }, request: { pipelines: ["refuse"], limits } },
      { name: "back", match: { paths: ["/back"] }, response: { pipelines: ["back"], limits } },
    ],
  },
});

describe.each(await targetsHere())("$target", (here) => {
  const folder = mkdtempSync(join(tmpdir(), "agglo-copies-"));
  const lines = () => readFileSync(join(folder, "my_folder.ndjson"), "utf8").split("\n").slice(0, -1);
  /** ids of copies in the file; nginx writes them once a second */
  const filed = (from: number, to: number) =>
    lines()
      .map((line) => (JSON.parse(line) as { id: number }).id)
      .filter((id) => id >= from && id <= to);
  const counts = here.target !== "njs-0.7.9";
  let sink: Sink;
  let stack: NginxStack;
  beforeAll(async () => {
    await chmod(folder, 0o777);
    sink = await startSink();
    stack = await startNginxStack(configFor(sink.url, folder), here);
  });
  afterAll(async () => {
    await stack.stop();
    sink.stop();
  });

  const post = (path: string, body: string, headers: object = {}) =>
    stack.client.ask({ path, body, headers: { "content-type": "application/json", ...headers } });

  test("a copy is what the tee makes of the event, with an id and nothing of the client's", async () => {
    const { status, body } = await post("/mirror", '{"id": 7,"x":"é"}', {
      cookie: "secret=1",
      authorization: "Bearer x",
    });
    expect([status, JSON.parse(body.toString()).body]).toEqual([200, { id: 7, x: "é", seen: "yes" }]);
    await until(() => sink.copies.length === 1);
    const [copy] = sink.copies;
    expect(JSON.parse(copy?.body ?? "")).toEqual({ copied: { id: 7 }, from: "nginx" });
    expect(copy?.headers["content-type"]).toBe("application/json");
    expect(copy?.headers["idempotency-key"]).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect([copy?.headers.cookie, copy?.headers.authorization]).toEqual([undefined, undefined]);
  });

  test("of a file's copies each is a line, whatever white space it came with", async () => {
    await post("/mirror", '[{"id":11,\n "s":"\\n"},\r\n{"id":12}]');
    await until(() => filed(11, 12).length === 2);
    const mine = lines().map((line) => JSON.parse(line) as { id: number });
    expect(mine.filter(({ id }) => id === 11 || id === 12)).toEqual([{ id: 11, s: "\n" }, { id: 12 }]);
  });

  test("a tee before a refusal sees it, one behind it does not", async () => {
    expect((await post("/refuse", '{"id":21}')).status).toBe(403);
    await until(() => filed(21, 21).length === 1);
    await post("/mirror", '{"id":22}');
    await until(() => sink.copies.some((copy) => copy.body.includes('"id":22')));
    expect(sink.copies.some((copy) => copy.body.includes('"id":21'))).toBe(false);
  });

  test("responses are copied too, and go on untouched, with their length", async () => {
    const copied = sink.copies.length;
    const { headers, body } = await stack.client.ask({ method: "GET", path: "/back", headers: {} });
    expect(headers["transfer-encoding"] ?? headers["content-length"]).toBeDefined();
    await until(() => sink.copies.length > copied);
    expect(JSON.parse(sink.copies.at(-1)?.body ?? "")).toEqual({ from: "nginx" });
    expect(JSON.parse(body.toString()).path).toBe("/back");
  });

  test("every one of many arrives once", async () => {
    const copied = sink.copies.length;
    const ids = Array.from({ length: 500 }, (_, i) => 1000 + i);
    const answers = await Promise.all(ids.map((id) => post("/mirror", `{"id":${id}}`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await until(() => sink.copies.length >= copied + ids.length && filed(1000, 1499).length >= ids.length);
    const arrived = sink.copies.slice(copied).map((copy) => JSON.parse(copy.body).copied.id as number);
    expect(arrived.sort((a, b) => a - b)).toEqual(ids);
    expect(filed(1000, 1499).sort((a, b) => a - b)).toEqual(ids);
  });

  test("a sink that does not answer delays nobody's answer, and what it does not take is counted", async () => {
    const held: ServerResponse[] = [];
    sink.answer = (response) => held.push(response);
    const copied = sink.copies.length;
    expect((await post("/mirror", '{"id":5}')).status).toBe(200);
    await until(() => sink.copies.length > copied);
    sink.answer = (response) => {
      response.statusCode = 400;
      response.end();
    };
    for (const response of held) sink.answer(response);
    const dropped = async () =>
      counts ? ((await stack.status()).counters["teeDropped|sink|refused"] ?? 0) : droppedLines(stack).length;
    await until(async () => (await dropped()) > 0);
    sink.answer = (response) => response.end();
  });

  if (counts) {
    test("a sink that is away gets its copies when it is back; offered = sent + dropped + queued", async () => {
      sink.answer = (response) => {
        response.statusCode = 503;
        response.end();
      };
      await post("/mirror", '{"id":6}');
      await until(() => sink.copies.some((copy) => copy.body.includes('"id":6')));
      sink.answer = (response) => response.end();
      await until(async () => (await stack.status()).queued === 0);
      const { counters } = await stack.status();
      const of = (name: string) => counters[name] ?? 0;
      expect(of("teeOffered|sink")).toBe(of("teeSent|sink") + of("teeDropped|sink|refused"));
      expect(sink.copies.filter((copy) => copy.body.includes('"id":6')).length).toBeGreaterThan(1);
    });
  } else {
    test("without a queue a copy has one try: a sink that is away costs it, and a line in the log", async () => {
      const before = droppedLines(stack).length;
      sink.answer = (response) => {
        response.statusCode = 503;
        response.end();
      };
      await post("/mirror", '{"id":6}');
      await until(() => droppedLines(stack).length > before);
      sink.answer = (response) => response.end();
      await post("/mirror", '{"id":7}');
      await until(() => sink.copies.some((copy) => copy.body.includes('"id":7')));
      expect(sink.copies.filter((copy) => copy.body.includes('"id":6')).length).toBe(1);
      expect(droppedLines(stack).length).toBe(before + 1);
    });
  }

  test("nothing of agglo's own is reached from outside", async () => {
    const { status } = await post("/agglo_tee/0", "{}");
    expect(status).toBe(here.target === "njs-0.7.9" ? 404 : 200);
  });
});

function droppedLines(stack: NginxStack): string[] {
  return stack.nginx.read("logs/agglo-dropped.log").split("\n").slice(0, -1);
}

describe.each((await targetsHere()).filter(({ target }) => target !== "njs-0.7.9"))("$target", (here) => {
  test("counts, sums and extremes of one host are exact, whichever worker had the event", async () => {
    const aggregate = (name: string, aggregationType: string, groupByKeys: string[] = []) => ({
      aggregator: {
        name,
        stateStore: "state",
        forwardState: name === "max",
        aggregation: { key: "n", aggregationType, groupByKeys },
      },
    });
    const stack = await startNginxStack(
      {
        partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        pipelines: [{ name: "count", processes: ["sum", "min", "max"].map((name) => ({ name })) }],
        processDefinitions: [
          aggregate("sum", "AggSum", ["kind"]),
          aggregate("min", "AggMin"),
          aggregate("max", "AggMax"),
        ],
        externalSystems: [{ externalType: "ExternalKVStore", name: "state", connectionString: "mem:x" }],
        http: {
          version: 1,
          routes: [
            {
              name: "r",
              request: { pipelines: ["count"], limits, setHeaders: { "x-state": "{internal:aggregation:count}" } },
            },
          ],
        },
      },
      here,
      { change: (_name, text) => text.replace("worker_processes auto", "worker_processes 2") },
    );
    try {
      const numbers = Array.from({ length: 400 }, (_, i) => i - 100);
      const headers = { "content-type": "application/json" };
      const kindOf = (n: number) => (n % 2 === 0 ? "even" : 'o"dd');
      const bodies = numbers.map((n) => JSON.stringify({ n, kind: kindOf(n) }));
      await Promise.all(bodies.map((body) => stack.client.ask({ body, headers })));
      await stack.client.ask({ body: "{}", headers });
      const sum = (kind: number) => numbers.filter((n) => Math.abs(n % 2) === kind).reduce((a, b) => a + b);
      expect(JSON.parse(String(stack.upstream.reached.at(-1)?.headers["x-state"]))).toEqual({
        "n:AggSum": { even: { value: sum(0) }, 'o"dd': { value: sum(1) } },
        "n:AggMin": { value: -100 },
        "n:AggMax": { value: 299 },
      });
    } finally {
      await stack.stop();
    }
  });
});
