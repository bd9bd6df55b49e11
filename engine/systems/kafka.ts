/**
 * Kafka: an idempotent producer that waits for every replica. One request is under way at a time, so that messages keep
 * their order; what comes meanwhile goes together in the next one.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { MessageToProduce, Producer, ProducerOptions } from "@platformatic/kafka";
import type { ConfigOf, SystemDefinition } from "../core/definition.ts";
import { decimalText } from "../core/event/decimal.ts";
import { newEvent } from "../core/event/event.ts";
import { isObject, isRawNumber } from "../core/event/json.ts";
import { parseText } from "../core/event/parse.ts";
import { compilePath, lookup, type Path } from "../core/event/path.ts";
import type { MessageAbout, Publisher, SystemError, SystemType } from "../core/ports.ts";
import { type BatchAnswer, newBatches } from "./batches.ts";
import { CLOSED, failure, isSystemError, refusedContent, refuseId } from "./failure.ts";
import { guardPublisher } from "./guard.ts";
import { parseBoolean, parseParameters, partsOf } from "./parameters.ts";
import { type OpenedSystem, type Parsed, type Probed, type Refusal, refuse, type SystemDeps } from "./system.ts";
import { readTls, TLS_FIELD, type Tls } from "./tls.ts";

const TIMEOUT_MS = 10_000;
/** Of the client's own, within one request; the tee's come on top. */
const RETRIES = 3;
const RETRY_MS = 100;
const CLOSE_MS = 2000;
/** Brokers take batches up to a megabyte by default, the larger message alone in its own. */
const BATCH_BYTES = 512 * 1024;
const BATCH_MESSAGES = 1000;

const options = {
  keyBy: {
    kind: "string",
    doc: "Path in the event whose value, a scalar, is the message's key: events with one key keep their order.",
  },
  sasl: {
    kind: "object",
    doc: "How to log in.",
    fields: {
      mechanism: { kind: "word", required: true, words: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], doc: "The way." },
      username: { kind: "string", required: true, doc: "The user." },
      password: { kind: "secret", required: true, doc: "The password." },
    },
  },
  tls: TLS_FIELD,
  timeoutMs: {
    kind: "integer",
    min: 1,
    max: 600_000,
    doc: `For connecting, and for one request. Default ${TIMEOUT_MS}.`,
  },
} as const;

export const kafka: SystemDefinition = {
  key: "kafka",
  summary: "Publishes each event to a topic, acknowledged by all replicas, with its id in the header `agglo-id`.",
  types: ["ExternalPubSub"],
  grammar:
    "kafka:servers=HOST:PORT[;HOST:PORT…],topicName=T[,isSync=BOOL] (isSync is the original's: here every message is waited for)",
  options,
};

export type KafkaSettings = Parsed & { servers: string[]; topic: string };

/** What Kafka calls a topic: 1 to 249 characters. */
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;

export function parseKafka(_type: SystemType, connectionString: string): KafkaSettings | Refusal {
  const names = ["servers", "topicName", "isSync"];
  const parameters = parseParameters(connectionString, names, ["servers", "topicName"]);
  if ("refusal" in parameters) return parameters.refusal as Refusal;
  const isSync = parseBoolean(parameters, "isSync");
  if (typeof isSync === "object") return isSync.refusal;
  const { servers = "", topicName: topic = "" } = parameters;
  if (!TOPIC.test(topic)) return refuse("topicName is no topic", "write 1 to 249 letters, digits, dots, dashes or _");
  const list = partsOf(servers);
  if (!list.every((server) => /^[^\s:@/]+:\d{1,5}$/.test(server) || /^\[[0-9a-f:]+\]:\d{1,5}$/i.test(server))) {
    return refuse("servers is no list of HOST:PORT", "join several by semicolons; users stand under options.sasl");
  }
  return { outputType: "pubsub", connectionString, servers: list, topic };
}

type Chosen = ConfigOf<typeof options>;
type Library = typeof import("@platformatic/kafka");
type Message = MessageToProduce<Buffer, Buffer, Buffer, Buffer>;
type KafkaProducer = Producer<Buffer, Buffer, Buffer, Buffer>;
type Client = {
  producer: KafkaProducer;
  renew(): KafkaProducer /** for one send, its retries included */;
  sendMs: number;
};

export async function openKafka(settings: KafkaSettings, deps: SystemDeps): Promise<OpenedSystem | SystemError> {
  const chosen = (deps.options ?? {}) as Chosen; // the loader has checked them
  const tls = readTls(chosen.tls);
  if (tls !== undefined && isSystemError(tls)) return tls;
  const library = await import("@platformatic/kafka");
  const config = producerOptions(settings, chosen, tls, library);
  const client: Client = {
    producer: new library.Producer(config),
    renew: () => new library.Producer(config),
    sendMs: (chosen.timeoutMs ?? TIMEOUT_MS) * (RETRIES + 2),
  };
  const keyBy = chosen.keyBy === undefined ? undefined : compilePath(chosen.keyBy);
  const state = { closed: false };
  const batches = newBatches<Message>({
    concurrency: 1,
    bytesMax: BATCH_BYTES,
    itemsMax: BATCH_MESSAGES,
    send: (messages) => send(client, settings.topic, messages),
  });
  const publisher: Publisher = {
    publish: async (id, value, about) =>
      refuseId(id) ?? (await batches.add(messageOf(settings.topic, keyBy, id, value, about), value.byteLength)),
  };
  return {
    port: { type: "ExternalPubSub", publisher: guardPublisher(publisher, state) },
    probe: async () => (state.closed ? CLOSED : probe(client.producer, settings.topic)),
    async close() {
      state.closed = true;
      await batches.idle();
      await end(client.producer);
    },
  };
}

/** It may never have been connected, or be stuck. */
async function end(producer: KafkaProducer): Promise<void> {
  await Promise.race([producer.close(true).catch(() => undefined), delay(CLOSE_MS, undefined, { ref: false })]);
}

function producerOptions(
  { servers }: KafkaSettings,
  { timeoutMs = TIMEOUT_MS, sasl }: Chosen,
  tls: Tls | undefined,
  { ProduceAcks }: Library,
): ProducerOptions<Buffer, Buffer, Buffer, Buffer> {
  return {
    clientId: "agglo",
    bootstrapBrokers: servers,
    idempotent: true,
    acks: ProduceAcks.ALL,
    connectTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    timeout: timeoutMs,
    retries: RETRIES,
    retryDelay: RETRY_MS,
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

function messageOf(
  topic: string,
  keyBy: Path | undefined,
  id: string,
  value: Uint8Array,
  about: MessageAbout | undefined,
): Message {
  const message: Message = { topic, value: Buffer.from(value), headers: headersOf(id, about) };
  const key = about?.key || keyOf(keyBy, value);
  if (key !== "") message.key = Buffer.from(key);
  return message;
}

function headersOf(id: string, about: MessageAbout | undefined): Map<Buffer, Buffer> {
  const headers = new Map([[Buffer.from("agglo-id"), Buffer.from(id)]]);
  for (const [name, value] of Object.entries(about?.headers ?? {})) headers.set(Buffer.from(name), Buffer.from(value));
  return headers;
}

/** Deeper events have no key; core's own limit for a route. */
const DEPTH_MAX = 64;

function keyOf(path: Path | undefined, value: Uint8Array): string {
  if (path === undefined) return "";
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8");
  const parsed = parseText(text, 0, text.length, DEPTH_MAX);
  if (!isObject(parsed.value)) return "";
  const found = lookup(newEvent(parsed.value, text, 0, text.length), path);
  if (typeof found === "string") return found;
  if (typeof found === "boolean") return String(found);
  if (typeof found === "number" || (found !== undefined && isRawNumber(found))) return decimalText(found);
  return "";
}

const LATE = Symbol("late");

async function send(client: Client, topic: string, messages: readonly Message[]): Promise<BatchAnswer> {
  const timer = new AbortController();
  const late = delay(client.sendMs, LATE, { signal: timer.signal });
  try {
    const sent = client.producer.send({ messages: [...messages] });
    if ((await Promise.race([sent, late])) !== LATE) return undefined;
    // The client bounds each of its requests, and yet has been seen to answer none of them: it is given up.
    sent.catch(() => undefined);
    void end(client.producer);
    client.producer = client.renew();
    return failure("timeout", `no answer within ${client.sendMs} ms publishing to ${topic}`, true);
  } catch (thrown) {
    return kafkaFailure(`publishing to ${topic}`, thrown);
  } finally {
    timer.abort();
  }
}

/** The client's errors hold others; the broker's own has an `apiId`, and each says whether it may pass. */
type Told = { message: string; code?: string; apiId?: string; canRetry?: boolean; errors?: Told[]; cause?: Told };

/** One message, or all of a request together, is larger than the topic or the segments of its log take. */
const TOO_LARGE = new Set(["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"]);

function kafkaFailure(doing: string, thrown: unknown): SystemError {
  const told = flatten(thrown as Told);
  // The client takes this for a mistake of the program's; a topic may come, as after a restore.
  if (told.some(({ message }) => message.startsWith("Unknown topic "))) {
    return failure("UNKNOWN_TOPIC_OR_PARTITION", `there is no such topic ${doing}`, true);
  }
  const code = told.find(({ apiId }) => apiId !== undefined)?.apiId ?? told.at(-1)?.code;
  if (code === undefined) return failure("bug", `${String(thrown)} ${doing}`, false);
  if (TOO_LARGE.has(code)) return refusedContent("tooLarge", `${code} ${doing}`);
  if (code === "INVALID_RECORD") return refusedContent(code, `${code} ${doing}`);
  return failure(
    code,
    `${code} ${doing}`,
    told.every(({ canRetry }) => canRetry !== false),
  );
}

function flatten(error: Told): Told[] {
  const inside = error.cause === undefined ? (error.errors ?? []) : [...(error.errors ?? []), error.cause];
  return [error, ...inside.flatMap(flatten)];
}

async function probe(producer: KafkaProducer, topic: string): Promise<Probed | SystemError> {
  try {
    const metadata = await producer.metadata({ topics: [topic], autocreateTopics: false, forceUpdate: true });
    const partitions = metadata.topics.get(topic)?.partitionsCount ?? 0;
    return { found: `topic ${topic} has ${partitions} partitions, sent nothing` };
  } catch (thrown) {
    return kafkaFailure(`asking for topic ${topic}`, thrown);
  }
}
