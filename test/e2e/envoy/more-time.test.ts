/** Deadlines above Envoy's message_timeout: the server asks for more time with each message that waits (facts 14.3). */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadText } from "../../../engine/runtime/configuration.ts";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, statusOf } from "./http1.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { exchange, startWireUpstream, type WireUpstream } from "./wire.ts";

const ANSWER_MS = 1500;
/** Enough for the slow system, and above message_timeout of everything here. */
const DEADLINE_MS = 10_000;
const SHORT_MS = 100;

let slow: Server;
let server: TestServer;
let upstream: WireUpstream;
let byHand: HandWritten;
let generated: RunningEnvoy;

/** A rule that needs the answer of a slow system, which it puts into the body. */
const config = (deadlineMs: number) => ({
  pipelines: [{ name: "score", processes: [{ name: "ask" }, { name: "note" }] }],
  processDefinitions: [
    { tee: { name: "ask", outputConnectorRef: "scores" } },
    {
      transformer: {
        name: "note",
        forwardInputFields: true,
        specs: [
          {
            sourceField: "internal:tee:output.0.response.risk",
            targetField: "risk",
            transformation: { transformationType: "TransformCopy" },
          },
        ],
      },
    },
  ],
  externalSystems: [
    {
      externalType: "ExternalHttp",
      name: "scores",
      connectionString: `http://127.0.0.1:${(slow.address() as AddressInfo).port}/`,
    },
  ],
  http: { version: 1, routes: [{ name: "all", request: { pipelines: ["score"], limits: { deadlineMs } } }] },
});

beforeAll(async () => {
  slow = createServer((request, response) => {
    request.resume();
    void delay(ANSWER_MS).then(() => response.end('{"risk":"high"}'));
  });
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  server = await startTestServer(config(DEADLINE_MS));
  upstream = await startWireUpstream();
  const processing_mode = { request_body_mode: "BUFFERED", response_header_mode: "SKIP" };
  byHand = await startHandWritten(
    {
      allowed: { processing_mode, message_timeout: "0.2s", max_message_timeout: "20s" },
      refused: { processing_mode, message_timeout: "0.2s" },
    },
    { extProc: server.address, upstream: upstream.address },
  );
  const before = loadText(JSON.stringify(config(SHORT_MS)), "before.json").plan?.routes ?? [];
  const addresses = { listen: server.address, upstream: upstream.address, port: 0, adminPort: 0 };
  generated = await startEnvoy(envoyBootstrap(before, addresses));
}, 60_000);
afterAll(async () => {
  await byHand?.stop();
  await generated?.stop();
  await server?.stop();
  await upstream?.stop();
  slow?.close();
});

const post = (port: number) =>
  exchange(
    port,
    "POST",
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"id":1}',
  );

async function expectTreated(port: number): Promise<void> {
  const came = upstream.requests.length;
  expect(statusOf(await post(port))).toBe(200);
  expect(bodyOf(upstream.requests[came] as never).toString()).toBe('{"id":1,"risk":"high"}');
}

test("Envoy waits for a slow rule where max_message_timeout lets it", async () => {
  await expectTreated(byHand.ports.allowed as number);
});

test("without max_message_timeout Envoy gives up, and answers itself", async () => {
  const came = upstream.requests.length;
  const answer = await post(byHand.ports.refused as number);
  expect([statusOf(answer), bodyOf(answer).length]).toEqual([504, 0]);
  expect(upstream.requests.length).toBe(came);
});

test("an Envoy configuration generated for a shorter deadline waits, too: a reload may have raised it", async () => {
  await expectTreated(generated.port);
});
