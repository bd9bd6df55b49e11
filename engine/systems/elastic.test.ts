/** Against a double that checks the bulk protocol: there is no Elasticsearch to be had as a package. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../core/event/json.ts";
import { type Bench, opened, outlivesRestarts, type Restartable, takesEvents } from "./contract.ts";
import { openElastic, parseElastic } from "./elastic.ts";
import { isSystemError } from "./failure.ts";
import { newMemory } from "./memory.ts";
import { searchDocument } from "./search-document.ts";
import { sendEvent } from "./send.ts";
import type { OpenedSystem } from "./system.ts";

/** Keeps documents by id as Elasticsearch does, and refuses what its bulk interface refuses. */
async function startDouble() {
  const documents = new Map<string, { index: string; text: string }>();
  const requests: { url: string; authorization: string; documents: number }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { url = "", method } = request;
    if (method === "HEAD") return void response.writeHead(url === "/events" ? 200 : 404).end();
    const pairs = readBulk(request, Buffer.concat(chunks).toString("utf8"));
    if (pairs === undefined) return void response.writeHead(400).end('{"error":"malformed"}');
    requests.push({ url, authorization: request.headers.authorization ?? "", documents: pairs.length });
    const statuses = pairs.map((pair) => double.statusOf(pair.id));
    if (double.status !== 200) return void response.writeHead(double.status).end();
    for (const [i, { index, id, text }] of pairs.entries()) if (statuses[i] === 201) documents.set(id, { index, text });
    const items = pairs.map(({ id }, i) => ({ index: { _id: id, status: statuses[i] } }));
    response.end(JSON.stringify({ errors: statuses.some((status) => status >= 300), items: double.items(items) }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const double = {
    documents,
    requests,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    status: 200,
    statusOf: (_id: string): number => 201,
    items: (items: object[]): object[] => items,
    async start() {
      server.listen(Number(new URL(double.url).port), "127.0.0.1");
      await once(server, "listening");
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return double;
}

/** NDJSON in pairs of action and document, a line end after the last; undefined: it is none. */
function readBulk(request: IncomingMessage, body: string) {
  if (request.headers["content-type"] !== "application/x-ndjson" || !body.endsWith("\n")) return undefined;
  const lines = body.slice(0, -1).split("\n");
  if (!request.url?.startsWith("/_bulk") || request.method !== "POST" || lines.length % 2 !== 0) return undefined;
  return lines.flatMap((line, i) => {
    if (i % 2 === 1) return [];
    const { _index: index, _id: id } = (JSON.parse(line) as { index: { _index: string; _id: string } }).index;
    const text = lines[i + 1] as string;
    JSON.parse(text);
    return [{ index, id, text }];
  });
}

type Double = Awaited<ReturnType<typeof startDouble>>;
let doubles: Double[] = [];
afterEach(async () => {
  await Promise.all(doubles.map((double) => double.close()));
  doubles = [];
});

async function newDouble(): Promise<Double> {
  const double = await startDouble();
  doubles.push(double);
  return double;
}

async function open(nodes: string, more = "", options: JsonObject = {}): Promise<OpenedSystem> {
  const parsed = parseElastic("ExternalSearchIndex", `elastic:index=events,nodes=${nodes}${more}`);
  if ("error" in parsed) throw new Error(parsed.error);
  return opened(openElastic(parsed, { name: "index", memory: newMemory(), options }));
}

async function openBench(more: string): Promise<Bench> {
  const double = await newDouble();
  const system = await open(double.url, more);
  return {
    opened: system,
    async arrived(id) {
      const text = double.documents.get(id)?.text;
      if (text === undefined) return undefined;
      return Buffer.from((JSON.parse(text) as { blob: string[] }).blob[0] as string, "base64").toString("utf8");
    },
    ids: async () => [...double.documents.keys()].sort(),
    end: () => system.close(),
  };
}

takesEvents("an index", () => openBench(""));
takesEvents("an index in bulk", () => openBench(",bulk=true"));

/** The double that was started last. */
const restartable = (): Restartable => {
  const double = doubles.at(-1) as Double;
  return { stop: () => double.close(), start: () => double.start() };
};
outlivesRestarts("an index", restartable, () => openBench(""));
outlivesRestarts("an index in bulk", restartable, () => openBench(",bulk=true"));

describe("an index", () => {
  const send = (system: OpenedSystem, id: string) => sendEvent(system.port, id, '{"a":1}');

  test("gets each document alone and at once visible, or many together", async () => {
    const double = await newDouble();
    const [single, bulk] = [await open(double.url), await open(double.url, ",bulk=true,bulkThreads=1")];
    await Promise.all(Array.from({ length: 20 }, (_, i) => send(single, `s-${i}`)));
    expect(double.requests.map(({ url, documents }) => [url, documents])).toEqual(
      Array(20).fill(["/_bulk?refresh=true", 1]),
    );
    double.requests.length = 0;
    await Promise.all(Array.from({ length: 20 }, (_, i) => send(bulk, `b-${i}`)));
    expect(double.requests.map(({ url, documents }) => [url, documents])).toEqual([
      ["/_bulk", 1],
      ["/_bulk", 19],
    ]);
    expect(double.documents.size).toBe(40);
    expect(double.documents.get("b-7")?.index).toBe("events");
    await Promise.all([single.close(), bulk.close()]);
  });

  test("answers for each document of a bulk on its own", async () => {
    const double = await newDouble();
    double.statusOf = (id) => (id === "no" ? 400 : id === "busy" ? 429 : 201);
    const system = await open(double.url, ",bulk=true,bulkThreads=1");
    const answers = await Promise.all(["first", "no", "busy", "yes"].map((id) => send(system, id)));
    expect(answers.map((answer) => (isSystemError(answer) ? [answer.code, answer.retryable] : "ok"))).toEqual([
      "ok",
      ["http400", false],
      ["http429", true],
      "ok",
    ]);
    expect([...double.documents.keys()]).toEqual(["first", "yes"]);
    await system.close();
  });

  test.each([
    [503, { code: "http503", retryable: true }],
    [401, { code: "http401", retryable: false }],
    [413, { code: "tooLarge", retryable: false }],
  ])("that answers %d to all has an error of that kind", async (status, expected) => {
    const double = await newDouble();
    double.status = status;
    const system = await open(double.url);
    expect(await send(system, "a")).toMatchObject(expected);
    await system.close();
  });

  test("whose reply does not tell of every document is asked again", async () => {
    const double = await newDouble();
    double.items = () => [];
    const system = await open(double.url);
    expect(await send(system, "a")).toMatchObject({ code: "badReply", retryable: true });
    await system.close();
  });

  test("has a second node where the first is gone, and is out of reach where all are", async () => {
    const [gone, there] = [await startDouble(), await newDouble()];
    await gone.close();
    const system = await open(`${gone.url};${there.url}`);
    expect(await send(system, "a")).toEqual({ reply: "" });
    expect([...there.documents.keys()]).toEqual(["a"]);
    const lost = await open(gone.url);
    expect(await send(lost, "a")).toMatchObject({ code: "ECONNREFUSED", retryable: true });
    expect(await lost.probe()).toMatchObject({ code: "ECONNREFUSED" });
    await Promise.all([system.close(), lost.close()]);
  });

  test.each<[string, JsonObject, string]>([
    [",authString=basic;ann;p;w=x", {}, `Basic ${Buffer.from("ann:p;w=x").toString("base64")}`],
    ["", { user: "ann", password: "pw" }, `Basic ${Buffer.from("ann:pw").toString("base64")}`],
    ["", { apiKey: "key" }, "ApiKey key"],
    ["", {}, ""],
  ])("is sent %s %j as %s", async (more, options, authorization) => {
    const double = await newDouble();
    const system = await open(double.url, more, options);
    await send(system, "a");
    expect(double.requests).toMatchObject([{ authorization }]);
    await system.close();
  });

  test("is probed without writing", async () => {
    const double = await newDouble();
    const system = await open(double.url);
    expect(await system.probe()).toEqual({ found: "index events is there, wrote nothing" });
    expect(double.documents.size).toBe(0);
    await system.close();
  });
});

describe("an elastic connection string", () => {
  test("shows no password, in metadata or refusals", () => {
    const text = "elastic:index=i,nodes=https://h:9200,authString=basic;ann;hunter2";
    expect(parseElastic("ExternalSearchIndex", text)).toMatchObject({
      outputType: "searchIndex",
      connectionString: "index=i,nodes=https://h:9200,authString=basic;***",
    });
  });

  test("of a cloud has its node in the cloud's id", () => {
    const id = `mine:${Buffer.from("eu.example.com$abc$def").toString("base64")}`;
    expect(parseElastic("ExternalSearchIndex", `elastic:index=i,nodes=,authString=cloud;${id};key`)).toMatchObject({
      nodes: ["https://abc.eu.example.com"],
      authorization: "ApiKey key",
    });
  });
});

test("what is indexed of an event is the original's form", () => {
  const event = {
    n: 1.5,
    word: "abc",
    words: "two words",
    long: "x".repeat(33),
    at: "2026-11-24T11:02:31.5+01:00",
    created: "2026-11-24T11:02:31Z",
    no: "2026-99-24T11:02:31Z",
    yes: true,
    nothing: null,
    list: [1],
    object: { a: 1 },
  };
  const bytes = Buffer.from(JSON.stringify(event));
  expect(searchDocument(bytes)).toEqual({
    numeric: [{ id: "n", value: 1.5 }],
    keywords: [
      { id: "word", value: "abc" },
      { id: "no", value: "2026-99-24T11:02:31Z" },
    ],
    text: [{ id: "words", value: "two words" }],
    date: [{ id: "at", value: "2026-11-24 10:02:31" }],
    blob: [bytes.toString("base64")],
    created: ["2026-11-24 11:02:31"],
  });
  for (const text of ["[]", "1", "no"]) expect(searchDocument(Buffer.from(text))).toBeUndefined();
});
