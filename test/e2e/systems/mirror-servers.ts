/** Mirrors that are processes of their own: killed by SIGKILL, paused by SIGSTOP. */
import { gunzipSync } from "node:zlib";
import { DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Admin, Consumer } from "@platformatic/kafka";
import { expect } from "vitest";
import { createTable, startDynamo } from "../../../tools/servers/dynamodb.ts";
import { startKafka } from "../../../tools/servers/kafka.ts";
import { startNats } from "../../../tools/servers/nats.ts";
import { S3_CREDENTIALS, startS3 } from "../../../tools/servers/s3.ts";
import type { Server } from "../../../tools/servers/server.ts";
import { type Mirror, numbersIn } from "./mirror.ts";

const AWS = { region: "us-east-1", credentials: S3_CREDENTIALS };

function useCredentials(): void {
  process.env.AWS_ACCESS_KEY_ID = S3_CREDENTIALS.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = S3_CREDENTIALS.secretAccessKey;
}

function faultsOf(server: Server): Pick<Mirror, "pause" | "resume" | "stop" | "start"> {
  return {
    pause: () => server.pause(),
    resume: () => server.resume(),
    stop: () => server.stop("SIGKILL"),
    start: () => server.start(),
  };
}

export async function bucket(): Promise<Mirror> {
  const server = await startS3();
  useCredentials();
  const { endpoint } = server;
  const client = new S3Client({ ...AWS, endpoint, forcePathStyle: true });
  const Bucket = "mirror";
  await client.send(new CreateBucketCommand({ Bucket }));
  const textOf = async (Key: string): Promise<string> => {
    const { Body, ContentEncoding } = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(Key).toMatch(/^orders\/dt=\d{4}-\d\d-\d\d\/[0-9a-f]{32}\.ndjson\.gz$/);
    expect(ContentEncoding).toBe("gzip");
    return gunzipSync((await Body?.transformToByteArray()) as Uint8Array).toString();
  };
  return {
    ...faultsOf(server),
    external: {
      externalType: "ExternalObjectStore",
      connectionString: `s3:endpoint=${new URL(endpoint).host},bucketName=${Bucket}`,
      options: { timeoutMs: 2000 },
    },
    tee: { keyPrefix: "orders/dt={date}/", batch: { events: 50, seconds: 0.2, codec: "ndjson.gz" } },
    async numbers() {
      const numbers: number[] = [];
      for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket })) {
        for (const { Key } of Contents) numbers.push(...numbersIn(await textOf(Key as string)));
      }
      return numbers;
    },
    async end() {
      client.destroy();
      await server.end();
    },
  };
}

export async function table(): Promise<Mirror> {
  const server = await startDynamo("in files");
  useCredentials();
  const { endpoint } = server;
  const client = new DynamoDBClient({ ...AWS, endpoint });
  const TableName = "mirror";
  await createTable(client, TableName);
  return {
    ...faultsOf(server),
    external: {
      externalType: "ExternalKVStore",
      connectionString: `dynamo:endpoint=${endpoint},region=us-east-1,tableName=${TableName},prefixLength=4`,
      options: { timeoutMs: 2000 },
    },
    tee: { batch: { events: 20, seconds: 0.2 } },
    async numbers() {
      const numbers: number[] = [];
      for await (const { Items = [] } of paginateScan({ client }, { TableName, ConsistentRead: true })) {
        for (const { Value } of Items) numbers.push(...numbersIn(Buffer.from(Value?.B as Uint8Array).toString()));
      }
      return numbers;
    },
    async end() {
      client.destroy();
      await server.end();
    },
  };
}

export async function stream(): Promise<Mirror> {
  const server = await startNats();
  const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  await (await jetstreamManager(connection)).streams.add({ name: "MIRROR", subjects: ["mirror"] });
  return {
    ...faultsOf(server),
    external: {
      externalType: "ExternalPubSub",
      connectionString: `nats:servers=${new URL(server.url).host},subject=mirror,stream=MIRROR`,
      options: { timeoutMs: 2000 },
    },
    tee: {},
    async numbers() {
      const { streams } = await jetstreamManager(connection);
      const { state } = await streams.info("MIRROR");
      const numbers: number[] = [];
      for (let seq = 1; seq <= state.last_seq; seq++) {
        numbers.push(...numbersIn((await streams.getMessage("MIRROR", { seq }))?.string() ?? ""));
      }
      return numbers;
    },
    async end() {
      await connection.close();
      await server.end();
    },
  };
}

export async function topic(): Promise<Mirror> {
  const server = await startKafka();
  const bootstrapBrokers = [server.address];
  const admin = new Admin({ clientId: "test", bootstrapBrokers, retries: 100, retryDelay: 100 });
  await admin.createTopics({ topics: ["mirror"], partitions: 1, replicas: 1 });
  const partitions = [{ partitionIndex: 0, timestamp: -1n }];
  return {
    ...faultsOf(server),
    external: {
      externalType: "ExternalPubSub",
      connectionString: `kafka:servers=${server.address},topicName=mirror`,
      options: { timeoutMs: 1000 },
    },
    tee: {},
    async numbers() {
      const [ends] = await admin.listOffsets({ topics: [{ name: "mirror", partitions }] });
      const end = Number(ends?.partitions[0]?.offset);
      const consumer = new Consumer({ clientId: "test", groupId: "reader", bootstrapBrokers });
      const numbers: number[] = [];
      const messages = await consumer.consume({ topics: ["mirror"], mode: "earliest", maxWaitTime: 100 });
      for await (const { value, offset } of messages) {
        numbers.push(...numbersIn(value.toString()));
        if (Number(offset) >= end - 1) break;
      }
      await consumer.close(true);
      return numbers;
    },
    async end() {
      await admin.close();
      await server.end();
    },
  };
}
