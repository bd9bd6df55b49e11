import { connect } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ErrorCode, Flag, FrameType, PREFACE } from "./constants.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import type { Http2Limits } from "./limits.ts";
import { END, END_BOTH, frame, Peer, POST, say, TestServer, uint32 } from "./testing.ts";

// Every limit of limits.ts with what happens beyond it, and that a well-meaning peer on the next connection never notices.

const { ENHANCE_YOUR_CALM, REFUSED_STREAM, SETTINGS_TIMEOUT } = ErrorCode;

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function start(limits: Partial<Http2Limits> = {}): Promise<{ server: TestServer; meet: () => Promise<Peer> }> {
  const server = await TestServer.start(limits);
  cleanups.push(() => server.stop());
  const meet = async () => {
    const peer = await Peer.meet(server.port);
    cleanups.push(() => peer.end());
    return peer;
  };
  return { server, meet };
}

/** Sends `bytes` once the connection stands; the bystander must not notice what becomes of it. */
async function attack(limits: Partial<Http2Limits>, bytes: Buffer[]): Promise<string | undefined> {
  const { server, meet } = await start(limits);
  const bystander = await meet();
  const peer = await meet();
  peer.say(...bytes);
  const last = (await peer.untilClosed()).at(-1);
  server.onStream = (stream) => stream.respond("fine", true);
  bystander.say(say.headers(1, POST, END_BOTH));
  expect((await bystander.untilPong()).at(-1)).toBe("DATA 1 fine END");
  for (const stream of server.streams) expect(stream.closedTimes).toBe(1);
  return last;
}

const times = (count: number, make: (i: number) => Buffer) => Array.from({ length: count }, (_, i) => make(i));

describe("floods of frames that carry nothing (CVE-2019-9512, -9515, -9518)", () => {
  const few = { idleFrames: 100, idleFramesPerSecond: 1 };
  const floods: [string, (i: number) => Buffer][] = [
    ["PING", () => say.ping("12345678")],
    ["SETTINGS", () => say.settings()],
    ["acks nobody asked for", () => frame(FrameType.SETTINGS, Flag.ACK, 0)],
    ["empty DATA", () => say.data(1, "")],
    ["padding alone", () => frame(FrameType.DATA, Flag.PADDED, 1, Buffer.of(0))],
    ["PRIORITY", () => frame(FrameType.PRIORITY, 0, 7, Buffer.alloc(5))],
    ["WINDOW_UPDATE", () => say.windowUpdate(0, 1)],
    ["RST_STREAM of a closed stream", () => say.reset(3, 0)],
    ["unknown types", () => frame(0x99, 0, 0)],
  ];
  it.each(floods)("%s", async (_, make) => {
    const streams = [say.headers(1), say.headers(3), say.reset(3, 0)];
    expect(await attack(few, [...streams, ...times(200, make)])).toBe(`GOAWAY 3 ${ENHANCE_YOUR_CALM}`);
  });

  it("are none when work lies between them", async () => {
    const { server, meet } = await start(few);
    server.onStream = (stream) => stream.respond("ok", true);
    const peer = await meet();
    for (let i = 0; i < 500; i++) {
      const id = i * 2 + 1;
      peer.say(say.headers(id), say.data(id, "x"), say.windowUpdate(0, 1), say.data(id, "", END), say.reset(id, 2));
    }
    expect((await peer.untilPong()).length).toBe(1000);
  });
});

describe("streams that are reset before any work", () => {
  const few = { fruitlessResets: 100, fruitlessResetsPerSecond: 1 };

  it("by the peer: rapid reset (CVE-2023-44487)", async () => {
    const bytes = times(200, (i) => Buffer.concat([say.headers(i * 2 + 1), say.reset(i * 2 + 1, 8)]));
    expect(await attack(few, bytes)).toBe(`GOAWAY 201 ${ENHANCE_YOUR_CALM}`);
  });

  const provocations: [string, (id: number) => Buffer][] = [
    ["WINDOW_UPDATE of 0", (id) => Buffer.concat([say.headers(id), say.windowUpdate(id, 0)])],
    ["WINDOW_UPDATE that overflows", (id) => Buffer.concat([say.headers(id), say.windowUpdate(id, 0x7fff_ffff)])],
    [
      "HEADERS after the end",
      (id) => Buffer.concat([say.headers(id, POST, END_BOTH), say.headers(id, POST, END_BOTH)]),
    ],
    ["DATA after the end", (id) => Buffer.concat([say.headers(id, POST, END_BOTH), say.data(id, "x")])],
    ["malformed requests", (id) => say.headers(id, ["x", "y"])],
  ];
  it.each(provocations)("by us: made you reset (CVE-2025-8671), with %s", async (_, make) => {
    expect(
      await attack(
        few,
        times(200, (i) => make(i * 2 + 1)),
      ),
    ).toMatch(`${ENHANCE_YOUR_CALM}`);
  });

  it("are not those with an answer, at any rate", async () => {
    const { server, meet } = await start(few);
    server.onStream = (stream) => stream.respond("ok");
    const peer = await meet();
    for (let id = 1; id < 20_000; id += 2) peer.say(say.headers(id), say.data(id, "x"), say.reset(id, 2));
    expect((await peer.untilPong()).length).toBe(20_000);
    await vi.waitFor(() => expect(server.connections[0]?.streamsActive).toBe(0));
  });

  it("are not those that did their work without an answer", async () => {
    const { server, meet } = await start(few);
    const peer = await meet();
    for (let id = 1; id < 2000; id += 2) peer.say(say.headers(id), say.data(id, "x"), say.reset(id, 2));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams.length).toBe(1000);
  });
});

describe("header blocks", () => {
  const open = say.headers(1, POST, 0);
  const more = (payload: Uint8Array) => frame(FrameType.CONTINUATION, 0, 1, payload);

  it("of too many CONTINUATION frames (CVE-2024-27316)", async () => {
    expect(await attack({}, [open, ...times(20, () => more(Buffer.alloc(0)))])).toBe(`GOAWAY 0 ${ENHANCE_YOUR_CALM}`);
  });

  it("of too many bytes", async () => {
    expect(await attack({}, [open, ...times(3, () => more(Buffer.alloc(16_000)))])).toBe(
      `GOAWAY 0 ${ENHANCE_YOUR_CALM}`,
    );
  });

  it("that grow too large when decoded are answered 431, and only their stream is over (CVE-2016-6581)", async () => {
    const { server, meet } = await start();
    const peer = await meet();
    const entry = Buffer.concat([Buffer.of(0x40, 1, 0x61, 0x7f, 0xa1, 0x1e), Buffer.alloc(4000, 0x62)]);
    const bomb = Buffer.concat([encodeHeaders(POST), entry, Buffer.alloc(10_000, 0xbe)]);
    peer.say(frame(FrameType.HEADERS, END_BOTH, 1, bomb), say.headers(3));
    expect(await peer.untilPong()).toEqual(["HEADERS 1 END"]);
    peer.say(frame(FrameType.HEADERS, 4, 5, Buffer.alloc(10_000, 0xbe)));
    expect(await peer.untilPong()).toEqual(["HEADERS 5 END", "RST 5 0"]);
    expect(server.streams.map((stream) => stream.id)).toEqual([3]);
  });
});

describe("streams", () => {
  it("beyond SETTINGS_MAX_CONCURRENT_STREAMS are refused, and may come when others have gone", async () => {
    const { server, meet } = await start({ concurrentStreams: 2 });
    const peer = await meet();
    peer.say(say.headers(1), say.headers(3), say.headers(5), say.data(5, "x"));
    expect(await peer.untilPong()).toEqual([`RST 5 ${REFUSED_STREAM}`]);
    peer.say(say.reset(1, 8), say.headers(7));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams.map((stream) => stream.id)).toEqual([1, 3, 7]);
  });
});

describe("peers that are not there", () => {
  it("are waited for a while before the preface", async () => {
    const { server } = await start({ prefaceTimeoutMs: 100 });
    const peer = await Peer.dial(server.port);
    cleanups.push(() => peer.end());
    peer.say(PREFACE);
    await peer.next("SETTINGS");
    server.connections[0]?.tick(1000);
    server.connections[0]?.tick(1090);
    server.connections[0]?.tick(1101);
    expect(await peer.untilClosed()).toEqual(
      ["WINDOW_UPDATE", `GOAWAY 0 ${SETTINGS_TIMEOUT}`].map((line) =>
        line.replace(/^WINDOW_UPDATE$/, "WINDOW_UPDATE 0 16711681"),
      ),
    );
  });

  it("are asked by PING when they are quiet, and cut when they do not answer", async () => {
    const { server, meet } = await start({ keepaliveMs: 1000, keepaliveTimeoutMs: 500 });
    const peer = await meet();
    const [connection] = server.connections;
    connection?.tick(1);
    connection?.tick(1002);
    const ping = await peer.next("PING");
    peer.say(frame(FrameType.PING, Flag.ACK, 0, ping.payload));
    await peer.untilPong();
    connection?.tick(1503); // it has answered
    connection?.tick(2504);
    await peer.next("PING");
    peer.say(say.ping("forged!!", Flag.ACK));
    await peer.untilPong();
    connection?.tick(3005);
    expect(await peer.untilClosed()).toEqual([]);
    await vi.waitFor(() => expect(server.connectionsClosed).toBe(1));
  });

  it("are cut when we have ended and they do not go", async () => {
    const { server } = await start();
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
    socket.write("nonsense that is no preface");
    const ended = new Promise((resolve) => socket.once("end", resolve));
    socket.resume();
    await ended;
    for (let now = 1; now < 4; now++) server.connections[0]?.tick(now);
    await vi.waitFor(() => expect(server.connectionsClosed).toBe(1));
  });
});

describe("a peer that sends and never reads", () => {
  it("is not read any more either, and cut when nothing moves", async () => {
    const { server } = await start({ keepaliveTimeoutMs: 500, idleFrames: 1e9 });
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
    socket.pause();
    socket.write(Buffer.concat([PREFACE, say.settings()]));
    const pings = Buffer.concat(times(4000, () => say.ping("12345678")));
    let sent = 0;
    // Until our own socket takes no more: then the server has stopped reading.
    while (socket.writableLength < 4_000_000) {
      socket.write(pings);
      sent += pings.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = process.memoryUsage().arrayBuffers;
    expect(before).toBeLessThan(sent + 20_000_000);
    await vi.waitFor(() => {
      server.connections[0]?.tick(1);
      server.connections[0]?.tick(502);
      expect(server.connectionsClosed).toBe(1);
    });
  });
});

describe("answers after all that", () => {
  it("a connection that did nothing wrong takes 100 streams with every feature at once", async () => {
    const { server, meet } = await start();
    server.onStream = (stream) => stream.respond("ok", true);
    const peer = await meet();
    peer.say(say.windowUpdate(0, 1000), frame(FrameType.PRIORITY, 0, 1, uint32(0, 0).subarray(0, 5)));
    for (let id = 1; id < 200; id += 2) peer.say(say.headers(id), say.data(id, "x", END));
    expect((await peer.untilPong()).length).toBe(200);
    expect(server.connections[0]?.streamsActive).toBe(0);
  });
});
