import { expect, test } from "vitest";
import { loadText } from "../engine/runtime/configuration.ts";
import { fixedRuntime } from "../engine/runtime/generations.ts";
import { type Runtime, startRuntime } from "../engine/runtime/runtime.ts";
import {
  BodyMode,
  IMMEDIATE_RESPONSE,
  Kind,
  type ProcessingRequest,
  type ProcessingResponse,
} from "./messages/messages.ts";
import { acceptExchanges } from "./server.ts";
import type { Call } from "./transport.ts";

const MIB = 1024 * 1024;
const MEMORY_BYTES = 16 * MIB;
const CHUNK = new Uint8Array(64 * 1024).fill(0x20);

const config = (onFault: object) => ({
  pipelines: [{ name: "p", processes: [{ name: "mark" }] }],
  processDefinitions: [{ annotator: { name: "mark", annotations: [{ fieldKey: "m", value: "x" }] } }],
  http: { version: 1, routes: [{ name: "r", request: { pipelines: ["p"], ...onFault } }] },
});

async function start(onFault: object): Promise<Runtime> {
  const { plan, systems } = loadText(JSON.stringify(config(onFault)), "memory.json");
  if (plan === undefined) throw new Error("the configuration of this test is wrong");
  return startRuntime(plan, systems, { log: () => {}, memoryBytes: MEMORY_BYTES });
}

/** A request under full duplex that stops in the middle of its body, as often as asked. */
function open(runtime: Runtime, count: number) {
  const accept = acceptExchanges(fixedRuntime(runtime));
  return Array.from({ length: count }, () => {
    const sent: ProcessingResponse[] = [];
    const call: Call = { send: (answer) => sent.push(answer), end: () => {}, fail: () => {}, failBug: () => {} };
    const handler = accept(call, () => undefined);
    const tell = (kind: Kind, more: Partial<ProcessingRequest>) => handler.recv({ ...EMPTY, kind, ...more });
    const headers = [":method", "POST", ":path", "/", ":authority", "a", "content-type", "application/json"];
    const protocolConfig = {
      requestBodyMode: BodyMode.FULL_DUPLEX_STREAMED,
      responseBodyMode: BodyMode.NONE,
      sendBodyWithoutWaitingForHeaderResponse: false,
    };
    tell(Kind.requestHeaders, { headers, protocolConfig });
    return {
      sent,
      handler,
      send: (body: Uint8Array, endOfStream = false) => tell(Kind.requestBody, { body, endOfStream }),
    };
  });
}

const EMPTY = {
  headers: [],
  body: new Uint8Array(0),
  endOfStream: false,
  observabilityMode: false,
  protocolConfig: undefined,
  attributes: undefined,
};

const held = (runtime: Runtime) => runtime.budget.gauges().uses.reduce((sum, { bytes }) => sum + bytes, 0);

test("bodies in the making stay within the budget: what has no room is refused at once, the others go on", async () => {
  const runtime = await start({});
  const calls = open(runtime, 30);
  for (let i = 0; i < 14; i++) for (const call of calls) call.send(CHUNK); // 26 MiB, in turn
  expect(held(runtime)).toBeLessThanOrEqual(MEMORY_BYTES);
  const refused = calls.filter(({ sent }) => sent[0]?.kind === IMMEDIATE_RESPONSE);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(calls.length);
  for (const { sent } of refused) expect(sent).toMatchObject([{ status: 503 }]);
  for (const { handler } of refused) handler.closed();
  const others = calls.filter((call) => !refused.includes(call));
  for (const { send, sent } of others) {
    send(Buffer.from('{"a":1}'), true);
    expect(sent.map(({ kind }) => kind)).toEqual([Kind.requestHeaders, ...sent.slice(1).map(() => Kind.requestBody)]);
  }
  for (const { handler } of others) handler.closed();
  expect(held(runtime)).toBe(0);
  await runtime.close(0);
});

test("where overload passes, bodies without room go on as they came", async () => {
  const runtime = await start({ onFault: { overload: "pass" } });
  const calls = open(runtime, 30);
  for (let i = 0; i < 14; i++) for (const call of calls) call.send(CHUNK);
  expect(held(runtime)).toBeLessThanOrEqual(MEMORY_BYTES);
  const passed = calls.filter(({ sent }) => sent.length > 0);
  expect(passed.length).toBeGreaterThan(0);
  for (const { sent } of passed) {
    const bytes = sent.reduce((sum, answer) => sum + ("body" in answer ? (answer.body?.length ?? 0) : 0), 0);
    expect(bytes).toBe(14 * CHUNK.length);
  }
  for (const { handler } of calls) handler.closed();
  expect(held(runtime)).toBe(0);
  await runtime.close(0);
});
