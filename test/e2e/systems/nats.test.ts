/** The nats: system against nats-server with JetStream. */
import { fileURLToPath } from "node:url";
import { type JetStreamManager, jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../engine/core/event/json.ts";
import type { Publisher } from "../../../engine/core/ports.ts";
import { type Bench, opened, outlivesRestarts, takesEvents } from "../../../engine/systems/contract.ts";
import { newMemory } from "../../../engine/systems/memory.ts";
import { openNats, parseNats } from "../../../engine/systems/nats.ts";
import type { OpenedSystem } from "../../../engine/systems/system.ts";
import { whyNoGoPrograms } from "../../../tools/go-programs.ts";
import { type NatsServer, startNats } from "../../../tools/servers/nats.ts";

const missing = await whyNoGoPrograms("nats-server");
if (missing !== undefined) process.stderr.write(`${missing}\n`);

const CERT = fileURLToPath(new URL("../transport/fixtures/cert.pem", import.meta.url));
const KEY = fileURLToPath(new URL("../transport/fixtures/key.pem", import.meta.url));
const START_MS = 600_000; // the first time it is built

describe.skipIf(missing !== undefined)("NATS", () => {
  let server: NatsServer;
  let looking: NatsConnection;
  let streams = 0;

  beforeAll(async () => {
    server = await startNats();
    looking = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  }, START_MS);
  afterAll(async () => {
    await looking.close();
    await server.end();
  });

  /** Asked again while the connection for looking comes back after a restart. */
  async function managing(): Promise<JetStreamManager> {
    const isBack = await jetstreamManager(looking, { timeout: 500 }).then(
      () => true,
      () => false,
    );
    return isBack ? jetstreamManager(looking, { timeout: 20_000 }) : managing();
  }

  /** A stream of its own subject of the same name. */
  async function newStream(config: Partial<StreamConfig> = {}): Promise<string> {
    const name = `s${++streams}`;
    const manager = await managing();
    await manager.streams.add({ name, subjects: [name], ...config });
    return name;
  }

  async function open(subject: string, more = "", options: JsonObject = {}): Promise<OpenedSystem> {
    const parsed = parseNats("ExternalPubSub", `nats:servers=${server.url},subject=${subject}${more}`);
    if ("error" in parsed) throw new Error(parsed.error);
    return opened(openNats(parsed, { name: "bus", memory: newMemory(), options: { timeoutMs: 2000, ...options } }));
  }

  function publisherOf({ port }: OpenedSystem): Publisher {
    if (port.type !== "ExternalPubSub") throw new Error(port.type);
    return port.publisher;
  }

  async function messagesOf(stream: string) {
    const manager = await managing();
    const { state } = await manager.streams.info(stream);
    const sequences = Array.from({ length: state.messages }, (_, i) => state.first_seq + i);
    return Promise.all(
      sequences.map(async (seq) => {
        const message = await manager.streams.getMessage(stream, { seq });
        return { id: message?.header.get("Nats-Msg-Id"), text: message?.string(), header: message?.header };
      }),
    );
  }

  async function openBench(): Promise<Bench> {
    const stream = await newStream();
    const system = await open(stream);
    return {
      opened: system,
      arrived: async (id) => (await messagesOf(stream)).find((message) => message.id === id)?.text,
      ids: async () => (await messagesOf(stream)).map(({ id = "" }) => id).sort(),
      end: () => system.close(),
    };
  }

  takesEvents("a stream", openBench);
  outlivesRestarts("a stream", () => server, openBench);

  test("a message sent again is kept once, and carries its headers", async () => {
    const stream = await newStream();
    const system = await open(stream, `,stream=${stream}`);
    const about = { key: "k", headers: { "Content-Type": "application/x-ndjson" } };
    for (const text of ["one", "one", "one"]) {
      expect(await publisherOf(system).publish("id-1", Buffer.from(text), about)).toBeUndefined();
    }
    const messages = await messagesOf(stream);
    expect(messages.map(({ text }) => text)).toEqual(["one"]);
    expect(messages[0]?.header?.get("Content-Type")).toBe("application/x-ndjson");
    await system.close();
  });

  test("what no stream takes, another stream takes, or is too large is told apart", async () => {
    const stream = await newStream({ max_msg_size: 1000 });
    const send = async (subject: string, more: string, bytes: number) => {
      const system = await open(subject, more);
      const error = await publisherOf(system).publish("id-1", Buffer.alloc(bytes, "x"));
      await system.close();
      return error;
    };
    expect(await send("nobody", "", 1)).toMatchObject({ code: "noStream", retryable: true });
    expect(await send(stream, ",stream=other", 1)).toMatchObject({ code: "jetstream10060", retryable: false });
    expect(await send(stream, "", 2000)).toMatchObject({ code: "tooLarge", divisible: true });
    expect(await send(stream, "", 2_000_000)).toMatchObject({ code: "tooLarge", divisible: true });
  });

  test("a server that is not there is out of reach at once, and found once it is", async () => {
    const stream = await newStream();
    await server.stop();
    const system = await open(stream);
    expect(await publisherOf(system).publish("id-1", Buffer.from("x"))).toMatchObject({
      code: "unreachable",
      retryable: true,
    });
    expect(await system.probe()).toMatchObject({ code: "unreachable" });
    await server.start();
    expect(await publisherOf(system).publish("id-1", Buffer.from("x"))).toBeUndefined();
    await system.close();
  });

  test("a login over TLS is made, and refused for good where it is wrong", async () => {
    const secure = await startNats("--user", "ann", "--pass", "s3cret", "--tls", "--tlscert", CERT, "--tlskey", KEY);
    const servers = secure.url.replace("nats://127.0.0.1", "localhost"); // whom the certificate names
    const parsed = parseNats("ExternalPubSub", `nats:servers=${servers},subject=s`);
    if ("error" in parsed) throw new Error(parsed.error);
    const probe = async (options: JsonObject) => {
      const system = await opened(openNats(parsed, { name: "bus", memory: newMemory(), options }));
      const found = await system.probe();
      await system.close();
      return found;
    };
    const tls = { caFile: CERT };
    // There is no stream: who is told so has been let in.
    expect(await probe({ user: "ann", password: "s3cret", tls })).toMatchObject({ code: "noStream" });
    expect(await probe({ user: "ann", password: "wrong", tls })).toMatchObject({ code: "refused", retryable: false });
    expect(await probe({ user: "ann", password: "s3cret" })).toMatchObject({ code: "unreachable" }); // nobody vouches for it
    await secure.end();
  });

  test("files of TLS that cannot be read are said at opening", async () => {
    const parsed = parseNats("ExternalPubSub", "nats:servers=h:1,subject=s");
    if ("error" in parsed) throw new Error(parsed.error);
    const open = (tls: JsonObject) => openNats(parsed, { name: "bus", memory: newMemory(), options: { tls } });
    expect(await open({ caFile: "/not/there" })).toMatchObject({ message: "tls: a file cannot be read (ENOENT)" });
    expect(await open({ certFile: CERT })).toMatchObject({ message: "tls: certFile and keyFile belong together" });
  });

  test("a probe finds the stream and sends nothing", async () => {
    const stream = await newStream();
    const system = await open(stream);
    expect(await system.probe()).toEqual({ found: `stream ${stream} takes ${stream}, sent nothing` });
    expect(await messagesOf(stream)).toEqual([]);
    expect(await (await open("nobody")).probe()).toMatchObject({ code: "noStream" });
    expect(await (await open(stream, ",stream=other")).probe()).toMatchObject({ code: "otherStream" });
  });
});
