/** The kafka: system against one Kafka node. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { Admin, Consumer, type Message } from "@platformatic/kafka";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../engine/core/event/json.ts";
import type { Publisher } from "../../../engine/core/ports.ts";
import { type Bench, opened, outlivesRestarts, takesEvents } from "../../../engine/systems/contract.ts";
import { openKafka, parseKafka } from "../../../engine/systems/kafka.ts";
import { newMemory } from "../../../engine/systems/memory.ts";
import type { OpenedSystem } from "../../../engine/systems/system.ts";
import { whyNoJavaProgram } from "../../../tools/java-programs.ts";
import { type KafkaServer, startKafka } from "../../../tools/servers/kafka.ts";

const missing = await whyNoJavaProgram("kafka");
if (missing !== undefined) process.stderr.write(`${missing}\n`);

const CERT = fileURLToPath(new URL("../transport/fixtures/cert.pem", import.meta.url));
const KEY = fileURLToPath(new URL("../transport/fixtures/key.pem", import.meta.url));
const START_MS = 600_000; // the first time it is fetched

describe.skipIf(missing !== undefined)("Kafka", () => {
  let server: KafkaServer;
  let admin: Admin;
  let topics = 0;

  beforeAll(async () => {
    server = await startKafka({ username: "ann", password: "s3cret", certFile: CERT, keyFile: KEY });
    admin = new Admin({ clientId: "test", bootstrapBrokers: [server.address], retries: 100, retryDelay: 100 });
  }, START_MS);
  afterAll(async () => {
    await admin.close();
    await server.end();
  });

  async function newTopic(partitions = 1, config: { [name: string]: string } = {}): Promise<string> {
    const topic = `t${++topics}`;
    const configs = Object.entries(config).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs });
    return topic;
  }

  async function open(topic: string, options: JsonObject = {}): Promise<OpenedSystem> {
    const parsed = parseKafka("ExternalPubSub", `kafka:servers=${server.address},topicName=${topic}`);
    if ("error" in parsed) throw new Error(parsed.error);
    return opened(openKafka(parsed, { name: "log", memory: newMemory(), options: { timeoutMs: 3000, ...options } }));
  }

  function publisherOf({ port }: OpenedSystem): Publisher {
    if (port.type !== "ExternalPubSub") throw new Error(port.type);
    return port.publisher;
  }

  type Read = { id: string; text: string; key: string; partition: number; headers: { [name: string]: string } };

  /** Everything in a topic, up to the end that it had when this was called. */
  async function messagesOf(topic: string, partitions = 1): Promise<Read[]> {
    const offsets = await admin.listOffsets({
      topics: [
        {
          name: topic,
          partitions: Array.from({ length: partitions }, (_, i) => ({ partitionIndex: i, timestamp: -1n })),
        },
      ],
    });
    const ends = offsets.flatMap((found) => found.partitions.map(({ offset }) => Number(offset)));
    const total = ends.reduce((sum, end) => sum + end, 0);
    if (total === 0) return [];
    const consumer = new Consumer({
      clientId: "test",
      groupId: `g-${topic}-${Math.random()}`,
      bootstrapBrokers: [server.address],
    });
    const stream = await consumer.consume({
      topics: [topic],
      mode: "earliest",
      maxWaitTime: 100,
      sessionTimeout: 10_000,
    });
    const read: Read[] = [];
    for await (const message of stream) {
      read.push(readOf(message));
      if (read.length >= total) break;
    }
    await consumer.close(true);
    return read;
  }

  function readOf(message: Message): Read {
    const headers = Object.fromEntries([...message.headers].map(([name, value]) => [String(name), String(value)]));
    const { partition } = message;
    return {
      id: headers["agglo-id"] ?? "",
      text: String(message.value),
      key: String(message.key ?? ""),
      partition,
      headers,
    };
  }

  async function openBench(): Promise<Bench> {
    const topic = await newTopic();
    const system = await open(topic);
    let read: Read[] | undefined;
    const all = async () => (read ??= await messagesOf(topic));
    return {
      opened: system,
      arrived: async (id) => (await all()).find((message) => message.id === id)?.text,
      async ids() {
        read = undefined; // asked for first, once everything is sent
        return (await all()).map(({ id }) => id).sort();
      },
      end: () => system.close(),
    };
  }

  takesEvents("a topic", openBench);
  outlivesRestarts("a topic", () => server, openBench);

  test("messages keep their order, and carry their headers", async () => {
    const topic = await newTopic();
    const system = await open(topic);
    const about = { key: "", headers: { "content-type": "application/json" } };
    const ids = Array.from({ length: 300 }, (_, i) => `id-${i}`);
    await Promise.all(ids.map((id) => publisherOf(system).publish(id, Buffer.from(id), about)));
    const messages = await messagesOf(topic);
    expect(messages.map(({ id }) => id)).toEqual(ids);
    expect(messages[0]?.headers).toEqual({ "agglo-id": "id-0", "content-type": "application/json" });
    await system.close();
  });

  test("a field may be the key, and what has one key is in one partition", async () => {
    const topic = await newTopic(4);
    const system = await open(topic, { keyBy: "customer.id" });
    const events = [
      ...Array.from({ length: 40 }, (_, i) => `{"customer":{"id":"c${i % 4}"},"n":${i}}`),
      '{"customer":{"id":12345678901234567890}}',
      '{"customer":{"id":true}}',
      '{"customer":{}}',
      "[]",
    ];
    for (const [i, event] of events.entries()) {
      expect(await publisherOf(system).publish(`id-${i}`, Buffer.from(event))).toBeUndefined();
    }
    const about = { key: "given", headers: {} };
    await publisherOf(system).publish("id-last", Buffer.from(events[0] as string), about);
    const messages = await messagesOf(topic, 4);
    const keyOf = (id: string) => messages.find((message) => message.id === id)?.key;
    expect(["id-0", "id-1", "id-40", "id-41", "id-42", "id-43", "id-last"].map(keyOf)).toEqual([
      "c0",
      "c1",
      "12345678901234567890",
      "true",
      "",
      "",
      "given",
    ]);
    for (const key of ["c0", "c1", "c2", "c3"]) {
      const partitions = messages.filter((message) => message.key === key).map(({ partition }) => partition);
      expect([partitions.length, new Set(partitions).size]).toEqual([key === "c0" ? 10 : 10, 1]);
    }
    await system.close();
  });

  test("a message that the topic never takes fails alone", async () => {
    const topic = await newTopic(1, { "max.message.bytes": "2000" });
    const system = await open(topic);
    const sizes = [10, 10, 5000, 10];
    const answers = await Promise.all(
      sizes.map((bytes, i) => publisherOf(system).publish(`id-${i}`, Buffer.alloc(bytes, "x"))),
    );
    expect(answers.map((error) => error?.code)).toEqual([undefined, undefined, "tooLarge", undefined]);
    expect(answers[2]).toMatchObject({ retryable: false, divisible: true });
    expect((await messagesOf(topic)).map(({ id }) => id)).toEqual(["id-0", "id-1", "id-3"]);
    await system.close();
  });

  test("a topic that is not there may come, and a broker that is not there is out of reach", async () => {
    const system = await open("nobody");
    expect(await publisherOf(system).publish("id-1", Buffer.from("x"))).toMatchObject({
      code: "UNKNOWN_TOPIC_OR_PARTITION",
      retryable: true,
    });
    expect(await system.probe()).toMatchObject({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
    await system.close();
    const parsed = parseKafka("ExternalPubSub", "kafka:servers=127.0.0.1:1,topicName=t");
    if ("error" in parsed) throw new Error(parsed.error);
    const gone = await opened(openKafka(parsed, { name: "log", memory: newMemory() }));
    expect(await publisherOf(gone).publish("id-1", Buffer.from("x"))).toMatchObject({ retryable: true });
    await gone.close();
  });

  test.each(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])(
    "a login by %s over TLS is made, and refused for good where it is wrong",
    async (mechanism) => {
      const topic = await newTopic();
      const parsed = parseKafka("ExternalPubSub", `kafka:servers=${server.secureAddress},topicName=${topic}`);
      if ("error" in parsed) throw new Error(parsed.error);
      const publish = async (password: string, tls: JsonObject) => {
        const sasl = { mechanism, username: "ann", password };
        const options = { sasl, tls, timeoutMs: 3000 };
        const system = await opened(openKafka(parsed, { name: "log", memory: newMemory(), options }));
        const error = await publisherOf(system).publish("id-1", Buffer.from("x"));
        await system.close();
        return error;
      };
      expect(await publish("s3cret", { caFile: CERT })).toBeUndefined();
      expect((await messagesOf(topic)).map(({ id }) => id)).toEqual(["id-1"]);
      const refused = await publish("wrong", { caFile: CERT });
      expect(refused).toMatchObject({ code: "SASL_AUTHENTICATION_FAILED", retryable: false });
      expect(JSON.stringify(refused)).not.toContain("wrong");
      // Nobody vouches for it.
      expect(await publish("s3cret", {})).toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT", retryable: true });
    },
  );

  test("a broker that takes connections and says nothing is out of reach, for a message and for the next", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const parsed = parseKafka("ExternalPubSub", `kafka:servers=${address},topicName=t`);
    if ("error" in parsed) throw new Error(parsed.error);
    const system = await opened(openKafka(parsed, { name: "log", memory: newMemory(), options: { timeoutMs: 200 } }));
    for (const id of ["id-1", "id-2"]) {
      expect(await publisherOf(system).publish(id, Buffer.from("x"))).toMatchObject({ retryable: true });
    }
    await system.close();
    silent.close();
  });

  test("a probe asks for the topic and sends nothing", async () => {
    const topic = await newTopic(3);
    const system = await open(topic);
    expect(await system.probe()).toEqual({ found: `topic ${topic} has 3 partitions, sent nothing` });
    expect(await messagesOf(topic, 3)).toEqual([]);
    await system.close();
  });
});
