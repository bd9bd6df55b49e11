import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ErrorCode, Flag, FrameType, PREFACE, Setting } from "./constants.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { END, END_BOTH, frame, OK_HEADERS, Peer, POST, say, settings, TestServer, uint32 } from "./testing.ts";

let server: TestServer;
const peers: Peer[] = [];

beforeEach(async () => {
  server = await TestServer.start();
});

afterEach(() => {
  for (const peer of peers.splice(0)) peer.end();
  server.stop();
});

async function meet(): Promise<Peer> {
  const peer = await Peer.meet(server.port);
  peers.push(peer);
  return peer;
}

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, STREAM_CLOSED, COMPRESSION_ERROR, FLOW_CONTROL_ERROR } = ErrorCode;
const CONTINUATION = (id: number, flags: number, payload: Uint8Array) =>
  frame(FrameType.CONTINUATION, flags, id, payload);
const BLOCK = encodeHeaders(POST);

describe("the beginning", () => {
  it("says SETTINGS and the connection's window first, whatever the peer does", async () => {
    const peer = await Peer.dial(server.port);
    peers.push(peer);
    const hello = await peer.next("SETTINGS");
    expect(hello.payload).toEqual(
      settings(
        [Setting.MAX_CONCURRENT_STREAMS, 2048],
        [Setting.INITIAL_WINDOW_SIZE, 1 << 20],
        [Setting.MAX_HEADER_LIST_SIZE, 32_768],
      ),
    );
    expect((await peer.next("WINDOW_UPDATE")).payload).toEqual(uint32((16 << 20) - 65_535));
  });

  it("takes preface, SETTINGS and a request in one piece, and byte by byte", async () => {
    const hello = [PREFACE, say.settings(), say.headers(1), say.data(1, "hi"), say.data(1, "!", END)];
    for (const pieces of [[Buffer.concat(hello)], [...Buffer.concat(hello)].map((byte) => Buffer.of(byte))]) {
      const peer = await Peer.dial(server.port);
      peers.push(peer);
      for (const piece of pieces) peer.say(piece);
      await vi.waitFor(() => expect(server.streams.at(-1)?.events).toEqual(["headers 4", "end"]));
      expect(server.streams.pop()?.body.toString()).toBe("hi!");
    }
  });

  it.each([
    ["HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["a preface without SETTINGS", Buffer.concat([PREFACE, say.ping("12345678")])],
    ["a preface and an ack", Buffer.concat([PREFACE, frame(FrameType.SETTINGS, Flag.ACK, 0)])],
  ])("turns down %s", async (_, bytes) => {
    const peer = await Peer.dial(server.port);
    peers.push(peer);
    peer.say(bytes);
    expect((await peer.untilClosed()).at(-1)).toBe(`GOAWAY 0 ${PROTOCOL_ERROR}`);
  });
});

describe("a stream", () => {
  it("hears its request, answers, and is closed once", async () => {
    const peer = await meet();
    peer.say(say.headers(1), say.data(1, "ping", END));
    expect(await peer.untilPong()).toEqual([]);
    const [stream] = server.streams;
    stream?.respond("pong");
    stream?.end();
    stream?.send("late");
    expect(await peer.untilPong()).toEqual(["HEADERS 1", "DATA 1 pong", "HEADERS 1 END"]);
    expect([stream?.body.toString(), stream?.events]).toEqual(["ping", ["headers 4", "end", "closed 0"]]);
  });

  it("may be answered before its end, and goes on until the peer has ended it", async () => {
    server.onStream = (stream) => stream.respond("early", true);
    const peer = await meet();
    peer.say(say.headers(1));
    expect(await peer.untilPong()).toEqual(["HEADERS 1", "DATA 1 early END"]);
    peer.say(say.data(1, "more"), say.headers(1, ["x-t", "1"], END_BOTH));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams[0]?.events).toEqual(["headers 4", "end", "closed 0"]);
  });

  it("ends with trailers", async () => {
    const peer = await meet();
    peer.say(say.headers(1), say.data(1, "x"), say.headers(1, ["x-checksum", "1"], END_BOTH));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams[0]?.events).toEqual(["headers 4", "end"]);
  });

  it("hears of a reset once, and of nothing after it", async () => {
    const peer = await meet();
    peer.say(say.headers(1), say.data(1, "x", END), say.reset(1, 2), say.reset(1, 2));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams[0]?.events).toEqual(["headers 4", "end", "closed 2"]);
  });

  it("is not mixed up with the next one in its slot", async () => {
    const peer = await meet();
    // The first frame of stream 1 is still incomplete when it is reset by us and stream 3 takes its place.
    const data = say.data(1, "abcdef");
    peer.say(say.headers(1), data.subarray(0, 11));
    await vi.waitFor(() => expect(server.streams[0]?.body.toString()).toBe("ab"));
    server.streams[0]?.connection.reset(server.streams[0].stream, 8);
    expect(await peer.next("RST_STREAM")).toBeDefined();
    peer.say(data.subarray(11), say.headers(3), say.data(3, "xyz"));
    expect(await peer.untilPong()).toEqual([]);
    expect(server.streams.map((stream) => stream.body.toString())).toEqual(["ab", "xyz"]);
  });

  it("ignores what crossed our reset", async () => {
    const peer = await meet();
    peer.say(say.headers(1));
    await peer.untilPong();
    server.streams[0]?.connection.reset(server.streams[0].stream, 8);
    peer.say(say.data(1, "late"), say.headers(1, ["x-t", "1"], END_BOTH), say.windowUpdate(1, 1));
    expect(await peer.untilPong()).toEqual(["RST 1 8"]);
    expect(server.streams[0]?.events).toEqual(["headers 4", "closed 8"]);
  });

  it("takes padding, priorities and blocks in pieces", async () => {
    const peer = await meet();
    const padded = Buffer.concat([Buffer.of(3), uint32(0), Buffer.of(16), BLOCK.subarray(0, 5), Buffer.alloc(3)]);
    peer.say(
      frame(FrameType.HEADERS, Flag.PADDED | Flag.PRIORITY, 1, padded),
      CONTINUATION(1, 0, BLOCK.subarray(5, 6)),
      CONTINUATION(1, Flag.END_HEADERS, BLOCK.subarray(6)),
      frame(FrameType.DATA, Flag.PADDED, 1, Buffer.from("\x02ok..")),
      frame(FrameType.DATA, Flag.PADDED, 1, Buffer.from("\x00!")),
      frame(FrameType.DATA, Flag.PADDED | END, 1, Buffer.from("\x02..")),
    );
    expect(await peer.untilPong()).toEqual([]);
    expect([server.streams[0]?.body.toString(), server.streams[0]?.events]).toEqual(["ok!", ["headers 4", "end"]]);
  });
});

const OPEN = say.headers(1);
const ENDED = say.headers(1, POST, END_BOTH);
const withHeader = (...fields: string[]) => say.headers(1, [...POST, ...fields]);

describe("an error of a stream resets it, and the next one works", () => {
  const cases: [string, Buffer[], number][] = [
    ["DATA after END_STREAM", [ENDED, say.data(1, "x")], STREAM_CLOSED],
    ["HEADERS after END_STREAM", [ENDED, say.headers(1, POST, END_BOTH)], STREAM_CLOSED],
    ["trailers without END_STREAM", [OPEN, say.headers(1, ["x-t", "1"])], PROTOCOL_ERROR],
    ["trailers with a pseudo-header", [OPEN, say.headers(1, [":path", "/"], END_BOTH)], PROTOCOL_ERROR],
    ["more than content-length", [withHeader("content-length", "1"), say.data(1, "xy")], PROTOCOL_ERROR],
    ["less than content-length", [withHeader("content-length", "3"), say.data(1, "xy", END)], PROTOCOL_ERROR],
    ["a content-length and no body", [say.headers(1, [...POST, "content-length", "3"], END_BOTH)], PROTOCOL_ERROR],
    ["two content-lengths", [withHeader("content-length", "1", "content-length", "1")], PROTOCOL_ERROR],
    ["an upper-case name", [withHeader("X-Test", "1")], PROTOCOL_ERROR],
    ["an empty name", [withHeader("", "1")], PROTOCOL_ERROR],
    ["a line break in a value", [withHeader("x-test", "1\r\nx-evil: 1")], PROTOCOL_ERROR],
    ["a value with white space around", [withHeader("x-test", " 1")], PROTOCOL_ERROR],
    ["connection", [withHeader("connection", "close")], PROTOCOL_ERROR],
    ["transfer-encoding", [withHeader("transfer-encoding", "chunked")], PROTOCOL_ERROR],
    ["te: gzip", [withHeader("te", "gzip")], PROTOCOL_ERROR],
    ["no :path", [say.headers(1, [":method", "GET", ":scheme", "http"])], PROTOCOL_ERROR],
    ["an empty :path", [say.headers(1, [":method", "GET", ":scheme", "http", ":path", ""])], PROTOCOL_ERROR],
    ["two :method", [say.headers(1, [":method", "GET", ...POST])], PROTOCOL_ERROR],
    ["an unknown pseudo-header", [say.headers(1, [":evil", "1", ...POST])], PROTOCOL_ERROR],
    ["a pseudo-header after others", [say.headers(1, ["x-t", "1", ...POST])], PROTOCOL_ERROR],
    ["CONNECT with a path", [say.headers(1, [":method", "CONNECT", ":scheme", "http", ":path", "/"])], PROTOCOL_ERROR],
  ];
  it.each(cases)("%s", async (_, bytes, code) => {
    const peer = await meet();
    peer.say(...bytes);
    expect((await peer.untilPong()).at(-1)).toBe(`RST 1 ${code}`);
    server.onStream = (stream) => stream.respond("fine", true);
    peer.say(say.headers(3, POST, END_BOTH));
    expect(await peer.untilPong()).toEqual(["HEADERS 3", "DATA 3 fine END"]);
    for (const stream of server.streams) expect(stream.closedTimes).toBe(1);
  });
});

describe("an error of the connection closes it, with a code", () => {
  const cases: [string, Buffer[], number][] = [
    ["DATA on stream 0", [say.data(0, "x")], PROTOCOL_ERROR],
    ["DATA on an idle stream", [say.data(3, "x")], PROTOCOL_ERROR],
    ["RST_STREAM on an idle stream", [say.reset(3, 0)], PROTOCOL_ERROR],
    ["HEADERS on an even stream", [say.headers(2)], PROTOCOL_ERROR],
    ["HEADERS on stream 0", [say.headers(0)], PROTOCOL_ERROR],
    ["a stream id lower than one before", [say.headers(5, POST, END_BOTH), say.headers(3)], PROTOCOL_ERROR],
    ["HEADERS on a stream the peer reset", [OPEN, say.reset(1, 0), say.headers(1)], STREAM_CLOSED],
    ["a block that is no HPACK", [frame(FrameType.HEADERS, 4, 1, Buffer.of(0x80))], COMPRESSION_ERROR],
    ["HEADERS shorter than its padding", [frame(FrameType.HEADERS, 12, 1, Buffer.of(9, 0x82))], PROTOCOL_ERROR],
    ["HEADERS without its pad length", [frame(FrameType.HEADERS, 12, 1)], PROTOCOL_ERROR],
    ["HEADERS that depends on itself", [frame(FrameType.HEADERS, 0x24, 1, uint32(1, 0))], PROTOCOL_ERROR],
    ["padding as long as its DATA", [OPEN, frame(FrameType.DATA, Flag.PADDED, 1, Buffer.of(1))], PROTOCOL_ERROR],
    ["DATA without its pad length", [OPEN, frame(FrameType.DATA, Flag.PADDED, 1)], FRAME_SIZE_ERROR],
    ["a frame larger than we take", [OPEN, say.data(1, "x".repeat(16_385))], FRAME_SIZE_ERROR],
    ["CONTINUATION out of the blue", [CONTINUATION(1, 4, BLOCK)], PROTOCOL_ERROR],
    ["CONTINUATION after the end of a block", [OPEN, CONTINUATION(1, 4, BLOCK)], PROTOCOL_ERROR],
    ["CONTINUATION of another stream", [say.headers(1, POST, 0), CONTINUATION(3, 4, BLOCK)], PROTOCOL_ERROR],
    ["DATA inside a header block", [say.headers(1, POST, 0), say.data(1, "x")], PROTOCOL_ERROR],
    ["PING inside a header block", [say.headers(1, POST, 0), say.ping("12345678")], PROTOCOL_ERROR],
    ["an unknown frame inside a header block", [say.headers(1, POST, 0), frame(0x42, 0, 1)], PROTOCOL_ERROR],
    ["RST_STREAM of 3 bytes", [OPEN, frame(FrameType.RST_STREAM, 0, 1, Buffer.alloc(3))], FRAME_SIZE_ERROR],
    ["WINDOW_UPDATE of 5 bytes", [frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.alloc(5))], FRAME_SIZE_ERROR],
    ["PING of 7 bytes", [say.ping("1234567")], FRAME_SIZE_ERROR],
    ["PING on a stream", [frame(FrameType.PING, 0, 1, Buffer.alloc(8))], PROTOCOL_ERROR],
    ["SETTINGS on a stream", [frame(FrameType.SETTINGS, 0, 1)], PROTOCOL_ERROR],
    ["SETTINGS of 5 bytes", [frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(5))], FRAME_SIZE_ERROR],
    ["an ack with content", [frame(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(6))], FRAME_SIZE_ERROR],
    ["SETTINGS_ENABLE_PUSH of 2", [say.settings([Setting.ENABLE_PUSH, 2])], PROTOCOL_ERROR],
    ["a window of 2^31", [say.settings([Setting.INITIAL_WINDOW_SIZE, 2 ** 31])], FLOW_CONTROL_ERROR],
    ["SETTINGS_MAX_FRAME_SIZE of 16,383", [say.settings([Setting.MAX_FRAME_SIZE, 16_383])], PROTOCOL_ERROR],
    ["SETTINGS_MAX_FRAME_SIZE of 2^24", [say.settings([Setting.MAX_FRAME_SIZE, 2 ** 24])], PROTOCOL_ERROR],
    ["GOAWAY on a stream", [frame(FrameType.GOAWAY, 0, 1, uint32(0, 0))], PROTOCOL_ERROR],
    ["GOAWAY of 7 bytes", [frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(7))], FRAME_SIZE_ERROR],
    ["PUSH_PROMISE", [OPEN, frame(FrameType.PUSH_PROMISE, 4, 1, uint32(2))], PROTOCOL_ERROR],
    ["PRIORITY of 4 bytes", [frame(FrameType.PRIORITY, 0, 1, Buffer.alloc(4))], FRAME_SIZE_ERROR],
    ["PRIORITY on stream 0", [frame(FrameType.PRIORITY, 0, 0, Buffer.alloc(5))], PROTOCOL_ERROR],
    ["PRIORITY on itself", [frame(FrameType.PRIORITY, 0, 1, Buffer.of(0, 0, 0, 1, 0))], PROTOCOL_ERROR],
  ];
  it.each(cases)("%s", async (_, bytes, code) => {
    const bystander = await meet();
    const peer = await meet();
    peer.say(...bytes, say.headers(99, POST, END_BOTH));
    expect((await peer.untilClosed()).at(-1)).toMatch(new RegExp(`^GOAWAY \\d+ ${code}$`));
    await vi.waitFor(() => expect(server.connectionsClosed).toBe(1));
    for (const stream of server.streams) expect(stream.closedTimes).toBe(1);
    expect(server.streams.every((stream) => stream.id < 99)).toBe(true); // nothing after the error was heard
    expect(await bystander.untilPong()).toEqual([]);
  });
});

describe("what is ignored", () => {
  it("unknown frames, unknown settings, PRIORITY, GOAWAY, unasked acks, reserved bits", async () => {
    const peer = await meet();
    const reserved = say.ping("reserved");
    reserved[5] = 0x80;
    peer.say(
      frame(0x42, 0xff, 7, Buffer.alloc(20)),
      frame(FrameType.PRIORITY, 0, 9, Buffer.alloc(5)),
      say.goaway(0, 0),
    );
    peer.say(frame(FrameType.SETTINGS, Flag.ACK, 0), say.ping("nobody..", Flag.ACK), say.settings([0x99, 1]), reserved);
    expect(await peer.untilPong()).toEqual(["SETTINGS ACK", "PING"]);
  });
});

describe("leaving (RFC 9113 section 6.8)", () => {
  it("takes what the peer opens before it knows, then says which was the last, and closes after it", async () => {
    const peer = await meet();
    peer.say(say.headers(1));
    await peer.untilPong();
    server.connections[0]?.drain();
    expect((await peer.next("GOAWAY")).payload.subarray(0, 8)).toEqual(uint32(0x7fff_ffff, 0));
    const ping = await peer.next("PING");
    peer.say(say.headers(3)); // crossed the GOAWAY
    expect(await peer.untilPong()).toEqual([]);
    peer.say(frame(FrameType.PING, Flag.ACK, 0, ping.payload), say.headers(5), say.data(5, "late"), say.reset(5, 8));
    expect(await peer.untilPong()).toEqual(["GOAWAY 3 0"]);
    expect(server.streams.map((stream) => stream.id)).toEqual([1, 3]);
    for (const stream of server.streams) stream.respond("done", true);
    peer.say(say.data(1, "", END), say.data(3, "", END));
    expect(await peer.untilClosed()).toEqual(["HEADERS 1", "DATA 1 done END", "HEADERS 3", "DATA 3 done END"]);
    await vi.waitFor(() => expect(server.connectionsClosed).toBe(1));
  });

  it("does not wait for ever for the answer to its PING", async () => {
    const peer = await meet();
    server.connections[0]?.drain();
    server.connections[0]?.tick(1000);
    server.connections[0]?.tick(4000);
    expect(await peer.untilClosed()).toEqual(["GOAWAY 2147483647 0", "PING", "GOAWAY 0 0"]);
  });

  it("tells every stream of a lost connection, once", async () => {
    const peer = await meet();
    peer.say(say.headers(1), say.headers(3));
    await peer.untilPong();
    peer.end();
    await vi.waitFor(() => expect(server.connectionsClosed).toBe(1));
    expect(server.streams.map((stream) => stream.events)).toEqual([
      ["headers 4", "closed 8"],
      ["headers 4", "closed 8"],
    ]);
    server.streams[0]?.connection.sendHeaders(server.streams[0].stream, OK_HEADERS, true); // too late: nothing happens
  });
});

describe("writes", () => {
  it("are one for a read, however many answers there are", async () => {
    server.onStream = (stream) => stream.respond("x", true);
    const peer = await meet();
    let reads = 0;
    peer.socket.on("data", () => reads++);
    const requests = Array.from({ length: 200 }, (_, i) => say.headers(i * 2 + 1, POST, END_BOTH));
    peer.say(...requests);
    expect((await peer.untilPong()).length).toBe(400);
    expect(reads).toBeLessThanOrEqual(3); // one for the answers, one for the pong; TCP may cut once more
  });

  it("stay in order when they are many times the size of a buffer", async () => {
    server.onStream = (stream) => stream.respond("y".repeat(1_000_000), true);
    const peer = await Peer.meet(server.port, [Setting.INITIAL_WINDOW_SIZE, 2_000_000]);
    peers.push(peer);
    peer.say(say.windowUpdate(0, 2_000_000), say.headers(1, POST, END_BOTH));
    const heard = await peer.untilPong();
    expect(heard.filter((line) => line === "DATA 1 16384").length).toBe(61);
    expect(heard.at(-1)).toBe("DATA 1 576 END");
  });
});
