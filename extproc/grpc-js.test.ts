import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http2, { type ClientHttp2Session } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type GrpcJsOptions, grpcJsTransport } from "./grpc-js.ts";
import { readProcessingResponse, writeProcessingRequest } from "./messages/codec.ts";
import { readHealthResponse, ServingStatus, writeHealthRequest } from "./messages/health.ts";
import {
  continueAnswer,
  Kind,
  NO_BYTES,
  type ProcessingRequest,
  type ProcessingResponse,
} from "./messages/messages.ts";
import { type Accept, type Call, EXTERNAL_PROCESSOR, GrpcStatus, type Listening } from "./transport.ts";

const PROCESS = `/${EXTERNAL_PROCESSOR}/Process`;
const MIB = 1024 * 1024;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

// --- our side: a processor that answers every message at once and writes down what it hears -------------------------

type Log = { calls: Call[]; events: string[]; bugs: unknown[] };

function recorder(log: Log): Accept {
  return (call, metadata) => {
    log.calls.push(call);
    log.events.push(`open ${metadata("x-test") ?? ""}`.trim());
    return {
      recv(message) {
        log.events.push(`recv ${message.kind}`);
        if (message.kind !== Kind.none) call.send(continueAnswer(message.kind));
      },
      recvEnd() {
        log.events.push("half-close");
        call.end();
      },
      closed: () => log.events.push("closed"),
    };
  };
}

type Up = { listening: Listening; log: Log };

async function up(make: (log: Log) => Accept = recorder, options: GrpcJsOptions = {}, at = "127.0.0.1:0"): Promise<Up> {
  const log: Log = { calls: [], events: [], bugs: [] };
  const transport = grpcJsTransport({ onBug: (error) => log.bugs.push(error), ...options });
  const listening = await transport.listen(at, make(log));
  cleanups.push(() => listening.close());
  return { listening, log };
}

// --- their side, by grpc-js -----------------------------------------------------------------------------------------

const message = (kind: Kind, body: Uint8Array = NO_BYTES): ProcessingRequest => ({
  kind,
  headers: [],
  body,
  endOfStream: false,
  observabilityMode: false,
  protocolConfig: undefined,
  attributes: undefined,
});

const asIs = (bytes: Buffer) => bytes;

function dial(address: string): grpc.Client {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  cleanups.push(() => client.close());
  return client;
}

class Caller {
  readonly answers: ProcessingResponse[] = [];
  readonly status: Promise<grpc.StatusObject>;
  readonly stream: grpc.ClientDuplexStream<ProcessingRequest, ProcessingResponse>;

  constructor(client: grpc.Client, metadata = new grpc.Metadata()) {
    this.stream = client.makeBidiStreamRequest(PROCESS, writeProcessingRequest, readProcessingResponse, metadata);
    this.stream.on("data", (answer: ProcessingResponse) => this.answers.push(answer));
    this.stream.on("error", () => {}); // the status event says the same
    this.status = new Promise((resolve) => this.stream.once("status", resolve));
  }

  async ask(kind: Kind): Promise<ProcessingResponse | undefined> {
    const before = this.answers.length;
    this.stream.write(message(kind));
    await vi.waitFor(() => expect(this.answers.length).toBeGreaterThan(before));
    return this.answers.at(-1);
  }
}

// --- their side, by hand --------------------------------------------------------------------------------------------

async function dialRaw(address: string): Promise<ClientHttp2Session> {
  const session = http2.connect(`http://${address}`);
  session.on("error", () => {});
  cleanups.push(() => session.destroy());
  await once(session, "remoteSettings");
  return session;
}

const HEADERS = { ":method": "POST", ":path": PROCESS, te: "trailers", "content-type": "application/grpc" };

function frame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** One call the way Envoy makes them: a message, its answer, RST_STREAM(INTERNAL_ERROR). */
function callAndReset(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(HEADERS);
    let answered = false;
    stream.on("error", () => {});
    stream.once("data", () => {
      answered = true;
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    });
    stream.once("close", () => (answered ? resolve() : reject(new Error("closed without an answer"))));
    stream.write(frame(writeProcessingRequest(message(Kind.requestHeaders))));
  });
}

// --------------------------------------------------------------------------------------------------------------------

describe("a call", () => {
  it("answers message by message, sees metadata, and ends OK on half-close", async () => {
    const { listening, log } = await up();
    const metadata = new grpc.Metadata();
    metadata.set("x-test", "yes");
    const caller = new Caller(dial(listening.address), metadata);
    for (const kind of [Kind.requestHeaders, Kind.requestBody, Kind.responseHeaders, Kind.responseTrailers] as const) {
      expect(await caller.ask(kind)).toEqual(continueAnswer(kind));
    }
    caller.stream.end();
    expect((await caller.status).code).toBe(GrpcStatus.OK);
    await vi.waitFor(() => expect(log.events.at(-1)).toBe("closed"));
    expect(log.events).toEqual(["open yes", "recv 2", "recv 4", "recv 3", "recv 7", "half-close", "closed"]);
    expect(log.bugs).toEqual([]);
  });

  it("closes once when we end it, and ignores whatever we still say", async () => {
    const { listening, log } = await up((log) => (call, metadata) => {
      const handler = recorder(log)(call, metadata);
      const recv = (request: ProcessingRequest) => {
        handler.recv(request);
        call.end();
        call.end();
        call.fail(GrpcStatus.INTERNAL, "late");
      };
      return { ...handler, recv };
    });
    const caller = new Caller(dial(listening.address));
    caller.stream.write(message(Kind.requestHeaders));
    expect((await caller.status).code).toBe(GrpcStatus.OK);
    expect(caller.answers).toEqual([continueAnswer(Kind.requestHeaders)]); // sent before the end: arrives
    await vi.waitFor(() => expect(log.events).toEqual(["open", "recv 2", "closed"]));
    log.calls[0]?.send(continueAnswer(Kind.requestBody));
    log.calls[0]?.fail(GrpcStatus.INTERNAL, "too late");
    expect(log.bugs).toEqual([]);
  });

  it("closes once when we fail it, after what was sent", async () => {
    const { listening, log } = await up();
    const caller = new Caller(dial(listening.address));
    await caller.ask(Kind.requestHeaders);
    log.calls[0]?.send(continueAnswer(Kind.requestBody));
    log.calls[0]?.fail(GrpcStatus.RESOURCE_EXHAUSTED, "no room: 100 %");
    const status = await caller.status;
    expect([status.code, status.details]).toEqual([GrpcStatus.RESOURCE_EXHAUSTED, "no room: 100 %"]);
    expect(caller.answers.length).toBe(2);
    await vi.waitFor(() => expect(log.events).toEqual(["open", "recv 2", "closed"]));
  });

  it("closes once when the peer cancels", async () => {
    const { listening, log } = await up();
    const caller = new Caller(dial(listening.address));
    await caller.ask(Kind.requestHeaders);
    caller.stream.cancel();
    // Node's client sends END_STREAM ahead of the reset, as Envoy does (facts 0.7)
    await vi.waitFor(() => expect(log.events).toEqual(["open", "recv 2", "half-close", "closed"]));
    expect(log.bugs).toEqual([]);
  });

  it("closes every call of a lost connection", async () => {
    const { listening, log } = await up();
    const session = await dialRaw(listening.address);
    for (let i = 0; i < 3; i++) {
      session
        .request(HEADERS)
        .on("error", () => {})
        .write(frame(writeProcessingRequest(message(Kind.requestBody))));
    }
    await vi.waitFor(() => expect(log.events.filter((event) => event === "recv 4").length).toBe(3));
    session.socket.destroy();
    await vi.waitFor(() => expect(log.events.filter((event) => event === "closed").length).toBe(3));
    expect(log.bugs).toEqual([]);
  });

  it("fails bytes that are no message, which is not our bug", async () => {
    const { listening, log } = await up();
    const garbage = Buffer.from([0x12, 0x7f, 0x0a]);
    const stream = dial(listening.address).makeBidiStreamRequest(PROCESS, asIs, asIs);
    stream.on("error", () => {});
    stream.resume();
    stream.write(garbage);
    const status = await new Promise((resolve) => stream.once("status", resolve));
    expect(status).toMatchObject({ code: GrpcStatus.INTERNAL, details: "agglo: these bytes are no ProcessingRequest" });
    await vi.waitFor(() => expect(log.events).toEqual(["open", "closed"]));
    expect(log.bugs).toEqual([]);
  });
});

describe("resets and windows", () => {
  it("survives 5,000 calls ended by RST_STREAM on one connection", async () => {
    const { listening, log } = await up();
    const session = await dialRaw(listening.address);
    const goaway = vi.fn();
    session.on("goaway", goaway);
    for (let done = 0; done < 5000; done += 100) {
      await Promise.all(Array.from({ length: 100 }, () => callAndReset(session)));
    }
    await vi.waitFor(() => expect(log.events.filter((event) => event === "closed").length).toBe(5000));
    await callAndReset(session);
    expect([session.closed, goaway.mock.calls.length, log.bugs.length]).toEqual([false, 0, 0]);
  });

  it("survives resets of calls that grpc-js turns down itself", async () => {
    const { listening, log } = await up();
    const session = await dialRaw(listening.address);
    for (const headers of [
      { ...HEADERS, ":path": "/none" },
      { ...HEADERS, "content-type": "text/plain" },
    ]) {
      const stream = session.request(headers);
      stream.on("error", () => {});
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      await new Promise((resolve) => stream.once("close", resolve));
    }
    await callAndReset(session);
    expect([session.closed, log.bugs]).toEqual([false, []]);
  });

  it("announces large windows", async () => {
    const { listening } = await up();
    const session = await dialRaw(listening.address);
    expect(session.remoteSettings.initialWindowSize).toBe(MIB);
    await vi.waitFor(() => expect(session.state.remoteWindowSize).toBe(16 * MIB));
  });

  it("leaves node:http2 as it was", async () => {
    const before = http2.createServer;
    const opening = up();
    expect(http2.createServer).toBe(before);
    await opening;
    expect(http2.createServer).toBe(before);
  });
});

describe("our own bugs", () => {
  const boom = new Error("boom");
  const accepts: [string, (log: Log) => Accept][] = [
    [
      "accept",
      () => () => {
        throw boom;
      },
    ],
    [
      "recv",
      (log) => (call, metadata) => ({
        ...recorder(log)(call, metadata),
        recv: () => {
          throw boom;
        },
      }),
    ],
  ];

  it.each(accepts)("become INTERNAL when %s throws, and the next call works", async (_, broken) => {
    let first = true;
    const { listening, log } = await up((log) => (call, metadata) => {
      const accept = first ? broken(log) : recorder(log);
      first = false;
      return accept(call, metadata);
    });
    const client = dial(listening.address);
    const caller = new Caller(client);
    caller.stream.write(message(Kind.requestHeaders));
    expect((await caller.status).code).toBe(GrpcStatus.INTERNAL);
    expect(log.bugs).toEqual([boom]);
    expect(await new Caller(client).ask(Kind.requestBody)).toEqual(continueAnswer(Kind.requestBody));
  });

  it("become INTERNAL when an answer cannot be encoded", async () => {
    const { listening, log } = await up((log) => (call, metadata) => ({
      ...recorder(log)(call, metadata),
      recv: () => call.send({ ...continueAnswer(Kind.requestTrailers), body: NO_BYTES }),
    }));
    const caller = new Caller(dial(listening.address));
    caller.stream.write(message(Kind.requestTrailers));
    expect((await caller.status).code).toBe(GrpcStatus.INTERNAL);
    expect(String(log.bugs[0])).toMatch("trailers answer");
  });
});

describe("large messages", () => {
  it("takes 5 MB and answers 5 MB", async () => {
    const body = Buffer.alloc(5_000_000, 0x61);
    const { listening } = await up(() => (call) => ({
      recv: (request) => call.send({ ...continueAnswer(Kind.requestBody), body: request.body }),
      recvEnd: () => call.end(),
      closed() {},
    }));
    const client = new grpc.Client(listening.address, grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
    });
    cleanups.push(() => client.close());
    const caller = new Caller(client);
    caller.stream.end(message(Kind.requestBody, body));
    expect((await caller.status).code).toBe(GrpcStatus.OK);
    expect(caller.answers[0]?.body?.length).toBe(body.length);
  });

  it("ends the call of a message over the limit, and only that", async () => {
    const { listening, log } = await up(recorder, { messageBytesMax: 1000 });
    const client = dial(listening.address);
    const caller = new Caller(client);
    caller.stream.write(message(Kind.requestBody, Buffer.alloc(1001)));
    expect((await caller.status).code).toBe(GrpcStatus.RESOURCE_EXHAUSTED);
    await vi.waitFor(() => expect(log.events).toEqual(["open", "closed"]));
    expect(await new Caller(client).ask(Kind.requestBody)).toBeDefined();
  });
});

describe("health", () => {
  const check = (client: grpc.Client, service: string) =>
    new Promise<ServingStatus | grpc.ServiceError>((resolve) => {
      const path = "/grpc.health.v1.Health/Check";
      client.makeUnaryRequest(path, writeHealthRequest, readHealthResponse, service, (error, status) =>
        resolve(error ?? (status as ServingStatus)),
      );
    });

  const watch = (client: grpc.Client, service: string) => {
    const seen: ServingStatus[] = [];
    const path = "/grpc.health.v1.Health/Watch";
    const stream = client.makeServerStreamRequest(path, writeHealthRequest, readHealthResponse, service);
    stream.on("data", (status: ServingStatus) => seen.push(status));
    stream.on("error", () => {});
    return { seen, over: new Promise((resolve) => stream.once("status", resolve)) };
  };

  it("checks the server and the service, and no other", async () => {
    const { listening } = await up();
    const client = dial(listening.address);
    expect(await check(client, "")).toBe(ServingStatus.SERVING);
    expect(await check(client, EXTERNAL_PROCESSOR)).toBe(ServingStatus.SERVING);
    expect(await check(client, "other")).toMatchObject({ code: GrpcStatus.NOT_FOUND });
    listening.setServing(false);
    expect(await check(client, "")).toBe(ServingStatus.NOT_SERVING);
  });

  it("tells watchers each change once, and ends their watch on drain", async () => {
    const { listening } = await up();
    const client = dial(listening.address);
    const known = watch(client, EXTERNAL_PROCESSOR);
    const unknown = watch(client, "other");
    await vi.waitFor(() => expect([known.seen, unknown.seen]).toEqual([[1], [3]]));
    listening.setServing(false);
    listening.setServing(false);
    listening.setServing(true);
    await vi.waitFor(() => expect(known.seen).toEqual([1, 2, 1]));
    await listening.drain(60_000);
    await Promise.all([known.over, unknown.over]);
    expect([known.seen, unknown.seen]).toEqual([[1, 2, 1, 2], [3]]);
  });
});

describe("leaving", () => {
  it("drains: an open call goes on to its end, idle connections close, new ones are refused", async () => {
    const { listening, log } = await up();
    const idle = await dialRaw(listening.address);
    const caller = new Caller(dial(listening.address));
    await caller.ask(Kind.requestHeaders);
    const drained = listening.drain(60_000);
    await vi.waitFor(() => expect(idle.destroyed).toBe(true));
    const refused = new Caller(dial(listening.address));
    expect((await refused.status).code).toBe(GrpcStatus.UNAVAILABLE);
    expect(await caller.ask(Kind.requestBody)).toEqual(continueAnswer(Kind.requestBody));
    caller.stream.end();
    expect((await caller.status).code).toBe(GrpcStatus.OK);
    await drained;
    expect(log.events).toEqual(["open", "recv 2", "recv 4", "half-close", "closed"]);
  });

  it("cuts what is still open when the time is over", async () => {
    const { listening, log } = await up();
    const caller = new Caller(dial(listening.address));
    await caller.ask(Kind.requestHeaders);
    await listening.drain(1);
    expect((await caller.status).code).not.toBe(GrpcStatus.OK);
    await vi.waitFor(() => expect(log.events.at(-1)).toBe("closed"));
  });

  it("closes at once, and closing twice is fine", async () => {
    const { listening, log } = await up();
    const caller = new Caller(dial(listening.address));
    await caller.ask(Kind.requestHeaders);
    await Promise.all([listening.close(), listening.close()]);
    await listening.drain(1);
    expect((await caller.status).code).not.toBe(GrpcStatus.OK);
    await vi.waitFor(() => expect(log.events).toEqual(["open", "recv 2", "closed"]));
  });
});

describe("the door", () => {
  it("serves over a unix socket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "agglo-grpc-"));
    cleanups.push(() => rm(folder, { recursive: true }));
    const { listening } = await up(recorder, {}, `unix:${folder}/s`);
    expect(await new Caller(dial(listening.address)).ask(Kind.requestHeaders)).toBeDefined();
  });

  it("rejects with the sentence of listen.ts", async () => {
    const { listening } = await up();
    await expect(up(recorder, {}, listening.address)).rejects.toThrow(`cannot listen on ${listening.address}`);
  });
});
