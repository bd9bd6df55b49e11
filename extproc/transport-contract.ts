import { mkdtemp, rm } from "node:fs/promises";
import http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  asIs,
  atEnd,
  Caller,
  callAndReset,
  cleanUp,
  dial,
  dialRaw,
  frame,
  HEADERS,
  message,
  PROCESS,
} from "../test/e2e/transport/callers.ts";
import { writeProcessingRequest } from "./messages/codec.ts";
import { readHealthResponse, ServingStatus, writeHealthRequest } from "./messages/health.ts";
import { continueAnswer, Kind, NO_BYTES, type ProcessingRequest } from "./messages/messages.ts";
import { type Accept, type Call, EXTERNAL_PROCESSOR, GrpcStatus, type Listening, type Transport } from "./transport.ts";

// What every transport does, as tests: each transport's own test file calls `describeTransport` and adds what is
// special about it.

export type TransportOptions = { messageBytesMax?: number; onBug: (error: unknown) => void };

export type MakeTransport = (options: TransportOptions) => Transport;

/** Starts the transport under test for one test. */
export type Up = (
  make?: (log: Log) => Accept,
  options?: Omit<TransportOptions, "onBug">,
  at?: string,
) => Promise<{ listening: Listening; log: Log }>;

export function describeTransport(make: MakeTransport): void {
  const up = starter(make);
  describe("a call", () => {
    testCalls(up);
    testEnds(up);
  });
  describe("resets and windows", () => testResets(up));
  describe("our own bugs", () => testBugs(up));
  describe("large messages", () => testLarge(up));
  describe("health", () => testHealth(up));
  describe("leaving", () => testLeaving(up));
  describe("the door", () => testDoor(up));
}

const MIB = 1024 * 1024;
/** Made once per test file: what a test starts ends with it. */
export function starter(make: MakeTransport): Up {
  afterEach(cleanUp);
  return async (accept = recorder, options = {}, at = "127.0.0.1:0") => {
    const log: Log = { calls: [], events: [], bugs: [] };
    const transport = make({ onBug: (error) => log.bugs.push(error), ...options });
    const listening = await transport.listen(at, accept(log));
    atEnd(() => listening.close());
    return { listening, log };
  };
}

// --- our side: a processor that answers every message at once and writes down what it hears -------------------------

/** What our side heard. */
export type Log = { calls: Call[]; events: string[]; bugs: unknown[] };

export function recorder(log: Log): Accept {
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

/** Our side: hears everything and ends with the peer. */
export function echo(log: Log): Accept {
  return (call, metadata) => ({ ...recorder(log)(call, metadata), recv: () => {}, recvEnd: () => call.end() });
}

/** Our side: answers each body with itself. */
export const echoBodies: Accept = (call) => ({
  recv: (request) => call.send({ ...continueAnswer(Kind.requestBody), body: request.body }),
  recvEnd: () => call.end(),
  closed() {},
});

function testCalls(up: Up): void {
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
}

function testEnds(up: Up): void {
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
}

function testResets(up: Up): void {
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

  it("announces large windows", async () => {
    const { listening } = await up();
    const session = await dialRaw(listening.address);
    expect(session.remoteSettings.initialWindowSize).toBe(MIB);
    await vi.waitFor(() => expect(session.state.remoteWindowSize).toBe(16 * MIB));
  });

  it("survives resets of calls that it turns down itself", async () => {
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
}

function testBugs(up: Up): void {
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
}

function testLarge(up: Up): void {
  it("takes 5 MB and answers 5 MB", async () => {
    const body = Buffer.alloc(5_000_000, 0x61);
    const { listening } = await up(() => echoBodies);
    const client = new grpc.Client(listening.address, grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
    });
    atEnd(() => client.close());
    const caller = new Caller(client);
    caller.stream.end(message(Kind.requestBody, body));
    expect((await caller.status).code).toBe(GrpcStatus.OK);
    expect(caller.answers[0]).toMatchObject({ body: { length: body.length } });
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
}

function testHealth(up: Up): void {
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
}

function testLeaving(up: Up): void {
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
}

function testDoor(up: Up): void {
  it("serves over a unix socket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "agglo-grpc-"));
    atEnd(() => rm(folder, { recursive: true }));
    const { listening } = await up(recorder, {}, `unix:${folder}/s`);
    expect(await new Caller(dial(listening.address)).ask(Kind.requestHeaders)).toBeDefined();
  });

  it("rejects with the sentence of listen.ts", async () => {
    const { listening } = await up();
    await expect(up(recorder, {}, listening.address)).rejects.toThrow(`cannot listen on ${listening.address}`);
  });
}
