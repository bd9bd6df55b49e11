import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { loadConfig } from "../engine/config/load.ts";
import { exposition } from "../engine/runtime/exposition.ts";
import { fixedRuntime } from "../engine/runtime/generations.ts";
import { re2Regexps } from "../engine/runtime/regexps.ts";
import { type Runtime, startRuntime } from "../engine/runtime/runtime.ts";
import { readExposition } from "../engine/runtime/testing/exposition-reader.ts";
import { findSystem } from "../engine/systems/registry.ts";
import { BodyMode, Kind, type ProcessingRequest } from "./messages/messages.ts";
import { acceptExchanges } from "./server.ts";
import { newTraffic } from "./traffic.ts";
import type { Call } from "./transport.ts";

const CONFIG = {
  pipelines: [
    { name: "guard", processes: [{ name: "has-id" }, { name: "mark" }] },
    { name: "look", processes: [{ name: "has-id" }] },
  ],
  processDefinitions: [
    { filter: { name: "has-id", unless: { exists: { ops: [{ key: "id", op: "Exists" }] } }, reject: { status: 422 } } },
    {
      annotator: {
        name: "mark",
        annotations: [{ fieldKey: "new", value: "1", condition: { exists: { ops: [{ key: "mark", op: "Exists" }] } } }],
      },
    },
  ],
  http: {
    version: 1,
    routes: [
      {
        name: "both",
        match: { paths: ["/both"] },
        request: { pipelines: ["guard"] },
        response: { pipelines: ["look"] },
      },
      { name: "gzip", match: { paths: ["/gzip"] }, request: { pipelines: ["guard"] } },
    ],
  },
};

async function start(): Promise<Runtime> {
  const loaded = loadConfig(JSON.stringify(CONFIG), { file: "t", regexps: re2Regexps(), systemForm: findSystem });
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  return startRuntime(loaded.plan, loaded.systems, { log: () => undefined });
}

function message(kind: Kind, change: Partial<ProcessingRequest>): ProcessingRequest {
  return {
    kind,
    headers: [],
    body: new Uint8Array(0),
    endOfStream: false,
    observabilityMode: false,
    protocolConfig: undefined,
    attributes: undefined,
    ...change,
  };
}

const bodies = ['{"id":1}', '{"id":1,"mark":2}', '{"no":1}', "{", ""] as const;
const exchanges = fc.record({
  path: fc.constantFrom("/both", "/gzip", "/none"),
  type: fc.constantFrom("application/json", "text/plain"),
  mode: fc.constantFrom(BodyMode.BUFFERED, BodyMode.NONE),
  request: fc.constantFrom(...bodies),
  response: fc.constantFrom(...bodies),
  /** how many messages come before the stream is reset */
  messages: fc.integer({ min: 0, max: 4 }),
});
type Script = typeof exchanges extends fc.Arbitrary<infer T> ? T : never;

function messagesOf(script: Script): ProcessingRequest[] {
  const config = {
    requestBodyMode: script.mode,
    responseBodyMode: script.mode,
    sendBodyWithoutWaitingForHeaderResponse: false,
  };
  const coding = script.path === "/gzip" ? ["content-encoding", "gzip"] : []; // undone off the event loop: the verdict comes late
  const type = ["content-type", script.type, ...coding];
  const requestHeaders = [":method", "POST", ":path", script.path, ":authority", "a", ...type];
  const all = [
    message(Kind.requestHeaders, {
      headers: requestHeaders,
      endOfStream: script.request === "",
      protocolConfig: config,
    }),
    message(Kind.requestBody, { body: Buffer.from(script.request), endOfStream: true }),
    message(Kind.responseHeaders, { headers: [":status", "200", ...type], endOfStream: script.response === "" }),
    message(Kind.responseBody, { body: Buffer.from(script.response), endOfStream: true }),
  ];
  const modes = script.mode === BodyMode.BUFFERED;
  const sent = all.filter(
    ({ kind, body }) => (kind !== Kind.requestBody && kind !== Kind.responseBody) || (modes && body.length > 0),
  );
  return sent.slice(0, script.messages);
}

/** Resolves when what the server does after the stream is over is done. */
const rest = () => new Promise((resolve) => setTimeout(resolve, 0));

test("received = passed + changed + refused + faulted + abandoned, for every route and direction, however exchanges end", async () => {
  const runtime = await start();
  const traffic = newTraffic();
  const accept = traffic.watch(acceptExchanges(fixedRuntime(runtime)));
  runtime.metrics.add(traffic.families);
  let streams = 0;
  const seen = { phases: 0, bytes: 0, answers: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(exchanges, { maxLength: 6 }), async (scripts) => {
      for (const script of scripts) {
        let answers = 0;
        const call: Call = { send: () => answers++, end() {}, fail() {}, failBug() {} };
        const handler = accept(call, () => undefined);
        streams++;
        for (const [i, next] of messagesOf(script).entries()) {
          if (answers < i) await rest(); // Envoy waits for the answer; what is slow may outlive the stream
          handler.recv(next);
          seen.phases++;
          seen.bytes += next.body.length;
        }
        handler.closed();
        seen.answers += answers;
      }
    }),
    { numRuns: 300 },
  );
  // What is slow outlives its stream: zlib's threads are waited for.
  await vi.waitFor(() => expectIdentity(readExposition(exposition(runtime.metrics.families()))), 10_000);
  const series = readExposition(exposition(runtime.metrics.families()));
  expect([series.get("agglo_streams_total"), series.get("agglo_streams_open")]).toEqual([streams, 0]);
  expect(sum(series, "agglo_phase_messages_total")).toBe(seen.phases);
  expect(sum(series, "agglo_answers_total")).toBeGreaterThanOrEqual(seen.answers);
  expect(series.get("agglo_body_bytes_received_total")).toBe(seen.bytes);
  expect(series.get("agglo_body_bytes_sent_total")).toBeGreaterThan(100);
  await runtime.close(0);
});

function sum(series: ReadonlyMap<string, number>, start: string): number {
  return [...series].reduce((all, [name, value]) => (name.startsWith(start) ? all + value : all), 0);
}

const SECTIONS = ["both|request", "both|response", "gzip|request"].map((name) => name.split("|"));
const VERDICTS = ["passed", "changed", "refused", "faulted"];

function expectIdentity(series: ReadonlyMap<string, number>): void {
  const kinds = new Set<string>();
  for (const [route, direction] of SECTIONS) {
    const labels = `route="${route}",direction="${direction}"`;
    const received = series.get(`agglo_messages_received_total{${labels}}`) as number;
    const abandoned = series.get(`agglo_messages_abandoned_total{${labels}}`) as number;
    const verdicts = VERDICTS.map((verdict) => {
      const value = series.get(`agglo_messages_total{${labels},verdict="${verdict}"}`) as number;
      if (value > 0) kinds.add(verdict);
      return value;
    });
    if (abandoned > 0) kinds.add("abandoned");
    expect(received).toBeGreaterThan(10);
    expect(verdicts.reduce((all, value) => all + value, abandoned)).toBe(received);
    expect(sum(series, `agglo_faults_total{${labels}`)).toBe(verdicts[3]);
    expect(sum(series, `agglo_refusals_total{${labels}`)).toBe(verdicts[2]);
  }
  expect([...kinds].sort()).toEqual(["abandoned", "changed", "faulted", "passed", "refused"]);
}
