/**
 * Traffic through a real Envoy, 500 requests a second, mirrored to each system while it stands still, is killed and comes
 * back. Short here; `npm run test:tees` takes 20 seconds for each state.
 */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { whyNoGoPrograms } from "../../../tools/go-programs.ts";
import { whyNoJavaProgram } from "../../../tools/java-programs.ts";
import { newClient } from "../envoy/client.ts";
import { startTestStack, type TestStack } from "../envoy/stack.ts";
import { type Mirror, until } from "./mirror.ts";
import { httpTarget, index } from "./mirror-doubles.ts";
import { folder, lines } from "./mirror-files.ts";
import { bucket, stream, table, topic } from "./mirror-servers.ts";

const SECONDS = Number(process.env.AGGLO_TEES_SECONDS ?? 1);
const REQUESTS_PER_SECOND = 500;
const CONNECTIONS = 32;
const MEMORY_BYTES = 16 * 1024 * 1024;
/** A quarter of the memory is full of these after little more than a second. */
const EVENT_BYTES = 6000;

/** `once`: no event is there twice. Kafka, HTTP and lines may repeat what they had when nobody heard of it. */
const MIRRORS: { title: string; once: boolean; missing: string | undefined; open: () => Promise<Mirror> }[] = [
  { title: "S3, in batches", once: true, missing: await whyNoGoPrograms("versitygw"), open: bucket },
  { title: "DynamoDB, in batches", once: true, missing: await whyNoJavaProgram("dynamodb-local"), open: table },
  { title: "NATS, one by one", once: true, missing: await whyNoGoPrograms("nats-server"), open: stream },
  { title: "Kafka, one by one", once: false, missing: await whyNoJavaProgram("kafka"), open: topic },
  { title: "HTTP, in batches", once: false, missing: undefined, open: httpTarget },
  { title: "a folder of files", once: true, missing: undefined, open: folder },
  { title: "lines of a file", once: false, missing: undefined, open: lines },
  { title: "Elasticsearch (a double)", once: true, missing: undefined, open: index },
];

function startMirrored({ external, tee }: Mirror): Promise<TestStack> {
  const config = {
    pipelines: [{ name: "mirror", processes: [{ name: "copy" }] }],
    processDefinitions: [{ tee: { name: "copy", outputConnectorRef: "mirror", ...tee } }],
    externalSystems: [{ name: "mirror", ...external }],
    http: { version: 1, routes: [{ name: "all", request: { pipelines: ["mirror"] } }] },
  };
  return startTestStack(config, (_seen, response) => response.end("ok"), { memoryBytes: MEMORY_BYTES });
}

/** Sums of the tee's counters; of those that were lost, by reason. */
function counted(stack: TestStack) {
  const rows = stack.runtime.counters.snapshot();
  const sum = (name: string, reason = "") =>
    rows
      .filter((row) => row.name === name && row.label.endsWith(reason))
      .reduce((total, { value }) => total + value, 0);
  return {
    offered: sum("teeOffered"),
    sent: sum("teeSent"),
    lost: sum("teeDropped"),
    full: sum("teeDropped", "|full"),
  };
}

/** After every request: each copy is accounted for, and the memory that copies take has its bound. */
function check(stack: TestStack): void {
  const { offered, sent, lost } = counted(stack);
  const { events, bytes } = stack.runtime.queued();
  if (sent + lost + events !== offered) expect({ sent, lost, queued: events }).toEqual(`in all ${offered}`);
  if (bytes > stack.runtime.budget.bytesMax("tees")) expect(bytes).toBeLessThanOrEqual(MEMORY_BYTES / 4);
}

type Traffic = { requests(): number; end(): Promise<void> };

/** Requests leave when they are due, whatever became of those before: open loop. */
function startTraffic(stack: TestStack): Traffic {
  const client = newClient(stack.envoy.port, CONNECTIONS);
  const start = performance.now();
  const underWay: Promise<void>[] = [];
  let ended = false;
  const send = async (number: number): Promise<void> => {
    const { status } = await client.ask({ body: JSON.stringify({ number, text: "x".repeat(EVENT_BYTES) }) });
    expect(status).toBe(200);
    check(stack);
  };
  const sending = (async () => {
    while (!ended) {
      const due = ((performance.now() - start) * REQUESTS_PER_SECOND) / 1000;
      while (underWay.length < due) underWay.push(send(underWay.length));
      await delay(5);
    }
  })();
  sending.catch(() => {}); // told by `end`
  return {
    requests: () => underWay.length,
    async end() {
      ended = true;
      await sending;
      await Promise.all(underWay);
      client.close();
    },
  };
}

describe.each(MIRRORS)("traffic mirrored to $title", ({ once, missing, open }) => {
  if (missing !== undefined) process.stderr.write(`${missing}\n`);

  test.skipIf(missing !== undefined)(
    "while it stands still and is killed: every request passes, received = delivered + dropped, memory has its bound",
    { timeout: 600_000 },
    async () => {
      const mirror = await open();
      const stack = await startMirrored(mirror);
      const settled = () => until(() => stack.runtime.queued().events === 0);
      try {
        const traffic = startTraffic(stack);
        await until(() => counted(stack).sent > 0);
        await mirror.pause();
        await delay(SECONDS * 1000);
        await mirror.resume();
        await delay(SECONDS * 1000);
        await mirror.stop();
        await until(() => counted(stack).full > 0);
        await delay(SECONDS * 1000);
        const { sent } = counted(stack);
        await mirror.start();
        await until(() => counted(stack).sent > sent);
        await delay(SECONDS * 1000);
        await traffic.end();
        await settled();
        const requests = traffic.requests();
        const all = counted(stack);
        expect(all.offered).toBe(requests);
        expect(all.sent + all.lost).toBe(requests);
        const numbers = await mirror.numbers();
        const there = new Set(numbers).size;
        if (once) expect(there, "an event stands there twice").toBe(numbers.length);
        // What was sent is there; what was never tried is not; what was given up after tries may be.
        expect(there).toBeGreaterThanOrEqual(all.sent);
        expect(there).toBeLessThanOrEqual(requests - all.full);
        if (SECONDS > 1) process.stderr.write(`${JSON.stringify({ ...all, there, twice: numbers.length - there })}\n`);
      } finally {
        await stack.stop();
        await mirror.end();
      }
    },
  );
});
