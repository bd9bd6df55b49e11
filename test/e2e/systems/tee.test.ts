/** Traffic through a real Envoy, mirrored to real servers that are stopped and started again under it. */

import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { whyNoGoPrograms } from "../../../tools/go-programs.ts";
import { startNats } from "../../../tools/servers/nats.ts";
import { S3_CREDENTIALS, startS3 } from "../../../tools/servers/s3.ts";
import type { Server } from "../../../tools/servers/server.ts";
import { newClient } from "../envoy/client.ts";
import { startTestStack, type TestStack } from "../envoy/stack.ts";

type Mirror = {
  server: Server;
  external: object;
  tee: object;
  /** ids of the events that it holds, each as often as it is there */
  ids(): Promise<string[]>;
  end(): Promise<void>;
};

async function bucket(): Promise<Mirror> {
  const server = await startS3();
  process.env.AWS_ACCESS_KEY_ID = S3_CREDENTIALS.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = S3_CREDENTIALS.secretAccessKey;
  const { endpoint } = server;
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials: S3_CREDENTIALS });
  const Bucket = "mirror";
  await client.send(new CreateBucketCommand({ Bucket }));
  const linesOf = async (Key: string): Promise<string[]> => {
    const { Body, ContentEncoding } = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(Key).toMatch(/^orders\/dt=\d{4}-\d\d-\d\d\/[0-9a-f]{32}\.ndjson\.gz$/);
    expect(ContentEncoding).toBe("gzip");
    const text = gunzipSync((await Body?.transformToByteArray()) as Uint8Array).toString();
    return text.trimEnd().split("\n");
  };
  return {
    server,
    external: {
      externalType: "ExternalObjectStore",
      connectionString: `s3:endpoint=${new URL(endpoint).host},bucketName=${Bucket}`,
      options: { timeoutMs: 2000 },
    },
    tee: { keyPrefix: "orders/dt={date}/", batch: { events: 50, seconds: 0.2, codec: "ndjson.gz" } },
    async ids() {
      const { Contents = [], IsTruncated } = await client.send(new ListObjectsV2Command({ Bucket }));
      expect(IsTruncated).toBe(false);
      const lines = await Promise.all(Contents.map(({ Key }) => linesOf(Key as string)));
      return lines.flat().map((line) => (JSON.parse(line) as { id: string }).id);
    },
    async end() {
      client.destroy();
      await server.end();
    },
  };
}

async function stream(): Promise<Mirror> {
  const server = await startNats();
  const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  await (await jetstreamManager(connection)).streams.add({ name: "MIRROR", subjects: ["mirror"] });
  return {
    server,
    external: {
      externalType: "ExternalPubSub",
      connectionString: `nats:servers=${new URL(server.url).host},subject=mirror,stream=MIRROR`,
      options: { timeoutMs: 2000 },
    },
    tee: {},
    async ids() {
      const { streams } = await jetstreamManager(connection);
      const { state } = await streams.info("MIRROR");
      const ids: string[] = [];
      for (let seq = 1; seq <= state.last_seq; seq++) {
        const message = await streams.getMessage("MIRROR", { seq });
        ids.push((JSON.parse(message?.string() ?? "") as { id: string }).id);
      }
      return ids;
    },
    async end() {
      await connection.close();
      await server.end();
    },
  };
}

const MIRRORS: [string, string | undefined, () => Promise<Mirror>][] = [
  ["S3, in batches", await whyNoGoPrograms("versitygw"), bucket],
  ["NATS, one by one", await whyNoGoPrograms("nats-server"), stream],
];

function count(stack: TestStack, name: string): number {
  const rows = stack.runtime.counters.snapshot().filter((row) => row.name === name);
  return rows.reduce((sum, row) => sum + row.value, 0);
}

describe.each(MIRRORS)("traffic mirrored to %s", (_title, missing, open) => {
  if (missing !== undefined) process.stderr.write(`${missing}\n`);

  test.skipIf(missing !== undefined)(
    "while the server is killed and started again: no request fails, and received = delivered + dropped",
    { timeout: 600_000 },
    async () => {
      const mirror = await open();
      const stack = await startTestStack(
        {
          pipelines: [{ name: "mirror", processes: [{ name: "copy" }] }],
          processDefinitions: [{ tee: { name: "copy", outputConnectorRef: "mirror", ...mirror.tee } }],
          externalSystems: [{ name: "mirror", ...mirror.external }],
          http: { version: 1, routes: [{ name: "all", request: { pipelines: ["mirror"] } }] },
        },
        (_seen, response) => response.end("ok"),
        { memoryBytes: 16 * 1024 * 1024 },
      );
      const client = newClient(stack.envoy.port, 16);
      let requests = 0;
      const send = async (more: number) => {
        const end = requests + more;
        const worker = async () => {
          while (requests < end) {
            const body = JSON.stringify({ id: `event-${requests++}`, text: "x".repeat(1500) });
            expect((await client.ask({ body })).status).toBe(200);
            expect(count(stack, "teeSent") + count(stack, "teeDropped") + stack.runtime.queued().events).toBe(
              count(stack, "teeOffered"),
            );
          }
        };
        await Promise.all(Array.from({ length: 16 }, worker));
      };
      const settled = async () => {
        while (stack.runtime.queued().events > 0) await delay(50);
      };
      try {
        await send(500);
        await mirror.server.stop("SIGKILL");
        await send(4000); // the queue has room for 2,000
        await mirror.server.start();
        await settled();
        await send(500);
        await settled();
        expect(count(stack, "teeOffered")).toBe(requests);
        expect(count(stack, "teeSent") + count(stack, "teeDropped")).toBe(requests);
        expect(count(stack, "teeDropped")).toBeGreaterThan(0);
        const ids = await mirror.ids();
        expect(new Set(ids).size, "an event stands there twice").toBe(ids.length);
        expect(ids.length).toBeGreaterThanOrEqual(count(stack, "teeSent"));
        expect(ids.length).toBeLessThanOrEqual(requests);
      } finally {
        client.close();
        await stack.stop();
        await mirror.end();
      }
    },
  );
});
