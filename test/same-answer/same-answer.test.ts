/**
 * One corpus, three hosts: the same verdicts, bodies and copies through `binge test`, a real Envoy and a real nginx. The
 * corpus is a configuration with cases of `binge test`; a new line in it is tried in all of them.
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfiguration } from "../../cli/configuration.ts";
import type { TestCase } from "../../engine/config/test-cases.ts";
import { runCase } from "../../engine/runtime/cases.ts";
import type { Respond } from "../../tools/start/upstream.ts";
import type { Client } from "../e2e/envoy/client.ts";
import { startTestStack } from "../e2e/envoy/stack.ts";
import { startNginxStack, targetsHere } from "../e2e/nginx/stack.ts";
import {
  type Answers,
  type Came,
  cases,
  file,
  type Reference,
  readBody,
  readReply,
  referenceAnswers,
  sorted,
  startCopies,
  textOf,
  typeOf,
} from "./corpus.ts";

let reference: Reference;
beforeAll(async () => {
  reference = await referenceAnswers();
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
  let host: Host;
  let sink: Awaited<ReturnType<typeof startCopies>>;
  let current: TestCase | undefined;

  const respond: Respond = (_seen, response) => {
    const isAnswer = current?.direction === "response";
    response.writeHead(200, { "content-type": isAnswer ? typeOf(current as TestCase) : "text/plain" });
    response.end(isAnswer ? textOf(current as TestCase) : "");
  };

  beforeAll(async () => {
    sink = await startCopies();
    host = await start(sink.config, respond);
    for (const one of cases) {
      current = one;
      answers[one.name] = await sendCase(host, one);
    }
  }, 120_000);
  afterAll(async () => {
    await host.stop();
    sink.stop();
  });

  test.each(cases)("$name", (one) => expect(answers[one.name]).toEqual(reference.answers[one.name]));

  test("copies are the same, every one", async () => {
    while (sink.copies.length < reference.copies.length || !(await host.settled())) await delay(20);
    expect(sorted(sink.copies)).toEqual(sorted(reference.copies));
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
