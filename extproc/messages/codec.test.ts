import { describe, expect, it } from "vitest";
import {
  readAttributes,
  readProcessingRequest,
  readProcessingResponse,
  sizeOfProcessingResponse,
  writeProcessingRequest,
  writeProcessingResponse,
  writeProcessingResponseAt,
} from "./codec.ts";
import {
  type ContinueAnswer,
  continueAnswer,
  immediateAnswer,
  type JsonObject,
  type JsonValue,
  Kind,
  NO_BYTES,
  type PhaseKind,
  type ProcessingRequest,
  type ProcessingResponse,
} from "./messages.ts";
import { usualName } from "./names.ts";
import { writeStruct } from "./struct.ts";

const hex = (...parts: string[]) => Buffer.from(parts.join("").replaceAll(" ", ""), "hex");
const ascii = (text: string) => Buffer.from(text).toString("hex");
const varint = (value: number) => Buffer.from([(value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14]);
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString("latin1");

const request = (fields: Partial<ProcessingRequest>): ProcessingRequest => ({
  kind: Kind.none,
  headers: [],
  body: NO_BYTES,
  endOfStream: false,
  observabilityMode: false,
  protocolConfig: undefined,
  attributes: undefined,
  ...fields,
});

const answer = (kind: PhaseKind, fields: Partial<ContinueAnswer>): ContinueAnswer => ({
  ...continueAnswer(kind),
  ...fields,
});

// Each field number below is the tag byte: number * 8 + 2 for anything with a length, number * 8 for a varint.
const GOLDEN_REQUESTS: [string, Buffer, ProcessingRequest][] = [
  ["nothing", hex(""), request({})],
  [
    "request headers that end the message, with raw_value",
    hex(`12 0f  0a 0b 0a 09 0a 02 ${ascii(":a")} 1a 03 ff 00 62  18 01`),
    request({ kind: Kind.requestHeaders, headers: [":a", "\xff\x00b"], endOfStream: true }),
  ],
  [
    "a response body, its last message",
    hex(`2a 07  0a 03 ${ascii("{1}")} 10 01`),
    request({ kind: Kind.responseBody, body: Buffer.from("{1}"), endOfStream: true }),
  ],
  ["an empty request body, not the last", hex("22 00"), request({ kind: Kind.requestBody })],
  [
    "response trailers",
    hex(`3a 0a  0a 08 0a 06 0a 01 ${ascii("t")} 1a 01 ${ascii("v")}`),
    request({ kind: Kind.responseTrailers, headers: ["t", "v"], endOfStream: true }),
  ],
  [
    "observability mode and protocol_config",
    hex("1a 02 0a 00  50 01  5a 06 08 02 10 04 18 01"),
    request({
      kind: Kind.responseHeaders,
      observabilityMode: true,
      protocolConfig: { requestBodyMode: 2, responseBodyMode: 4, sendBodyWithoutWaitingForHeaderResponse: true },
    }),
  ],
  [
    "an empty protocol_config, which means NONE both ways",
    hex("12 02 0a 00  5a 00"),
    request({
      kind: Kind.requestHeaders,
      protocolConfig: { requestBodyMode: 0, responseBodyMode: 0, sendBodyWithoutWaitingForHeaderResponse: false },
    }),
  ],
];

const GOLDEN_ANSWERS: [string, Buffer, ProcessingResponse][] = [
  ["go on with the headers", hex("0a 00"), continueAnswer(Kind.requestHeaders)],
  ["go on with the response trailers", hex("32 00"), continueAnswer(Kind.responseTrailers)],
  ["an empty replacement body", hex("1a 06  0a 04 1a 02 0a 00"), answer(Kind.requestBody, { body: Buffer.alloc(0) })],
  [
    "a streamed last chunk",
    hex("22 0b  0a 09 1a 07 1a 05 0a 01 78 10 01"),
    answer(Kind.responseBody, { body: Buffer.from("x"), streamed: true, endOfStream: true }),
  ],
  [
    "set says overwrite twice, append says append twice",
    hex(
      `12 25  0a 23  12 21`,
      `0a 0c  0a 06 0a 01 ${ascii("a")} 1a 01 80  12 00  18 02`,
      `0a 0c  0a 06 0a 01 ${ascii("b")} 1a 01 ${ascii("2")}  12 02 08 01`,
      `12 01 ${ascii("c")} 12 00`,
    ),
    answer(Kind.responseHeaders, {
      setHeaders: [
        { name: "a", value: "\x80", append: false },
        { name: "b", value: "2", append: true },
      ],
      removeHeaders: ["c", ""],
    }),
  ],
  [
    "a headers answer with a body replaces the body to come",
    hex("0a 09  0a 07  08 01  1a 03 0a 01 78"),
    answer(Kind.requestHeaders, { body: Buffer.from("x") }),
  ],
  [
    "clear_route_cache and a mode override with all six modes",
    hex("0a 04 0a 02 28 01  4a 0c 08 01 10 02 18 02 20 01 28 02 30 01"),
    answer(Kind.requestHeaders, {
      clearRouteCache: true,
      modeOverride: {
        requestHeaderMode: 1,
        responseHeaderMode: 2,
        requestBodyMode: 2,
        responseBodyMode: 1,
        requestTrailerMode: 2,
        responseTrailerMode: 1,
      },
    }),
  ],
  [
    "an immediate 422 with gRPC status 0",
    hex(`3a 0f  0a 03 08 a6 03  1a 02 ${ascii("no")}  22 00  2a 02 ${ascii("ab")}`),
    { ...immediateAnswer(422, [], Buffer.from("no"), "ab"), grpcStatus: 0 },
  ],
];

describe("golden bytes", () => {
  it.each(GOLDEN_REQUESTS)("request: %s", (_, bytes, message) => {
    expect(readProcessingRequest(bytes)).toEqual(message);
    expect(writeProcessingRequest(message).toString("hex")).toBe(bytes.toString("hex"));
  });

  it.each(GOLDEN_ANSWERS)("answer: %s", (_, bytes, message) => {
    expect(writeProcessingResponse(message).toString("hex")).toBe(bytes.toString("hex"));
    expect(readProcessingResponse(bytes)).toEqual(message);
  });
});

// Buffer and Uint8Array with the same bytes are the same to us, not to toEqual.
const plain = <T extends { body: Uint8Array | undefined } | undefined>(message: T) =>
  message && { ...message, body: message.body && Buffer.from(message.body) };

describe("headers", () => {
  it("keeps all 256 byte values both ways", () => {
    const message = request({ kind: Kind.requestTrailers, headers: ["x-bin", ALL_BYTES], endOfStream: true });
    expect(readProcessingRequest(writeProcessingRequest(message))?.headers).toEqual(["x-bin", ALL_BYTES]);
    const set = { name: "x-bin", value: ALL_BYTES, append: false };
    const reply = readProcessingResponse(writeProcessingResponse(answer(Kind.requestHeaders, { setHeaders: [set] })));
    expect(reply).toMatchObject({ setHeaders: [set] });
  });

  it("keeps names that are nearly usual, not ASCII or empty", () => {
    const names = ["", "content-type", "Content-Type", "content-typo", "content-type\0", "é", "日本語".repeat(20), "x"];
    const headers = names.flatMap((name, i) => [name, String(i)]);
    const message = request({ kind: Kind.responseHeaders, headers });
    expect(readProcessingRequest(writeProcessingRequest(message))?.headers).toEqual(headers);
  });

  it("makes no string for a usual name", () => {
    const lookUp = (name: string) => usualName(Buffer.from(`<${name}>`), 1, 1 + name.length);
    const usual = [":authority", ":path", ":status", "content-length", "te", "x-request-id", "x-forwarded-proto", ""];
    expect(usual.map(lookUp)).toEqual(usual);
    expect(["content-lengtj", "Content-Length", "x", "x-mine"].map(lookUp)).toEqual(Array(4).fill(undefined));
  });

  it("refuses more of them than anybody sends", () => {
    const header = hex("0a 02 0a 00");
    const map = (count: number) =>
      Buffer.concat([hex("0a"), varint(header.length * count), ...Array(count).fill(header)]);
    const trailers = (count: number) => Buffer.concat([hex("32"), varint(map(count).length), map(count)]);
    expect(readProcessingRequest(trailers(10_000))?.headers.length).toBe(20_000);
    expect(readProcessingRequest(trailers(10_001))).toBeUndefined();
  });
});

describe("attributes", () => {
  const attributesOf = (object: JsonObject) => {
    const message = request({ kind: Kind.requestBody, attributes: writeStruct(object) });
    return readAttributes(readProcessingRequest(writeProcessingRequest(message)) as ProcessingRequest);
  };

  it("keeps names that objects know already", () => {
    const attributes: JsonObject = JSON.parse('{"__proto__":{"a":1},"constructor":null,"toString":[true]}');
    expect(JSON.stringify(attributesOf(attributes))).toBe(JSON.stringify(attributes));
  });

  it("ignores those of other filters, and gives none where there are none", () => {
    const message = readProcessingRequest(hex(`4a 05 0a 01 ${ascii("x")} 12 00`)) as ProcessingRequest;
    expect([message.attributes, readAttributes(message)]).toEqual([undefined, undefined]);
  });

  it("costs the message nothing that they are no Struct: who asks gets none", () => {
    const attributes = hex("0a 7f");
    const message = readProcessingRequest(writeProcessingRequest(request({ attributes }))) as ProcessingRequest;
    expect([message.attributes?.length, readAttributes(message)]).toEqual([2, undefined]);
  });

  it("refuses a Struct that is deeper than protobuf's own readers go", () => {
    const nested = (depth: number): JsonValue => (depth === 0 ? 1 : [nested(depth - 1)]);
    expect(attributesOf({ a: nested(99) })).toBeDefined();
    expect(attributesOf({ a: nested(100) })).toBeUndefined();
    expect(attributesOf({ a: nested(5_000) })).toBeUndefined();
  });
});

describe("reading", () => {
  it("skips fields it does not know, at the top and inside", () => {
    // field 100 as varint, bytes, 64 and 32 bit; 12 flow_control_init; then a body with an unknown field 9 inside
    const unknown = hex("a0 06 05  a2 06 02 6869  a1 06 0102030405060708  a5 06 01020304  62 02 08 01");
    const message = readProcessingRequest(Buffer.concat([unknown, hex("22 05  48 01 0a 01 78"), unknown]));
    expect(plain(message)).toEqual(plain(request({ kind: Kind.requestBody, body: Buffer.from("x") })));
  });

  it("takes a oneof arm it does not know for none", () => {
    expect(readProcessingRequest(hex("a2 01 02 08 01"))?.kind).toBe(Kind.none);
  });

  it("takes a header's value where there is no raw_value, as UTF-8 bytes", () => {
    const message = readProcessingRequest(hex("12 08  0a 06 0a 04  12 02 c3 a9"));
    expect(message?.headers).toEqual(["", "\xc3\xa9"]);
  });

  it("gives bodies as views, not copies", () => {
    const wire = Buffer.from(writeProcessingRequest(request({ kind: Kind.requestBody, body: Buffer.from("abc") })));
    const message = readProcessingRequest(new Uint8Array(wire.buffer, wire.byteOffset, wire.length));
    expect(message?.body.buffer).toBe(wire.buffer);
  });

  it("takes the last arm of the oneof, and nothing of those before it", () => {
    const headers = `12 0b  0a 07 0a 05 0a 01 ${ascii("a")} 12 00  18 01`;
    const body = `22 05  0a 01 ${ascii("x")} 10 01`;
    const both = readProcessingRequest(hex(headers, body));
    expect(plain(both)).toEqual(plain(request({ kind: Kind.requestBody, body: Buffer.from("x"), endOfStream: true })));
    const reverse = readProcessingRequest(hex(body, "12 00"));
    expect(reverse).toEqual(request({ kind: Kind.requestHeaders }));
  });

  it("takes a number in more bytes than it needs", () => {
    const body = request({ kind: Kind.requestBody, body: Buffer.from("x"), endOfStream: true });
    expect(
      plain(readProcessingRequest(hex("a2 00  8e 80 80 80 00  0a 01 78  10 81 80 80 80 80 80 80 80 80 00"))),
    ).toEqual(plain(body));
  });

  it.each([
    ["a tag without its field", "12"],
    ["a length behind the end", "12 7f 0a"],
    ["a length of 4 GiB", "22 ff ff ff ff 0f"],
    ["a length of more than 32 bits", "22 80 80 80 80 10"],
    ["a tag of more than 32 bits", "92 80 80 80 10 00"],
    ["a varint cut off", "50 80"],
    ["a varint of eleven bytes", "50 80 80 80 80 80 80 80 80 80 80 00"],
    ["a varint of more than 64 bits", "50 ff ff ff ff ff ff ff ff ff 02"],
    ["no end of varints", "ff ff ff ff ff ff ff ff ff ff ff"],
    ["field number 0", "00 00"],
    ["field number 0 with a length", "02 00"],
    ["a group", "a3 06 a4 06"],
    ["the end of a group", "a4 06"],
    ["wire type 6", "a6 06"],
    ["wire type 7", "a7 06"],
    ["a body as a number", "20 01"],
    ["observability_mode as bytes", "52 01 01"],
    ["a known field inside with the wrong wire type", "22 02 08 01"],
    ["64 bits cut off", "a1 06 01 02 03"],
    ["32 bits cut off", "a5 06 01"],
    ["a field that ends behind its message", "22 02 0a 01 78"],
    ["a length that ends behind its message", "22 02 0a 81 00 78"],
    ["a header that ends behind its map", "12 05 0a 02 0a 02 0a 00"],
  ])("gives undefined for %s", (_, bytes) => {
    expect(readProcessingRequest(hex(bytes))).toBeUndefined();
  });
});

describe("writing", () => {
  it("refuses a body in a trailers answer", () => {
    expect(() => writeProcessingResponse(answer(Kind.responseTrailers, { body: NO_BYTES }))).toThrow(/trailers answer/);
  });

  it("tells no body from an empty one", () => {
    const silent = readProcessingResponse(writeProcessingResponse(continueAnswer(Kind.responseBody)));
    const emptied = readProcessingResponse(writeProcessingResponse(answer(Kind.responseBody, { body: NO_BYTES })));
    expect([silent, emptied]).toMatchObject([{ body: undefined }, { body: { length: 0 } }]);
  });

  it("writes into a buffer of the caller's, and nothing outside", () => {
    for (const [, bytes, message] of GOLDEN_ANSWERS) {
      const buffer = Buffer.alloc(bytes.length + 8, 0xee);
      expect(sizeOfProcessingResponse(message)).toBe(bytes.length);
      expect(writeProcessingResponseAt(message, buffer, 5)).toBe(5 + bytes.length);
      expect(buffer.toString("hex")).toBe(`eeeeeeeeee${bytes.toString("hex")}eeeeee`);
    }
  });

  it("tells when the size it is given is that of another answer", () => {
    const write = () => writeProcessingResponseAt(continueAnswer(Kind.requestBody), Buffer.alloc(20), 5, 3);
    expect(write).toThrow(/size of another answer/);
  });

  it("writes half a surrogate pair as U+FFFD: Envoy refuses a message whose strings are no UTF-8", () => {
    for (const name of ["\ud800", `\udc00${"x".repeat(40)}`]) {
      const wire = writeProcessingResponse(answer(Kind.responseTrailers, { removeHeaders: [name] }));
      expect(readProcessingResponse(wire)).toMatchObject({ removeHeaders: [name.toWellFormed()] });
    }
  });

  it("refuses a buffer that is too short", () => {
    const buffer = Buffer.alloc(2);
    expect(() => writeProcessingResponseAt(continueAnswer(Kind.requestBody), buffer, 1)).toThrow(RangeError);
  });
});
