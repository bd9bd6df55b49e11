/**
 * Why refusals leave as ImmediateResponse and never as StreamedImmediateResponse (docs/adr/0003): what Envoy 1.40 makes of
 * both, told by a scripted server. If one of these fails with another Envoy, look at it again.
 */
import type { ServerHttp2Stream } from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HandWritten, startHandWritten } from "./hand-written.ts";
import { bodyOf, headerOf, statusOf } from "./http1.ts";
import { envelope, field, type ScriptedServer, startScriptedServer } from "./scripted-server.ts";
import { exchange, startWireUpstream, type WireUpstream } from "./wire.ts";

const MODES = ["NONE", "BUFFERED", "STREAMED", "FULL_DUPLEX_STREAMED"] as const;
type Mode = (typeof MODES)[number];

let server: ScriptedServer;
let upstream: WireUpstream;
let envoy: HandWritten;
beforeAll(async () => {
  server = await startScriptedServer(0);
  upstream = await startWireUpstream();
  const filters = Object.fromEntries(MODES.map((mode) => [mode, { processing_mode: processingMode(mode) }]));
  envoy = await startHandWritten(filters, { extProc: server.address, upstream: upstream.address });
}, 60_000);
afterAll(async () => {
  await envoy?.stop();
  await server?.stop();
  await upstream?.stop();
});

function processingMode(mode: Mode): { [field: string]: string } {
  const trailers = mode === "FULL_DUPLEX_STREAMED" ? { request_trailer_mode: "SEND" } : {};
  return { response_header_mode: "SKIP", request_body_mode: mode, ...trailers };
}

// external_processor.proto, by field numbers.
const STATUS_422 = Buffer.from([8, 0xa6, 0x03]);
const END = Buffer.from([2 << 3, 1]);
const header = (name: string, value: string) =>
  field(1, Buffer.concat([field(1, Buffer.from(name)), field(3, Buffer.from(value))]));
const COOKIES = [header("set-cookie", "a=1"), header("set-cookie", "b=2")];

function immediate(body: Buffer): Buffer {
  return envelope(field(7, Buffer.concat([field(1, STATUS_422), field(3, body)])));
}

const CHUNK_BYTES = 50_000;

function streamed(body: Buffer): Buffer {
  const headers = field(1, field(1, Buffer.concat([header(":status", "422"), ...COOKIES])));
  const answers = [envelope(field(11, headers))];
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    const end = at + CHUNK_BYTES >= body.length ? [END] : [];
    answers.push(envelope(field(11, field(2, Buffer.concat([field(1, body.subarray(at, at + CHUNK_BYTES)), ...end])))));
  }
  return Buffer.concat(answers);
}

const HEADERS = 2;
const BODY = 4;

/** Replies to the message of that kind; those before it are answered, or not where `held`. */
function replyTo(at: number, reply: Buffer, held: boolean): void {
  server.intercept = (stream: ServerHttp2Stream) => {
    stream.respond({ "content-type": "application/grpc" });
    let replied = false;
    stream.on("data", (bytes: Buffer) => {
      const kind = (bytes[5] as number) >> 3; // messages of this test are small: each is a frame of its own (facts 20.4)
      if (kind === at && !replied) stream.write(reply);
      else if (!held && !replied) stream.write(envelope(field(kind - 1, Buffer.alloc(0))));
      replied ||= kind === at;
    });
    return true;
  };
}

async function post(mode: Mode) {
  const request = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello";
  const answer = await exchange(envoy.ports[mode] as number, "POST", request);
  return { status: statusOf(answer), bytes: bodyOf(answer).length, length: headerOf(answer, "content-length"), answer };
}

const LARGE = Buffer.alloc(5_000_000, "x"); // Envoy's buffers hold 1 MiB

describe("an ImmediateResponse of 5 MB arrives whole, and says how long it is", () => {
  const whole = { status: 422, bytes: LARGE.length, length: [String(LARGE.length)] };
  test.each(MODES)("to request headers, body mode %s", async (mode) => {
    replyTo(HEADERS, immediate(LARGE), false);
    expect(await post(mode)).toMatchObject(whole);
  });
  test.each(["BUFFERED", "STREAMED", "FULL_DUPLEX_STREAMED"] as const)("to a request body, %s", async (mode) => {
    replyTo(BODY, immediate(LARGE), mode === "FULL_DUPLEX_STREAMED");
    expect(await post(mode)).toMatchObject(whole);
  });
});

describe("a StreamedImmediateResponse", () => {
  test.each([
    ["request headers", "NONE", HEADERS],
    ["request headers", "FULL_DUPLEX_STREAMED", HEADERS],
    ["a request body whose headers wait for their answer", "FULL_DUPLEX_STREAMED", BODY],
  ] as const)("to %s, %s: comes without its length, and with the last of two cookies", async (_, mode, at) => {
    replyTo(at, streamed(LARGE), true);
    const { answer, ...seen } = await post(mode);
    expect(seen).toEqual({ status: 422, bytes: LARGE.length, length: [] });
    expect(headerOf(answer, "set-cookie")).toEqual(["b=2"]);
  });

  test.each([
    ["request headers", "BUFFERED", HEADERS],
    ["request headers", "STREAMED", HEADERS],
    ["a request body", "BUFFERED", BODY],
    ["a request body", "STREAMED", BODY],
    ["a request body whose headers are answered", "FULL_DUPLEX_STREAMED", BODY],
  ] as const)("to %s, %s: is a 500", async (_, mode, at) => {
    replyTo(at, streamed(Buffer.from("no")), false);
    expect(await post(mode)).toMatchObject({ status: 500, bytes: 0 });
  });
});
