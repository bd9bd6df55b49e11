import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  readProcessingRequest,
  readProcessingResponse,
  writeProcessingRequest,
  writeProcessingResponse,
} from "./codec.ts";
import {
  type BodyMode,
  type ContinueAnswer,
  continueAnswer,
  type HeaderMode,
  IMMEDIATE_RESPONSE,
  immediateAnswer,
  type JsonObject,
  Kind,
  NO_BYTES,
  type PhaseKind,
  type ProcessingRequest,
  type ProcessingResponse,
} from "./messages.ts";

const hex = (...parts: string[]) => Buffer.from(parts.join("").replaceAll(" ", ""), "hex");
const ascii = (text: string) => Buffer.from(text).toString("hex");
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

const byteString = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const name = fc.string({ minLength: 1, maxLength: 12 });
const bodyMode = fc.integer({ min: 0, max: 5 }) as fc.Arbitrary<BodyMode>;
const headerMode = fc.integer({ min: 0, max: 2 }) as fc.Arbitrary<HeaderMode>;
const struct = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<JsonObject>;
const phase = fc.constantFrom(2, 3, 4, 5, 6, 7) as fc.Arbitrary<PhaseKind>;
const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: undefined });
const isBody = (kind: Kind) => kind === Kind.requestBody || kind === Kind.responseBody;
const isTrailers = (kind: Kind) => kind === Kind.requestTrailers || kind === Kind.responseTrailers;

const anyRequest: fc.Arbitrary<ProcessingRequest> = fc
  .record({
    kind: fc.oneof(phase, fc.constant(Kind.none)),
    headers: fc.array(fc.tuple(name, byteString)).map((pairs) => pairs.flat()),
    body: bytes,
    endOfStream: fc.boolean(),
    observabilityMode: fc.boolean(),
    protocolConfig: maybe(
      fc.record({
        requestBodyMode: bodyMode,
        responseBodyMode: bodyMode,
        sendBodyWithoutWaitingForHeaderResponse: fc.boolean(),
      }),
    ),
    attributes: maybe(struct),
  })
  .map((message) => ({
    ...message,
    headers: message.kind === Kind.none || isBody(message.kind) ? [] : message.headers,
    body: isBody(message.kind) ? message.body : NO_BYTES,
    endOfStream: isTrailers(message.kind) || (message.kind !== Kind.none && message.endOfStream),
  }));

const headerSets = fc.array(fc.record({ name, value: byteString, append: fc.boolean() }));

const anyContinue: fc.Arbitrary<ContinueAnswer> = fc
  .record({
    kind: phase,
    setHeaders: headerSets,
    removeHeaders: fc.array(name),
    body: maybe(bytes),
    streamed: fc.boolean(),
    endOfStream: fc.boolean(),
    clearRouteCache: fc.boolean(),
    modeOverride: maybe(
      fc.record({
        requestHeaderMode: headerMode,
        responseHeaderMode: headerMode,
        requestBodyMode: bodyMode,
        responseBodyMode: bodyMode,
        requestTrailerMode: headerMode,
        responseTrailerMode: headerMode,
      }),
    ),
    dynamicMetadata: maybe(struct),
  })
  .map((message) => {
    const streamed = isBody(message.kind) && message.streamed && message.body !== undefined;
    return {
      ...message,
      body: isTrailers(message.kind) ? undefined : message.body,
      streamed,
      endOfStream: streamed && message.endOfStream,
      clearRouteCache: !isTrailers(message.kind) && message.clearRouteCache,
    };
  });

const anyAnswer: fc.Arbitrary<ProcessingResponse> = fc.oneof(
  anyContinue,
  fc.record({
    kind: fc.constant(IMMEDIATE_RESPONSE) as fc.Arbitrary<typeof IMMEDIATE_RESPONSE>,
    status: fc.integer({ min: 0, max: 999 }),
    headers: headerSets,
    body: bytes,
    details: fc.string(),
    grpcStatus: maybe(fc.integer({ min: 0, max: 16 })),
    dynamicMetadata: maybe(struct),
  }),
);

// Buffer and Uint8Array with the same bytes are the same to us, not to toEqual.
const plain = <T extends { body: Uint8Array | undefined }>(message: T) => ({
  ...message,
  body: message.body && Buffer.from(message.body),
});

describe("round trips", () => {
  it("keeps every request", () => {
    fc.assert(
      fc.property(anyRequest, (message) => {
        const wire = writeProcessingRequest(message);
        expect(plain(readProcessingRequest(wire))).toEqual(plain(message));
        expect(writeProcessingRequest(readProcessingRequest(wire))).toEqual(wire);
      }),
    );
  });

  it("keeps every answer", () => {
    fc.assert(
      fc.property(anyAnswer, (message) => {
        const wire = writeProcessingResponse(message);
        expect(plain(readProcessingResponse(wire))).toEqual(plain(message));
        expect(writeProcessingResponse(readProcessingResponse(wire))).toEqual(wire);
      }),
    );
  });

  it("keeps all 256 byte values of a header both ways", () => {
    const message = request({ kind: Kind.requestTrailers, headers: ["x-bin", ALL_BYTES], endOfStream: true });
    expect(readProcessingRequest(writeProcessingRequest(message)).headers).toEqual(["x-bin", ALL_BYTES]);
    const set = { name: "x-bin", value: ALL_BYTES, append: false };
    const reply = readProcessingResponse(writeProcessingResponse(answer(Kind.requestHeaders, { setHeaders: [set] })));
    expect(reply).toMatchObject({ setHeaders: [set] });
  });

  it("keeps names that objects know already", () => {
    const attributes: JsonObject = JSON.parse('{"__proto__":{"a":1},"constructor":null,"toString":[true]}');
    const message = request({ kind: Kind.requestBody, attributes });
    expect(JSON.stringify(readProcessingRequest(writeProcessingRequest(message)).attributes)).toBe(
      JSON.stringify(attributes),
    );
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
    expect(readProcessingRequest(hex("a2 01 02 08 01")).kind).toBe(Kind.none);
  });

  it("takes a header's value where there is no raw_value, as UTF-8 bytes", () => {
    const message = readProcessingRequest(hex("12 08  0a 06 0a 04  12 02 c3 a9"));
    expect(message.headers).toEqual(["", "\xc3\xa9"]);
  });

  it("gives bodies as views, not copies", () => {
    const wire = Buffer.from(writeProcessingRequest(request({ kind: Kind.requestBody, body: Buffer.from("abc") })));
    const { body } = readProcessingRequest(new Uint8Array(wire.buffer, wire.byteOffset, wire.length));
    expect(body.buffer).toBe(wire.buffer);
  });

  it("throws on bytes that are no message", () => {
    expect(() => readProcessingRequest(hex("12 7f 0a"))).toThrow();
    expect(() => readProcessingRequest(hex("ff ff ff ff ff ff ff ff ff ff ff"))).toThrow();
  });

  it("ignores attributes of other filters", () => {
    expect(readProcessingRequest(hex(`4a 05 0a 01 ${ascii("x")} 12 00`)).attributes).toBeUndefined();
  });
});

describe("writing", () => {
  it("refuses a body in a trailers answer", () => {
    expect(() => writeProcessingResponse(answer(Kind.responseTrailers, { body: NO_BYTES }))).toThrow(/trailers answer/);
  });

  it("tells no body from an empty one", () => {
    const silent = readProcessingResponse(writeProcessingResponse(continueAnswer(Kind.responseBody)));
    const emptied = readProcessingResponse(writeProcessingResponse(answer(Kind.responseBody, { body: NO_BYTES })));
    expect([silent.body, emptied.body?.length]).toEqual([undefined, 0]);
  });
});
