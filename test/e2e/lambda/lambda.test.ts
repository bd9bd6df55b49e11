/** The bundled function in a container of its own, invoked over the runtime API, as Lambda does. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startBinge } from "../../../cli/testing.ts";
import { type Came, type LambdaFunction, startFunction } from "./emulator.ts";

const folder = mkdtempSync(join(tmpdir(), "agglo-lambda-test-"));
const copies: string[] = [];
let sink: Server;
/** while true the sink takes copies and never answers */
let hangs = false;
let lambda: LambdaFunction;

/** A pipeline that can refuse, fail, hang and count; the last one forwards what it counted. */
const config = () => ({
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  pipelines: [
    { name: "check", processes: [{ name: "has-id" }] },
    { name: "copy", processes: [{ name: "to-copy" }, { name: "mirror" }] },
    { name: "count", processes: [{ name: "mark" }, { name: "sum" }] },
  ],
  processDefinitions: [
    { filter: { name: "has-id", unless: "has(event.id)", reject: { status: 422, body: { error: "no id" } } } },
    { continuation: { name: "to-copy", condition: "has(event.copy)" } },
    { tee: { name: "mirror", outputConnectorRef: "sink" } },
    { annotator: { name: "mark", annotations: [{ fieldKey: "seen", value: "yes" }] } },
    {
      aggregator: {
        name: "sum",
        stateStore: "state",
        forwardState: true,
        aggregation: { key: "amount", aggregationType: "AggSum" },
      },
    },
  ],
  externalSystems: [
    { externalType: "ExternalKVStore", name: "state", connectionString: "mem:state" },
    {
      externalType: "ExternalHttp",
      name: "sink",
      connectionString: `http://127.0.0.1:${(sink.address() as AddressInfo).port}/`,
      options: { secretHeaders: { authorization: "${env:SINK_TOKEN}" } },
    },
  ],
});

async function bundle(name: string, content: object): Promise<{ code: number | null; stdout: string; stderr: string }> {
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(content));
  return startBinge(["lambda", "--config", `${name}.json`, "--out", `${name}.zip`], folder).ended;
}

beforeAll(async () => {
  sink = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      copies.push(Buffer.concat(chunks).toString());
      if (!hangs) response.end();
    });
  });
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
  expect(await bundle("all", config())).toMatchObject({ code: 0 });
  lambda = await startFunction(join(folder, "all.zip"), { SINK_TOKEN: "a secret" });
});
afterAll(async () => {
  await lambda.stop();
  sink.closeAllConnections();
  sink.close();
  rmSync(folder, { recursive: true, force: true });
});

function resultOf(came: Came): unknown {
  if ("error" in came) throw new Error(came.error.errorMessage);
  return came.result;
}

const b64 = (text: string | Buffer) => Buffer.from(text).toString("base64");

const sqs = (bodies: readonly string[], group?: string) => ({
  Records: bodies.map((body, i) => ({
    messageId: `m-${i}`,
    receiptHandle: "r",
    body,
    attributes: { ApproximateReceiveCount: "1", ...(group === undefined ? {} : { MessageGroupId: group }) },
    messageAttributes: {},
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:orders",
  })),
});

const kinesis = (data: readonly (string | Buffer)[]) => ({
  Records: data.map((each, i) => ({
    kinesis: {
      partitionKey: "p",
      sequenceNumber: `4959033827149025660855969253836157109592157598913658${i}`,
      data: b64(each),
    },
    eventSource: "aws:kinesis",
    eventID: `shardId-000000000006:4959${i}`,
    eventName: "aws:kinesis:record",
  })),
});

const restRequest = (body: string | null, more: object = {}) => ({
  resource: "/{proxy+}",
  path: "/events",
  httpMethod: "POST",
  headers: { "Content-Type": "application/json", Accept: "*/*" },
  queryStringParameters: null,
  requestContext: { resourcePath: "/{proxy+}", httpMethod: "POST", stage: "prod" },
  body,
  isBase64Encoded: false,
  ...more,
});

const httpRequest = (body: string | undefined, more: object = {}) => ({
  version: "2.0",
  routeKey: "$default",
  rawPath: "/events",
  rawQueryString: "",
  headers: { "content-type": "application/json" },
  requestContext: { http: { method: "POST", path: "/events" }, requestId: "r", stage: "$default" },
  ...(body === undefined ? {} : { body }),
  isBase64Encoded: false,
  ...more,
});

type HttpAnswer = { statusCode: number; headers: { [name: string]: string }; body: string };
const ask = async (payload: object) => resultOf(await lambda.invoke(payload)) as HttpAnswer;
type Event = { [key: string]: unknown };

describe("an event by itself", () => {
  test("comes back as the last pipeline left it, with the state of the container", async () => {
    const states = [];
    for (const amount of [1, 2, 3]) {
      const event = resultOf(await lambda.invoke({ id: 1, amount })) as Event;
      expect(event).toMatchObject({ id: 1, amount, seen: "yes", "internal:name": "count" });
      states.push(event["internal:aggregation:count"]);
    }
    expect(states.map((state) => JSON.stringify(state))).toEqual(
      [1, 3, 6].map((sum) => expect.stringContaining(`${sum}`)),
    );
    expect(lambda.containers()).toBe(1);
  });

  test.each([
    ["refused", { amount: 1 }, "check: refused by has-id"],
    ["failing", { id: 1, amount: "a secret" }, /^count, sum: (?!.*secret)/],
    ["no object", [1], "not a JSON object"],
    ["null", null, "not a JSON object"],
  ])("%s: an error with the reason", async (_what, payload, message) => {
    const came = await lambda.invoke(payload);
    expect(came).toMatchObject({ error: { errorType: "EventFailed", errorMessage: expect.stringMatching(message) } });
  });

  test("records of a service that we know nothing of are an event", async () => {
    const event = { id: 1, Records: [{ eventSource: "aws:s3", s3: { bucket: { name: "b" } } }] };
    expect(resultOf(await lambda.invoke(event))).toMatchObject(event);
  });
});

describe.each([
  ["REST API", restRequest, (headers: object) => ({ headers })],
  ["HTTP API and function URL", httpRequest, (headers: object) => ({ headers })],
] as const)("a request of an %s", (_name, request, withHeaders) => {
  test("200 Success when all pipelines did all events", async () => {
    const answer = { statusCode: 200, body: "Success", isBase64Encoded: false };
    expect(await ask(request('{"id":1,"amount":1}'))).toMatchObject(answer);
    expect(await ask(request('[{"id":1},{"id":2}]'))).toMatchObject(answer);
    expect(await ask(request('{"id":1}\n{"id":2}\n'))).toMatchObject(answer);
    expect(await ask(request(b64('{"id":1}'), { isBase64Encoded: true }))).toMatchObject(answer);
  });

  test("?output=1 gives the final events, numbers to the digit", async () => {
    const { body, headers } = await ask(request('{"id":12.50}', { queryStringParameters: { output: "1" } }));
    expect(headers["content-type"]).toBe("application/json");
    const events = JSON.parse(body) as Event[];
    expect(events.map((event) => event["internal:name"])).toEqual(["check", "count"]);
    expect(body).toContain('"id":12.50');
  });

  test("a coded body", async () => {
    const body = b64(gzipSync('{"id":1}'));
    const coded = (coding: string) =>
      request(body, { isBase64Encoded: true, ...withHeaders({ "Content-Encoding": coding }) });
    expect(await ask(coded("gzip"))).toMatchObject({ statusCode: 200 });
    expect(await ask(coded("br"))).toMatchObject({ statusCode: 400, body: "the body is no br\n" });
    expect(await ask(coded("lzma"))).toMatchObject({ statusCode: 415 });
  });

  test("another charset is refused: JSON has one", async () => {
    const latin = request('{"id":1}', withHeaders({ "Content-Type": "application/json; charset=latin1" }));
    expect(await ask(latin)).toMatchObject({ statusCode: 415 });
  });

  test.each([
    ["nothing", "", "there is no event"],
    ["no JSON", "{", "line 1, column 2: not valid JSON"],
    ["a key twice", '{"id":1,"id":2}', "line 1, column 9: a key stands twice in one object"],
  ])("400 for %s", async (_what, text, why) => {
    expect(await ask(request(text))).toMatchObject({ statusCode: 400, body: `${why}\n` });
  });

  test("400 for binary garbage", async () => {
    const garbage = b64(Buffer.from([0xff, 0xfe, 0x00, 0x80]));
    const answer = { statusCode: 400, body: "not valid UTF-8\n" };
    expect(await ask(request(garbage, { isBase64Encoded: true }))).toMatchObject(answer);
  });

  test("a refusal is the filter's own answer, a failure 500 with pipeline, event and reason", async () => {
    expect(await ask(request("{}"))).toMatchObject({ statusCode: 422, body: '{"error":"no id"}' });
    const failing = request('[{"id":1},{"id":2,"amount":"x"}]', withHeaders({ Accept: "application/json" }));
    const { statusCode, headers, body } = await ask(failing);
    expect(statusCode).toBe(500);
    expect(headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(body)).toMatchObject({ failures: [{ event: 2, pipeline: "count", process: "sum" }] });
  });
});

test("a request without a body is one without an event", async () => {
  expect(await ask(restRequest(null, { headers: null }))).toMatchObject({ statusCode: 400 });
  expect(await ask(httpRequest(undefined, { requestContext: { http: { method: "GET" } } }))).toMatchObject({
    statusCode: 400,
  });
});

const failuresOf = (came: Came) =>
  (resultOf(came) as { batchItemFailures: { itemIdentifier: string }[] }).batchItemFailures.map(
    ({ itemIdentifier }) => itemIdentifier,
  );

describe("SQS", () => {
  test("the failing messages alone come again, with a line in the log for each", async () => {
    const came = await lambda.invoke(sqs(['{"id":1}', "{}", "no JSON", "[]", '{"id":2}', ""]));
    expect(failuresOf(came).sort()).toEqual(["m-1", "m-2", "m-3", "m-5"]);
    await vi.waitFor(() => {
      const messages = lambda
        .log()
        .filter(({ level }) => level === "ERROR")
        .map(({ message }) => message);
      expect(messages).toContain("message m-1: check: refused by has-id");
      expect(messages).toContain("message m-2: not valid JSON");
      expect(messages).toContain("message m-3: not a JSON object");
      expect(lambda.log()).toContainEqual(expect.objectContaining({ message: "invocation", events: 6, failed: 4 }));
    });
  });

  test("of very many failures the first hundred are logged", async () => {
    const before = lambda.log().length;
    expect(failuresOf(await lambda.invoke(sqs(Array.from({ length: 150 }, () => "no JSON"))))).toHaveLength(150);
    const counted = expect.objectContaining({ message: "invocation", failed: 150 });
    await vi.waitFor(() => expect(lambda.log()).toContainEqual(counted));
    expect(lambda.log().length - before).toBe(100 + 1 + 1);
  });

  test("of a FIFO group all from the first failure on", async () => {
    expect(failuresOf(await lambda.invoke(sqs(['{"id":1}', "{}", '{"id":2}'], "g")))).toEqual(["m-1", "m-2"]);
  });

  test("a message that comes again is counted once", async () => {
    const sum = async () =>
      JSON.stringify((resultOf(await lambda.invoke({ id: 1, amount: 0 })) as Event)["internal:aggregation:count"]);
    const batch = { Records: [{ ...sqs(['{"id":1,"amount":1000}']).Records[0], messageId: "again" }] };
    expect(failuresOf(await lambda.invoke(batch))).toEqual([]);
    const once = await sum();
    expect(failuresOf(await lambda.invoke(batch))).toEqual([]);
    expect(await sum()).toBe(once);
  });

  test("a batch of ten thousand, each copied before the answer", async () => {
    copies.length = 0;
    const bodies = Array.from({ length: 10_000 }, (_, i) =>
      JSON.stringify({ id: i, ...(i % 10 === 0 ? { copy: true } : {}) }),
    );
    bodies[5000] = "{}";
    expect(failuresOf(await lambda.invoke(sqs(bodies)))).toEqual(["m-5000"]);
    expect(copies).toHaveLength(999);
    await vi.waitFor(() =>
      expect(lambda.log()).toContainEqual(expect.objectContaining({ teeSent: 999, events: 10_000 })),
    );
  });

  test("what the deadline leaves undone comes again, what is done does not; the container stays", async () => {
    const before = lambda.containers();
    hangs = true;
    const came = await lambda.invoke(sqs(['{"id":1}', '{"id":2,"copy":1}', '{"id":3}'], "g"), 2000);
    hangs = false;
    expect(failuresOf(came)).toEqual(["m-1", "m-2"]);
    expect(failuresOf(await lambda.invoke(sqs(['{"id":2,"copy":1}', '{"id":3}'])))).toEqual([]);
    expect(lambda.containers()).toBe(before);
    const message = 'message m-1: copy, mirror: "sink" has not answered within the deadline';
    await vi.waitFor(() => expect(lambda.log()).toContainEqual(expect.objectContaining({ message })));
  });
});

describe("Kinesis", () => {
  test("the first failure ends the batch and is named by its sequence number", async () => {
    const batch = kinesis(['{"id":1}', '{"id":2}', "{}", "{", '{"id":3}']);
    expect(failuresOf(await lambda.invoke(batch))).toEqual([batch.Records[2]?.kinesis.sequenceNumber]);
    expect(failuresOf(await lambda.invoke(kinesis(['{"id":1}'])))).toEqual([]);
  });

  test("binary garbage fails with its reason", async () => {
    const batch = kinesis([Buffer.from([0xf3, 0x89, 0x9a, 0xc2])]);
    expect(failuresOf(await lambda.invoke(batch))).toHaveLength(1);
    const message = expect.stringMatching(/^message 49.*: not valid UTF-8$/);
    await vi.waitFor(() => expect(lambda.log()).toContainEqual(expect.objectContaining({ message })));
  });
});

describe("a DynamoDB stream", () => {
  const change = (sequence: string, image: object, eventName = "INSERT") => ({
    eventID: `e-${sequence}`,
    eventName,
    eventSource: "aws:dynamodb",
    dynamodb: { Keys: { id: { S: "a" } }, NewImage: image, SequenceNumber: sequence },
  });

  test("pipelines see plain images, and the first failure ends the batch", async () => {
    const stream = {
      partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
      pipelines: [{ name: "guard", processes: [{ name: "small" }] }],
      processDefinitions: [
        { filter: { name: "small", unless: "event.eventName == 'REMOVE' || event.dynamodb.NewImage.total < 100" } },
      ],
    };
    expect(await bundle("stream", stream)).toMatchObject({ code: 0 });
    const other = await startFunction(join(folder, "stream.zip"));
    const records = [
      change("1", { total: { N: "99.90" } }),
      change("2", {}, "REMOVE"),
      change("3", { total: { N: "100" } }),
    ];
    expect(failuresOf(await other.invoke({ Records: records }))).toEqual(["3"]);
    expect(failuresOf(await other.invoke({ Records: records.slice(0, 2) }))).toEqual([]);
    await other.stop();
  });
});

test("records that lack what AWS puts there make the whole batch come again", async () => {
  for (const eventSource of ["aws:sqs", "aws:kinesis", "aws:dynamodb"]) {
    expect(failuresOf(await lambda.invoke({ Records: [{ eventSource }, null] }))[0]).toBe("");
  }
});

describe("a start that fails", () => {
  test("without a secret: an init error that says which, and nothing runs", async () => {
    const other = await startFunction(join(folder, "all.zip"));
    const error = {
      errorMessage: "${env:SINK_TOKEN}: the environment has no SINK_TOKEN; set SINK_TOKEN where agglo is started",
    };
    expect(await other.invoke({ id: 1 })).toMatchObject({ error });
    expect(await other.invoke({ id: 1 })).toMatchObject({ error });
    expect(other.containers()).toBe(2);
    await other.stop();
  });

  test("a killed container loses what it counted, and the next one serves", async () => {
    const other = await startFunction(join(folder, "all.zip"), { SINK_TOKEN: "a secret" });
    expect(await other.invoke({ id: 1, amount: 5 })).toHaveProperty("result");
    expect(await other.invoke({ id: 1 }, 1)).toMatchObject({ error: { errorType: "Sandbox.Timedout" } });
    const event = resultOf(await other.invoke({ id: 1, amount: 7 })) as Event;
    expect(JSON.stringify(event["internal:aggregation:count"])).toContain("7");
    expect(other.containers()).toBe(2);
    await other.stop();
  });
});

const AWS = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };

describe("binge lambda", () => {
  test("refuses a wrong file with its place and writes nothing", async () => {
    const wrong = { ...config(), pipelines: [{ name: "p", processes: [{ name: "nope" }] }] };
    const { code, stderr } = await bundle("wrong", wrong);
    expect(code).toBe(78);
    expect(stderr).toMatch(/wrong\.json:\d+:\d+ .*nope/);
    expect(existsSync(join(folder, "wrong.zip"))).toBe(false);
  });

  test("the same file gives the same bytes, wherever it is called", async () => {
    mkdirSync(join(folder, "elsewhere"));
    const args = ["lambda", "--config", "../all.json", "--out", "again.zip"];
    expect((await startBinge(args, join(folder, "elsewhere"), { TZ: "Asia/Tokyo" }).ended).code).toBe(0);
    expect(readFileSync(join(folder, "elsewhere/again.zip")).equals(readFileSync(join(folder, "all.zip")))).toBe(true);
  });

  test("carries the client library of the one system that the file names", async () => {
    const s3 = "s3:endpoint=127.0.0.1:1,bucketName=b";
    const system = { externalType: "ExternalObjectStore", name: "sink", connectionString: s3 };
    const { externalSystems, ...rest } = config();
    expect(await bundle("s3", { ...rest, externalSystems: [externalSystems[0], system] })).toMatchObject({ code: 0 });
    const script = (name: string) =>
      Buffer.from(unzipSync(readFileSync(join(folder, name)))["index.mjs"] ?? "").toString();
    expect(script("s3.zip").length).toBeGreaterThan(script("all.zip").length + 200_000);
    expect(script("all.zip")).toContain('import("@aws-sdk/client-s3")');
    expect(script("s3.zip")).not.toContain('import("@aws-sdk/client-s3")');
    expect(script("s3.zip")).toContain('import("@platformatic/kafka")');
  });

  test.each([
    ["ExternalObjectStore", "s3:endpoint=127.0.0.1:1,bucketName=b"],
    ["ExternalKVStore", "dynamo:endpoint=http://127.0.0.1:1,region=us-east-1,tableName=t,prefixLength=4"],
    ["ExternalPubSub", "nats:servers=127.0.0.1:1,subject=s"],
    ["ExternalPubSub", "kafka:servers=127.0.0.1:1,topicName=t"],
    ["ExternalSearchIndex", "elastic:index=i,nodes=http://127.0.0.1:1"],
    ["ExternalHttp", "http://127.0.0.1:1/"],
  ])(
    "a container starts with the library of %s %s, and a target out of reach fails its events alone",
    async (externalType, connectionString) => {
      const { externalSystems, ...rest } = config();
      const name = connectionString.replace(/\W.*/, "");
      const system = { externalType, name: "sink", connectionString };
      expect(await bundle(name, { ...rest, externalSystems: [externalSystems[0], system] })).toMatchObject({ code: 0 });
      const other = await startFunction(join(folder, `${name}.zip`), AWS);
      expect(await other.invoke({ id: 1, amount: 1 })).toMatchObject({ result: { id: 1 } });
      const failed = await other.invoke({ id: 2, copy: 1 }, 5000);
      expect(failed).toMatchObject({
        error: { errorType: "EventFailed", errorMessage: expect.stringContaining("copy, mirror: ") },
      });
      expect(await other.invoke({ id: 3 })).toMatchObject({ result: { id: 3 } });
      expect(other.containers()).toBe(1);
      await other.stop();
    },
  );

  test("warns of what an answer leaves behind, and of counts that each container keeps for itself", async () => {
    const { stderr } = await bundle("warned", {
      ...config(),
      processDefinitions: [
        ...config().processDefinitions,
        { spawner: { name: "notify", job: { runnable: { pathToExec: "/bin/true" } } } },
      ],
    });
    expect(stderr).toContain('"notify" does not wait for its command');
    expect(stderr).toContain('"state" is in the memory of one container');
  });

  test.each([
    [["--out", "x.zip"], "--config"],
    [["--config", "all.json"], "--out"],
    [["--config", "all.json", "--out", "no/such/folder.zip"], "cannot write no/such/folder.zip (ENOENT)"],
  ])("%j is a usage error", async (args, message) => {
    const { code, stderr } = await startBinge(["lambda", ...args], folder).ended;
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
  });
});
