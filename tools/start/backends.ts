/** The real servers behind the examples: started empty, set up as an example needs it, and looked into afterwards. */
import { DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Admin, Consumer } from "@platformatic/kafka";
import { createTable, startDynamo } from "../servers/dynamodb.ts";
import { startKafka } from "../servers/kafka.ts";
import { startNats } from "../servers/nats.ts";
import { S3_CREDENTIALS, startS3 } from "../servers/s3.ts";

export type Backend = {
  /** HOST:PORT */
  address: string;
  /** what is in it, a line each */
  contents(): Promise<string[]>;
  end(): Promise<void>;
};

export type StartBackend = {
  /** the address in the example's file, in whose place the real one is put */
  written: string;
  start(): Promise<Backend>;
};

/** By the example's name; the others need none. */
export const BACKENDS: { readonly [example: string]: StartBackend } = {
  "mirror-to-s3": { written: "127.0.0.1:9000", start: startBucket },
  "mirror-to-nats": { written: "127.0.0.1:4222", start: startStream },
  "mirror-to-kafka": { written: "127.0.0.1:9092", start: startTopic },
  "count-by-tenant": { written: "127.0.0.1:8000", start: startTable },
};

async function startBucket(): Promise<Backend> {
  const server = await startS3();
  useCredentials();
  const { endpoint } = server;
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials: S3_CREDENTIALS });
  const Bucket = "orders";
  await client.send(new CreateBucketCommand({ Bucket }));
  return {
    address: new URL(endpoint).host,
    async contents() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
      return Promise.all(
        Contents.map(async ({ Key }) => {
          const object = await client.send(new GetObjectCommand({ Bucket, Key }));
          return `${Key}  ${await object.Body?.transformToString()}`;
        }),
      );
    },
    async end() {
      client.destroy();
      await server.end();
    },
  };
}

// The example takes them where AWS's own tools do.
function useCredentials(): void {
  process.env.AWS_ACCESS_KEY_ID = S3_CREDENTIALS.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = S3_CREDENTIALS.secretAccessKey;
}

async function startStream(): Promise<Backend> {
  const server = await startNats();
  const connection = await connect({ servers: server.url });
  const manager = await jetstreamManager(connection);
  const stream = "ORDERS";
  await manager.streams.add({ name: stream, subjects: ["orders"] });
  return {
    address: new URL(server.url).host,
    async contents() {
      const { state } = await manager.streams.info(stream);
      const lines: string[] = [];
      for (let seq = 1; seq <= state.last_seq; seq++) {
        const message = await manager.streams.getMessage(stream, { seq });
        lines.push(`${message?.header.get("Nats-Msg-Id")}  ${message?.string()}`);
      }
      return lines;
    },
    async end() {
      await connection.close();
      await server.end();
    },
  };
}

async function startTopic(): Promise<Backend> {
  const server = await startKafka();
  const bootstrapBrokers = [server.address];
  const admin = new Admin({ clientId: "example", bootstrapBrokers });
  const topic = "orders";
  await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
  return {
    address: server.address,
    async contents() {
      const offsets = await admin.listOffsets({
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1n }] }],
      });
      const end = Number(offsets[0]?.partitions[0]?.offset ?? 0);
      const consumer = new Consumer({ clientId: "example", groupId: `example-${Date.now()}`, bootstrapBrokers });
      const lines: string[] = [];
      if (end > 0) {
        for await (const { key, value } of await consumer.consume({ topics: [topic], mode: "earliest" })) {
          lines.push(`${key}  ${value}`);
          if (lines.length === end) break;
        }
      }
      await consumer.close(true);
      return lines;
    },
    async end() {
      await admin.close();
      await server.end();
    },
  };
}

async function startTable(): Promise<Backend> {
  const server = await startDynamo("in memory");
  useCredentials();
  const client = new DynamoDBClient({ endpoint: server.endpoint, region: "us-east-1", credentials: S3_CREDENTIALS });
  const TableName = "state";
  await createTable(client, TableName);
  return {
    address: new URL(server.endpoint).host,
    async contents() {
      const { Items = [] } = await client.send(new ScanCommand({ TableName, ConsistentRead: true }));
      return Items.map(({ ValueKey, Value, ...item }) => {
        const text = Value?.B === undefined ? item["n:value"]?.N : Buffer.from(Value.B).toString("utf8");
        return `${ValueKey?.S}  ${text}`;
      }).sort();
    },
    async end() {
      client.destroy();
      await server.end();
    },
  };
}
