/**
 * One corpus, three hosts: the same verdicts, bodies and copies through `binge test`, a real Envoy and a real nginx. The
 * corpus is a configuration with cases of `binge test`; a new line in it is tried in all of them.
 */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfiguration } from "../../cli/configuration.ts";
import type { TestCase } from "../../engine/config/test-cases.ts";
import { newObject } from "../../engine/core/event/json.ts";
import { treat } from "../../engine/core/routes/section.ts";
import { runCase } from "../../engine/runtime/cases.ts";
import { startRuntime } from "../../engine/runtime/runtime.ts";
import type { Respond } from "../../tools/start/upstream.ts";
import type { Client } from "../e2e/envoy/client.ts";
import { startTestStack } from "../e2e/envoy/stack.ts";
import { startNginxStack, targetsHere } from "../e2e/nginx/stack.ts";

/** What came of a message: what went on, or how it was answered. */
type Came = { body: unknown } | { status: number; rule: string };
type Answers = { [name: string]: Came };

const file = fileURLToPath(new URL("corpus.json", import.meta.url));
const corpus = JSON.parse(readFileSync(file, "utf8")) as {
  tests: TestCase[];
  externalSystems: { connectionString: string }[];
};
const cases = corpus.tests;
process.env.AGGLO_TEST_KEY = "a key";

const textOf = (one: TestCase) => one.text ?? JSON.stringify(one.input);
const typeOf = (one: TestCase) => one.contentType ?? "application/json";

/** Equal as JSON is equal: nginx prints what was changed anew. */
function readBody(text: string): unknown {
  return text.split(/\r?\n/).length > 1 && !isJson(text) ? text.split("\n").map(readLine) : readLine(text);
}

function readLine(line: string): unknown {
  const data = line.replace(/^data: /, "");
  return isJson(data) ? JSON.parse(data) : line;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function readReply(status: number, body: string): Came {
  const problem = isJson(body) ? (JSON.parse(body) as { rule?: string }) : {};
  return { status, rule: problem.rule ?? "" };
}

const reference: Answers = {};
const referenceCopies: unknown[] = [];

beforeAll(async () => {
  const loaded = readConfiguration(file);
  if (loaded.plan === undefined) throw new Error("the corpus does not load");
  const tees = (_target: unknown, payload: string) => void referenceCopies.push(JSON.parse(payload));
  const runtime = await startRuntime(loaded.plan, loaded.systems, { log: () => {}, tees });
  for (const one of cases) {
    const section = runtime.routes.find((route) => route.plan.name === one.route)?.[one.direction ?? "request"];
    if (section === undefined) throw new Error(`${one.name}: no such route`);
    const verdict = await treat(section, textOf(one), newObject(), typeOf(one));
    const { reply } = verdict;
    reference[one.name] =
      reply === undefined
        ? { body: readBody(verdict.text ?? textOf(one)) }
        : { status: reply.status, rule: reply.body === "" ? reply.rule : "" };
  }
  await runtime.close(1000);
});

test("the names of the cases are their own", () => {
  expect(new Set(cases.map((one) => one.name)).size).toBe(cases.length);
});

test.each(cases)("binge test: $name", async (one) => {
  const loaded = readConfiguration(file);
  expect((await runCase(loaded.plan as NonNullable<typeof loaded.plan>, loaded.systems, one)).differences).toEqual([]);
});

type Host = {
  client: Client;
  upstream: { reached: { body: string }[] };
  /** sends what it still holds */
  settled(): Promise<boolean>;
  stop(): Promise<void>;
};
type StartHost = (config: object, respond: Respond) => Promise<Host>;

async function startEnvoyHost(config: object, respond: Respond): Promise<Host> {
  const stack = await startTestStack(config, respond);
  const settled = async () => stack.runtime.queued().events === 0;
  return { client: stack.client, upstream: stack.upstream, settled, stop: stack.stop };
}

const hosts: { name: string; start: StartHost }[] = [
  { name: "Envoy", start: startEnvoyHost },
  ...(await targetsHere()).map((here) => ({
    name: here.target,
    start: async (config: object, respond: Respond): Promise<Host> => {
      const stack = await startNginxStack(config, here, { respond });
      const settled = async () => (await stack.status()).queued === 0;
      return { client: stack.client, upstream: stack.upstream, settled, stop: stack.stop };
    },
  })),
];

describe.each(hosts)("$name", ({ start }) => {
  const answers: Answers = {};
  const copies: unknown[] = [];
  let host: Host;
  let sink: Server;
  let current: TestCase | undefined;

  const respond: Respond = (_seen, response) => {
    const isAnswer = current?.direction === "response";
    response.writeHead(200, { "content-type": isAnswer ? typeOf(current as TestCase) : "text/plain" });
    response.end(isAnswer ? textOf(current as TestCase) : "");
  };

  beforeAll(async () => {
    sink = await startSink(copies);
    const url = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/`;
    const { tests: _tests, ...config } = corpus;
    const systems = config.externalSystems.map((system) => ({ ...system, connectionString: url }));
    host = await start({ ...config, externalSystems: systems }, respond);
    for (const one of cases) {
      current = one;
      answers[one.name] = await sendCase(host, one);
    }
  }, 120_000);
  afterAll(async () => {
    await host.stop();
    sink.close();
  });

  test.each(cases)("$name", (one) => expect(answers[one.name]).toEqual(reference[one.name]));

  test("copies are the same, every one", async () => {
    while (copies.length < referenceCopies.length || !(await host.settled())) await delay(20);
    const sorted = (list: unknown[]) => list.map((copy) => JSON.stringify(copy)).sort();
    expect(sorted(copies)).toEqual(sorted(referenceCopies));
  });
});

async function sendCase(host: Host, one: TestCase): Promise<Came> {
  const before = host.upstream.reached.length;
  const path = `/${one.route}`;
  if (one.direction === "response") {
    const { status, body } = await host.client.ask({ method: "GET", path, headers: {} });
    return status === 200 ? { body: readBody(body.toString()) } : readReply(status, body.toString());
  }
  const { status, body } = await host.client.ask({ path, body: textOf(one), headers: { "content-type": typeOf(one) } });
  const seen = host.upstream.reached[before];
  return seen === undefined ? readReply(status, body.toString()) : { body: readBody(seen.body) };
}

async function startSink(copies: unknown[]): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      copies.push(JSON.parse(Buffer.concat(chunks).toString()));
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
