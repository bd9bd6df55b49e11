import http2 from "node:http2";
import { expect, test, vi } from "vitest";
import { loadText } from "../engine/runtime/configuration.ts";
import { fixedRuntime } from "../engine/runtime/generations.ts";
import { type Runtime, startRuntime } from "../engine/runtime/runtime.ts";
import { memoryForReads } from "./message-state.ts";
import { readProcessingResponse, writeProcessingRequest } from "./messages/codec.ts";
import {
  BodyMode,
  IMMEDIATE_RESPONSE,
  Kind,
  NO_BYTES,
  type ProcessingRequest,
  type ProcessingResponse,
} from "./messages/messages.ts";
import { acceptExchanges } from "./server.ts";
import { type Call, EXTERNAL_PROCESSOR } from "./transport.ts";
import { newTransport } from "./transports.ts";

const MIB = 1024 * 1024;
const MEMORY_BYTES = 16 * MIB;
const CHUNK = new Uint8Array(64 * 1024).fill(0x20);

const config = (section: object) => ({
  pipelines: [{ name: "p", processes: [{ name: "mark" }] }],
  processDefinitions: [{ annotator: { name: "mark", annotations: [{ fieldKey: "m", value: "x" }] } }],
  http: { version: 1, routes: [{ name: "r", request: { pipelines: ["p"], ...section } }] },
});

async function start(section: object): Promise<Runtime> {
  const { plan, systems } = loadText(JSON.stringify(config(section)), "memory.json");
  if (plan === undefined) throw new Error("the configuration of this test is wrong");
  return startRuntime(plan, systems, { log: () => {}, memoryBytes: MEMORY_BYTES });
}

/** A request under full duplex that stops in the middle of its body, as often as asked. */
function open(runtime: Runtime, count: number, contentType = "application/json") {
  const accept = acceptExchanges(fixedRuntime(runtime));
  return Array.from({ length: count }, () => {
    const sent: ProcessingResponse[] = [];
    const call: Call = { send: (answer) => sent.push(answer), end: () => {}, fail: () => {}, failBug: () => {} };
    const handler = accept(call, () => undefined);
    const tell = (kind: Kind, more: Partial<ProcessingRequest>) => handler.recv({ ...EMPTY, kind, ...more });
    const headers = [":method", "POST", ":path", "/", ":authority", "a", "content-type", contentType];
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

const LINES = "application/x-ndjson";

test("events in the making stay within the budget: what has no room is refused, the others go on", async () => {
  const runtime = await start({ contentTypes: [LINES] });
  const calls = open(runtime, 30, LINES);
  for (let i = 0; i < 14; i++) for (const call of calls) call.send(CHUNK);
  expect(held(runtime)).toBeLessThanOrEqual(MEMORY_BYTES);
  expect(held(runtime)).toBeGreaterThan(MEMORY_BYTES - MIB);
  const isRefused = ({ sent }: (typeof calls)[number]) => sent.some(({ kind }) => kind === IMMEDIATE_RESPONSE);
  const refused = calls.filter(isRefused);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(calls.length);
  for (const { sent } of refused) expect(sent.at(-1)).toMatchObject({ status: 503 });
  for (const { handler } of refused) handler.closed();
  for (const { send, sent } of calls.filter((call) => !refused.includes(call))) {
    send(Buffer.from('{"a":1}\n'));
    const { body = "" } = sent.at(-1) as { body?: Uint8Array };
    expect(Buffer.from(body).toString().trim()).toBe('{"a":1,"m":"x"}');
  }
  expect(held(runtime)).toBe(0); // an event that is over is not held, though its stream is open
  for (const { handler } of calls) if (!refused.some((call) => call.handler === handler)) handler.closed();
  await runtime.close(0);
});

test("where overload passes, an event without room goes on as it came, and those behind it are treated", async () => {
  const runtime = await start({ contentTypes: [LINES], onFault: { overload: "pass" } });
  const calls = open(runtime, 30, LINES);
  for (let i = 0; i < 14; i++) for (const call of calls) call.send(CHUNK);
  expect(held(runtime)).toBeLessThanOrEqual(MEMORY_BYTES);
  const bodyOf = ({ sent }: (typeof calls)[number]) =>
    Buffer.concat(sent.map((answer) => ("body" in answer ? (answer.body ?? NO_BYTES) : NO_BYTES)));
  const passed = calls.filter((call) => bodyOf(call).length > 0);
  expect(passed.length).toBeGreaterThan(0);
  expect(passed.length).toBeLessThan(calls.length);
  for (const call of passed) expect(bodyOf(call)).toHaveLength(14 * CHUNK.length);
  for (const { handler } of calls.filter((call) => !passed.includes(call))) handler.closed();
  for (const call of passed) {
    call.send(Buffer.from('{"a":1}\n{"a":2}\n'), true);
    expect(
      bodyOf(call)
        .subarray(14 * CHUNK.length)
        .toString(),
    ).toBe('{"a":1}\n{"a":2,"m":"x"}\n');
    call.handler.closed();
  }
  expect(held(runtime)).toBe(0);
  await runtime.close(0);
});

/** Requests over a real connection whose BUFFERED body, one message of 1 MB, comes by half. */
async function halves(runtime: Runtime, count: number) {
  const transport = newTransport("native", {
    onBug: (error) => expect(error).toBeUndefined(),
    bytesMax: () => 2 * MIB,
  });
  const memory = memoryForReads(runtime.budget);
  const door = await transport.listen("127.0.0.1:0", acceptExchanges(fixedRuntime(runtime)), memory);
  const session = http2.connect(`http://${door.address}`);
  const headers = [
    ":method",
    "POST",
    ":path",
    "/",
    "content-type",
    "application/json",
    "content-length",
    `${BODY.length}`,
  ];
  const protocolConfig = {
    requestBodyMode: BodyMode.BUFFERED,
    responseBodyMode: BodyMode.NONE,
    sendBodyWithoutWaitingForHeaderResponse: false,
  };
  const begin = envelope({ ...EMPTY, kind: Kind.requestHeaders, headers, protocolConfig });
  const body = envelope({ ...EMPTY, kind: Kind.requestBody, body: BODY, endOfStream: true });
  const calls = Array.from({ length: count }, () => {
    const stream = session.request({ ":method": "POST", ":path": `/${EXTERNAL_PROCESSOR}/Process`, ...GRPC });
    const call = { stream, received: NO_BYTES as Buffer, status: "" };
    stream.on("data", (chunk: Buffer) => {
      call.received = Buffer.concat([call.received, chunk]);
    });
    stream.on("trailers", (trailers) => {
      call.status = String(trailers["grpc-status"]);
    });
    stream.on("error", () => {}); // its session ends
    stream.write(Buffer.concat([begin, body.subarray(0, body.length / 2)]));
    return call;
  });
  const stop = async () => {
    session.destroy();
    await door.close();
  };
  return {
    calls,
    messageBytes: body.length - 5,
    finish: (stream: http2.ClientHttp2Stream) => stream.write(body.subarray(body.length / 2)),
    stop,
  };
}

const BODY = Buffer.from(JSON.stringify({ text: "x".repeat(1_000_000) }));
const GRPC = { te: "trailers", "content-type": "application/grpc" };

function envelope(message: ProcessingRequest): Buffer {
  const bytes = writeProcessingRequest(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The answers of a call; what has come of the next one does not count. */
function answersOf(received: Buffer): ProcessingResponse[] {
  const answers: ProcessingResponse[] = [];
  for (let pos = 0; pos + 5 <= received.length; ) {
    const end = pos + 5 + received.readUInt32BE(pos + 1);
    if (end > received.length) break;
    const answer = readProcessingResponse(received.subarray(pos + 5, end));
    if (answer !== undefined) answers.push(answer);
    pos = end;
  }
  return answers;
}

const WAIT = { timeout: 10_000, interval: 10 };

test("messages half received stay within the budget: what has no room is refused at once, the others go on", async () => {
  const runtime = await start({});
  const { calls, messageBytes, finish, stop } = await halves(runtime, 40);
  const isRefused = ({ received }: (typeof calls)[number]) =>
    answersOf(received).some(({ kind }) => kind === IMMEDIATE_RESPONSE);
  // Every other call has its half by then, and with it the memory for the whole message.
  const others = () => calls.filter((call) => !isRefused(call));
  await vi.waitFor(() => expect(held(runtime)).toBe(others().length * messageBytes), WAIT);
  expect(held(runtime)).toBeLessThanOrEqual(MEMORY_BYTES);
  const refused = calls.filter(isRefused);
  for (const { received } of refused) expect(answersOf(received).at(-1)).toMatchObject({ status: 503 });
  for (const { stream } of refused) stream.close();
  expect(refused.length).toBeGreaterThan(10);
  expect(others().length).toBeGreaterThan(0);
  for (const { stream } of others()) finish(stream);
  await vi.waitFor(() => {
    for (const { received } of others()) expect(answersOf(received)).toHaveLength(2);
  }, WAIT);
  for (const { received } of others()) {
    const { body = NO_BYTES } = answersOf(received)[1] as { body?: Uint8Array };
    expect(body.length).toBe(BODY.length + ',"m":"x"'.length);
  }
  expect(held(runtime)).toBe(0);
  await stop();
  await runtime.close(0);
});

test("where overload passes, a call whose message has no room ends well, so that Envoy lets the message pass", async () => {
  const runtime = await start({ onFault: { overload: "pass" } });
  const { calls, messageBytes, stop } = await halves(runtime, 40);
  const open = () => calls.filter(({ status }) => status === "");
  await vi.waitFor(() => expect(held(runtime)).toBe(open().length * messageBytes), WAIT);
  expect(open().length).toBeLessThan(30);
  expect(held(runtime)).toBeLessThanOrEqual(MEMORY_BYTES);
  const faults = runtime.counters.snapshot().filter(({ name }) => name === "faults");
  expect(faults).toEqual([{ name: "faults", label: "r|request|overload", value: calls.length - open().length }]);
  expect(new Set(calls.map(({ status }) => status))).toEqual(new Set(["", "0"]));
  await stop();
  await vi.waitFor(() => expect(held(runtime)).toBe(0), WAIT);
  await runtime.close(0);
});

test("copies that are still looked at when their exchange is over leave nothing taken", async () => {
  const { plan, systems } = loadText(JSON.stringify(COPIES), "memory.json");
  if (plan === undefined) throw new Error("the configuration of this test is wrong");
  const runtime = await startRuntime(plan, systems, { log: () => {}, memoryBytes: MEMORY_BYTES });
  const handler = acceptExchanges(fixedRuntime(runtime))(SILENT, () => undefined);
  const headers = [":method", "POST", ":path", "/", ":authority", "a", "content-type", LINES];
  handler.recv({ ...EMPTY, kind: Kind.requestHeaders, headers, observabilityMode: true });
  const send = (text: string) =>
    handler.recv({ ...EMPTY, kind: Kind.requestBody, body: Buffer.from(text), observabilityMode: true });
  send('{"a":1}\n'); // the lookup takes a while, and what follows waits for it
  send('{"a":2}\n{"a":');
  expect(held(runtime)).toBeGreaterThan(0);
  handler.closed();
  await vi.waitFor(() => expect(held(runtime)).toBe(0), WAIT);
  await runtime.close(0);
});

/** A tee whose target never answers, and a later process that reads the answer: each event waits for its deadline. */
const COPIES = {
  pipelines: [{ name: "p", processes: [{ name: "ask" }, { name: "again" }] }],
  processDefinitions: [
    { tee: { name: "ask", outputConnectorRef: "nobody" } },
    {
      tee: {
        name: "again",
        outputConnectorRef: "nobody",
        condition: { exists: { ops: [{ key: "internal:tee:output.0.response" }] } },
      },
    },
  ],
  externalSystems: [{ externalType: "ExternalHttp", name: "nobody", connectionString: "http://127.0.0.1:1/" }],
  http: { version: 1, routes: [{ name: "r", request: { pipelines: ["p"], contentTypes: ["application/x-ndjson"] } }] },
};

const SILENT: Call = {
  send: () => {},
  end: () => {},
  fail: () => {},
  failBug: (error) => expect(error).toBeUndefined(),
};
