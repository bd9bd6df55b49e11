import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Setting, WINDOW_BYTES_MAX } from "./constants.ts";
import { END, END_BOTH, Peer, POST, say, TestServer } from "./testing.ts";

let server: TestServer;
const peers: Peer[] = [];

beforeEach(async () => {
  server = await TestServer.start({ streamWindowBytes: 1000, connectionWindowBytes: 70_000 });
});

afterEach(() => {
  for (const peer of peers.splice(0)) peer.end();
  server.stop();
});

async function meet(...pairs: [number, number][]): Promise<Peer> {
  const peer = await Peer.meet(server.port, ...pairs);
  peers.push(peer);
  return peer;
}

const NO_WINDOW: [number, number] = [Setting.INITIAL_WINDOW_SIZE, 0];

describe("what we send", () => {
  it("keeps to a window of zero, and goes on when SETTINGS and WINDOW_UPDATE open it, byte by byte", async () => {
    server.onStream = (stream) => stream.respond("abc", true);
    const peer = await meet(NO_WINDOW);
    peer.say(say.headers(1, POST, END_BOTH));
    expect(await peer.untilPong()).toEqual(["HEADERS 1"]);
    peer.say(say.window(1));
    expect(await peer.untilPong()).toEqual(["SETTINGS ACK", "DATA 1 a"]);
    peer.say(say.windowUpdate(1, 1));
    expect(await peer.untilPong()).toEqual(["DATA 1 b"]);
    peer.say(say.windowUpdate(1, 5));
    expect(await peer.untilPong()).toEqual(["DATA 1 c END"]);
    expect(server.streams[0]?.events).toEqual(["headers 4", "end", "closed 0"]);
  });

  it("sends trailers after what waits for window, then nothing", async () => {
    server.onStream = (stream) => {
      stream.respond("ab");
      stream.send("cd");
      stream.end();
      stream.send("late");
      stream.end();
    };
    const peer = await meet(NO_WINDOW);
    peer.say(say.headers(1, POST, END_BOTH));
    expect(await peer.untilPong()).toEqual(["HEADERS 1"]);
    peer.say(say.windowUpdate(1, 3), say.windowUpdate(1, 100));
    expect(await peer.untilPong()).toEqual(["DATA 1 ab", "DATA 1 c", "DATA 1 d", "HEADERS 1 END"]);
  });

  it("shares the connection's window out in the order of waiting", async () => {
    server.onStream = (stream) => stream.respond("x".repeat(40_000), true);
    const peer = await meet([Setting.INITIAL_WINDOW_SIZE, 1_000_000]);
    peer.say(say.headers(1, POST, END_BOTH), say.headers(3, POST, END_BOTH));
    const first = await peer.untilPong();
    expect(first).toEqual([
      ...["HEADERS 1", "DATA 1 16384", "DATA 1 16384", "DATA 1 7232 END"],
      ...["HEADERS 3", "DATA 3 16384", "DATA 3 9151"],
    ]);
    peer.say(say.headers(5, POST, END_BOTH));
    expect(await peer.untilPong()).toEqual(["HEADERS 5"]);
    peer.say(say.windowUpdate(0, 14_466));
    expect(await peer.untilPong()).toEqual(["DATA 3 14465 END", "DATA 5 x"]);
    peer.say(say.reset(5, 8));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams.map((stream) => stream.closedTimes)).toEqual([1, 1, 1]);
  });

  it("lets a stream wait its turn for the connection's window once, however often its own grows", async () => {
    server.onStream = (stream) => stream.respond("x".repeat(40_000), true);
    const peer = await meet([Setting.INITIAL_WINDOW_SIZE, 1_000_000]);
    peer.say(say.headers(1, POST, END_BOTH), say.headers(3, POST, END_BOTH));
    await peer.untilPong();
    peer.say(say.windowUpdate(3, 1), say.windowUpdate(3, 1), say.reset(3, 8), say.windowUpdate(0, 100_000));
    expect(await peer.untilPong()).toEqual([]);
    expect([server.connections[0]?.streamsActive, server.connections[0]?.queuedBytes]).toEqual([0, 0]);
  });

  it("lets SETTINGS make a window negative in the middle of a stream", async () => {
    server.onStream = (stream) => stream.respond("0123456789", true);
    const peer = await meet([Setting.INITIAL_WINDOW_SIZE, 4]);
    peer.say(say.headers(1, POST, END_BOTH));
    expect(await peer.untilPong()).toEqual(["HEADERS 1", "DATA 1 0123"]);
    peer.say(say.window(1), say.windowUpdate(1, 3));
    expect(await peer.untilPong()).toEqual(["SETTINGS ACK"]);
    peer.say(say.windowUpdate(1, 1));
    expect(await peer.untilPong()).toEqual(["DATA 1 4"]);
    peer.say(say.window(6));
    expect(await peer.untilPong()).toEqual(["SETTINGS ACK", "DATA 1 56789 END"]);
  });

  it("says once that it uses no table when the peer's decoder has a smaller one (RFC 7541 section 4.2)", async () => {
    server.onStream = (stream) => stream.respond("", true);
    const peer = await meet([Setting.HEADER_TABLE_SIZE, 0]);
    peer.say(say.headers(1, POST, END_BOTH));
    expect((await peer.next("HEADERS")).payload.toString("hex")).toBe("2088");
    await peer.untilPong();
    peer.say(say.headers(3, POST, END_BOTH));
    expect((await peer.next("HEADERS")).payload.toString("hex")).toBe("88");
  });

  it("closes the connection of who lets answers pile up (CVE-2019-9517)", async () => {
    server.stop();
    server = await TestServer.start({ queuedBytes: 10_000 });
    server.onStream = (stream) => stream.respond("x".repeat(3000), true);
    const peer = await meet(NO_WINDOW);
    for (let id = 1; id < 9; id += 2) peer.say(say.headers(id, POST, END_BOTH));
    expect(await peer.untilClosed()).toEqual(["HEADERS 1", "HEADERS 3", "HEADERS 5", "HEADERS 7", "GOAWAY 7 11"]);
    await vi.waitFor(() => expect(server.connectionsClosed).toBe(1));
  });
});

describe("what we take", () => {
  it("refills windows in large steps, not for a stream that has ended", async () => {
    const peer = await meet();
    peer.say(say.headers(1), say.data(1, "x".repeat(400)));
    expect(await peer.untilPong()).toEqual([]);
    peer.say(say.data(1, "x".repeat(200)));
    expect(await peer.untilPong()).toEqual(["WINDOW_UPDATE 1 600"]);
    peer.say(say.data(1, "x".repeat(900), END));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams[0]?.body.length).toBe(1500);
  });

  it("refills the connection's window for streams that nobody reads any more, too", async () => {
    const peer = await meet();
    server.onStream = (stream) => stream.connection.reset(stream.stream, 8);
    peer.say(say.headers(1));
    for (let i = 0; i < 3; i++) peer.say(say.data(1, "x".repeat(16_384)));
    expect(await peer.untilPong()).toEqual(["RST 1 8", "WINDOW_UPDATE 0 49152"]);
  });

  it("tells who goes on sending to an answered stream to stop", async () => {
    server.onStream = (stream) => stream.respond("no", true);
    const peer = await meet();
    peer.say(say.headers(1), say.data(1, "x".repeat(600)));
    expect(await peer.untilPong()).toEqual(["HEADERS 1", "DATA 1 no END", "RST 1 0"]);
    peer.say(say.data(1, "x".repeat(600), END));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams[0]?.closedTimes).toBe(1);
  });

  it("resets a stream that overruns its window", async () => {
    const peer = await meet();
    peer.say(say.headers(1), say.data(1, "x".repeat(1001)));
    expect(await peer.untilPong()).toEqual(["RST 1 3"]);
  });
});

describe("WINDOW_UPDATE", () => {
  it.each([
    ["of 0 is its stream's error", (peer: Peer) => peer.say(say.windowUpdate(1, 0)), ["RST 1 1"]],
    [
      "that overflows is its stream's error",
      (peer: Peer) => peer.say(say.windowUpdate(1, WINDOW_BYTES_MAX)),
      ["RST 1 3"],
    ],
  ])("%s", async (_, act, heard) => {
    const peer = await meet();
    peer.say(say.headers(1));
    act(peer);
    expect(await peer.untilPong()).toEqual(heard);
  });

  it.each([
    ["of 0 for the connection closes it", say.windowUpdate(0, 0), "GOAWAY 1 1"],
    ["that overflows for the connection closes it", say.windowUpdate(0, WINDOW_BYTES_MAX), "GOAWAY 1 3"],
    ["for an idle stream closes the connection", say.windowUpdate(3, 1), "GOAWAY 1 1"],
    [
      "of SETTINGS that overflows closes it",
      Buffer.concat([say.windowUpdate(1, 65_536), say.window(WINDOW_BYTES_MAX)]),
      "GOAWAY 1 3",
    ],
  ])("%s", async (_, bytes, last) => {
    const peer = await meet();
    peer.say(say.headers(1), bytes);
    expect((await peer.untilClosed()).at(-1)).toBe(last);
    expect(server.streams[0]?.closedTimes).toBe(1);
  });

  it("for a stream that is over is ignored", async () => {
    server.onStream = (stream) => stream.respond("", true);
    const peer = await meet();
    peer.say(say.headers(1, POST, END_BOTH));
    await peer.untilPong();
    peer.say(say.windowUpdate(1, 100), say.reset(1, 2));
    expect(await peer.untilPong()).toEqual([]);
  });
});
