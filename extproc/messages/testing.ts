import fc from "fast-check";
import {
  type BodyMode,
  type ContinueAnswer,
  type HeaderMode,
  IMMEDIATE_RESPONSE,
  type JsonObject,
  Kind,
  MORE_TIME,
  NO_BYTES,
  type PhaseKind,
  type ProcessingResponse,
} from "./messages.ts";
import type { DecodedRequest } from "./oracle/codec.ts";

// Arbitrary messages, as any peer that keeps to the protocol might write them.

const byteString = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const name = fc.oneof(
  fc.constantFrom(":path", "content-type", "x-forwarded-proto", "content-typo", "set-cookie"),
  fc.string({ minLength: 1, maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
);
const bodyMode = fc.integer({ min: 0, max: 5 }) as fc.Arbitrary<BodyMode>;
const headerMode = fc.integer({ min: 0, max: 2 }) as fc.Arbitrary<HeaderMode>;
const struct = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<JsonObject>;
const phase = fc.constantFrom(2, 3, 4, 5, 6, 7) as fc.Arbitrary<PhaseKind>;
const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: undefined });
const isBody = (kind: Kind) => kind === Kind.requestBody || kind === Kind.responseBody;
const isTrailers = (kind: Kind) => kind === Kind.requestTrailers || kind === Kind.responseTrailers;

export const anyRequest: fc.Arbitrary<DecodedRequest> = fc
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

export const anyAnswer: fc.Arbitrary<ProcessingResponse> = fc.oneof(
  anyContinue,
  fc.record({
    kind: fc.constant(MORE_TIME) as fc.Arbitrary<typeof MORE_TIME>,
    timeoutMs: fc.integer({ min: 0, max: 100_000 }),
  }),
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

// --- unknown fields -------------------------------------------------------------------------------------------------

/** Which length-delimited fields are messages, by path of field numbers; enough to get everywhere in a request. */
const MESSAGES = /^(2|3|6|7|2\.1|3\.1|6\.1|7\.1|[2367]\.1\.1|4|5|9|11)$/;

/** Fields no version of the protocol has: numbers 100, 15 and 2^29 - 1, in the four wire types. */
const UNKNOWN = ["a00605", "a206026869", "a1060102030405060708", "a50601020304", "7a00", "faffffff0f01ff"].map((hex) =>
  Buffer.from(hex, "hex"),
);

/** The same message with unknown fields put between all kinds of its fields, at every depth, as `choices` has it. */
export function withUnknownFields(message: Uint8Array, choices: Iterator<number>, path = ""): Buffer {
  const parts: Uint8Array[] = [];
  const choose = (): void => {
    const choice = (choices.next().value as number) % (2 * UNKNOWN.length);
    if (choice < UNKNOWN.length) parts.push(UNKNOWN[choice] as Buffer);
  };
  const bytes = Buffer.from(message);
  let pos = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[pos++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (pos < bytes.length) {
    choose();
    const start = pos;
    const tag = varint();
    const here = path === "" ? String(tag >> 3) : `${path}.${tag >> 3}`;
    if ((tag & 7) === 0) {
      varint();
      parts.push(bytes.subarray(start, pos));
      continue;
    }
    const length = varint();
    const content = bytes.subarray(pos, pos + length);
    pos += length;
    const inner = MESSAGES.test(here) ? withUnknownFields(content, choices, here) : content;
    parts.push(
      Buffer.from([tag, (inner.length & 0x7f) | 0x80, ((inner.length >> 7) & 0x7f) | 0x80, inner.length >> 14]),
    );
    parts.push(inner);
  }
  choose();
  return Buffer.concat(parts);
}
