/**
 * The corpus in hosts without a proxy: each event of a case by itself, through the pipelines of the case's section. What
 * goes on there, goes on in a proxy (same-answer.test.ts), keys under `internal:` aside; what is refused or fails there,
 * fails. Where a proxy means otherwise, `BY_DESIGN` says why.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBinge } from "../../cli/testing.ts";
import type { TestCase } from "../../engine/config/test-cases.ts";
import { formatOf } from "../../engine/core/body/format.ts";
import { readEvent } from "../../engine/runtime/run-text.ts";
import { startFunction } from "../e2e/lambda/emulator.ts";
import { cases, corpus, type Reference, referenceAnswers, sorted, startCopies, textOf, typeOf } from "./corpus.ts";

type Event = { [key: string]: unknown };
/** What came of one event: how pipelines that came to their end left it, and whether all did. */
type Ran = { finals: Event[]; failed: boolean };
type Host = { run(text: string): Promise<Ran>; stop(): Promise<void> };
/** Starts one with the configuration `name`.json in `folder`. */
type StartHost = (folder: string, name: string) => Promise<Host>;

const startCommand: StartHost = async (folder, name) => ({
  async run(text) {
    const child = startBinge(["run", "--config", `${name}.json`], folder);
    child.child.stdin?.end(text);
    const { code, stdout } = await child.ended;
    return {
      finals: stdout
        .split("\n")
        .filter((line) => line !== "")
        .map(readFinal),
      failed: code !== 0,
    };
  },
  stop: async () => {},
});

const startLambda: StartHost = async (folder, name) => {
  const bundled = await startBinge(["lambda", "--config", `${name}.json`, "--out", `${name}.zip`], folder).ended;
  if (bundled.code !== 0) throw new Error(bundled.stderr);
  const lambda = await startFunction(join(folder, `${name}.zip`), { AGGLO_TEST_KEY: process.env.AGGLO_TEST_KEY });
  return {
    async run(body) {
      const requestContext = { http: { method: "POST", path: "/" } };
      const came = await lambda.invoke({
        version: "2.0",
        requestContext,
        queryStringParameters: { output: "1" },
        body,
      });
      if ("error" in came) throw new Error(came.error.errorMessage);
      const { statusCode, body: answer } = came.result as { statusCode: number; body: string };
      if (statusCode !== 200) return { finals: [], failed: true };
      return { finals: (JSON.parse(answer) as Event[]).map(withoutReserved), failed: false };
    },
    stop: lambda.stop,
  };
};

const startDaemon: StartHost = async (folder, name) => {
  const addresses = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  const daemon = startBinge(["serve", "--config", `${name}.json`, ...addresses], folder);
  const [, address] = /events on (\S+), POST/.exec(await daemon.said("admin on")) ?? [];
  return {
    async run(body) {
      const response = await fetch(`http://${address}/binge?output=1`, { method: "POST", body });
      const answer = await response.text();
      if (response.status !== 200) return { finals: [], failed: true };
      return { finals: (JSON.parse(answer) as Event[]).map(withoutReserved), failed: false };
    },
    async stop() {
      daemon.child.kill("SIGTERM");
      await daemon.ended;
    },
  };
};

const hosts: { name: string; start: StartHost }[] = [
  { name: "binge run", start: startCommand },
  { name: "lambda", start: startLambda },
  { name: "binge serve", start: startDaemon },
];

const readFinal = (line: string) => withoutReserved(JSON.parse(line) as Event);

function withoutReserved(event: Event): Event {
  return Object.fromEntries(Object.entries(event).filter(([key]) => !key.startsWith("internal:")));
}

/** The texts of a message's events, a line each; the message itself where it is none. Broken lines are events that fail. */
function eventsOf(text: string, contentType: string): string[] {
  if (contentType === "application/x-ndjson") return text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const { fault, events } = formatOf(contentType).read(text, 64);
  if (fault !== undefined) return [text];
  return events.map((event) => event.text.slice(event.start, event.end).replaceAll("\n", " "));
}

const partOf = (one: TestCase) =>
  corpus.http.routes.find((route) => route.name === one.route)?.[one.direction ?? "request"];
/** Events inside a document are a proxy's. */
const tried = cases.filter((one) => partOf(one)?.each === undefined);

/** What comes of these without a proxy. */
const BY_DESIGN: { [name: string]: { why: string; ran: Ran } } = {
  stopped: {
    why: "a continuation ends its pipeline, so that there is no final event; a proxy's message goes on",
    ran: { finals: [], failed: false },
  },
  deeper: {
    why: "how deep an event may be is the route's limit, 64 levels without one",
    ran: { finals: [JSON.parse(cases.find((one) => one.name === "deeper")?.text ?? "")], failed: false },
  },
};

/** A fault ends a proxy's message; without one the events behind it run too. */
const FURTHER_COPIES = [{ who: { name: "u4" } }];

describe.each(hosts)("$name", ({ start }) => {
  const folder = mkdtempSync(join(tmpdir(), "agglo-same-"));
  const ran: { [name: string]: Ran } = {};
  let reference: Reference;
  let sink: Awaited<ReturnType<typeof startCopies>>;

  beforeAll(async () => {
    reference = await referenceAnswers();
    sink = await startCopies();
    for (const { name } of corpus.pipelines) {
      const own = tried.filter((one) => partOf(one)?.pipelines.includes(name));
      const { http: _http, ...config } = sink.config as typeof corpus;
      const pipelines = config.pipelines.filter((pipeline) => pipeline.name === name);
      const partitionUuid = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
      writeFileSync(join(folder, `${name}.json`), JSON.stringify({ ...config, partitionUuid, pipelines }));
      const host = await start(folder, name);
      for (const one of own) {
        const each = [];
        for (const text of eventsOf(textOf(one), typeOf(one))) each.push(await host.run(text));
        ran[one.name] = { finals: each.flatMap(({ finals }) => finals), failed: each.some(({ failed }) => failed) };
      }
      await host.stop();
    }
  }, 180_000);
  afterAll(() => {
    sink.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(tried)("$name", (one) => {
    const { finals, failed } = ran[one.name] as Ran;
    const designed = BY_DESIGN[one.name];
    const passed = reference.texts[one.name];
    if (designed !== undefined) {
      expect({ finals, failed }, designed.why).toEqual(designed.ran);
    } else if (passed === undefined) {
      expect(failed).toBe(true);
    } else {
      const events = eventsOf(passed, typeOf(one)).filter(isEvent).map(readFinal);
      expect(finals).toEqual(events);
      expect(failed).toBe(events.length < eventsOf(textOf(one), typeOf(one)).length);
    }
  });

  test("copies are the same, every one", () => {
    const copies = sink.copies.map((copy) => withoutReserved(copy as Event));
    expect(sorted(copies)).toEqual(sorted([...reference.copies, ...FURTHER_COPIES]));
  });
});

/** Streams pass on what is none. */
const isEvent = (text: string) => !("unreadable" in readEvent(text));
