import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  readAttributes,
  readProcessingRequest,
  readProcessingResponse,
  sizeOfProcessingResponse,
  writeProcessingRequest,
  writeProcessingResponse,
} from "./codec.ts";
import * as ours from "./health.ts";
import { Kind, MORE_TIME, type ProcessingRequest, type ProcessingResponse } from "./messages.ts";
import * as oracle from "./oracle/codec.ts";
import * as oracleHealth from "./oracle/health.ts";
import { parseStruct, writeStruct } from "./struct.ts";
import { anyAnswer, anyRequest, withUnknownFields } from "./testing.ts";

const raw = (message: oracle.DecodedRequest): ProcessingRequest => ({
  ...message,
  attributes: message.attributes && writeStruct(message.attributes),
});

const decoded = (message: ProcessingRequest | undefined) =>
  message && { ...message, body: Buffer.from(message.body), attributes: readAttributes(message) };

const plain = (message: ProcessingResponse) =>
  message.kind === MORE_TIME ? message : { ...message, body: message.body && Buffer.from(message.body) };

describe("the hand-written codec and protobufjs", () => {
  it("write the same bytes for a request and read the same message from them", () => {
    fc.assert(
      fc.property(anyRequest, (message) => {
        const wire = writeProcessingRequest(raw(message));
        expect(wire.toString("hex")).toBe(oracle.writeProcessingRequest(message).toString("hex"));
        expect(decoded(readProcessingRequest(wire))).toEqual({
          ...oracle.readProcessingRequest(wire),
          body: Buffer.from(message.body),
        });
      }),
      { numRuns: 500 },
    );
  });

  it("write the same bytes for an answer and read the same message from them", () => {
    fc.assert(
      fc.property(anyAnswer, (message) => {
        const wire = writeProcessingResponse(message);
        expect(wire.toString("hex")).toBe(oracle.writeProcessingResponse(message).toString("hex"));
        expect(sizeOfProcessingResponse(message)).toBe(wire.length);
        expect(plain(readProcessingResponse(wire))).toEqual(plain(message));
        expect(plain(readProcessingResponse(wire))).toEqual(plain(oracle.readProcessingResponse(wire)));
      }),
      { numRuns: 500 },
    );
  });

  it("skip unknown fields wherever they are", () => {
    fc.assert(
      fc.property(anyRequest, fc.infiniteStream(fc.nat()), (message, seeds) => {
        const wire = withUnknownFields(writeProcessingRequest(raw(message)), seeds);
        expect(decoded(readProcessingRequest(wire))).toEqual(decoded(raw(message)));
        expect(oracle.readProcessingRequest(wire).kind).toBe(message.kind);
      }),
      { numRuns: 500 },
    );
  });

  // protobufjs keeps every arm and names the highest; protobuf's rule is ours: the last one on the wire.
  it("take the last arm of several messages in a row, and the last of each other field", () => {
    fc.assert(
      fc.property(anyRequest, anyRequest, (first, second) => {
        const wire = Buffer.concat([writeProcessingRequest(raw(first)), writeProcessingRequest(raw(second))]);
        const { kind, headers, body, endOfStream } = second.kind === Kind.none ? first : second;
        expect(decoded(readProcessingRequest(wire))).toEqual({
          kind,
          headers,
          body: Buffer.from(body),
          endOfStream,
          observabilityMode: first.observabilityMode || second.observabilityMode,
          protocolConfig: second.protocolConfig ?? first.protocolConfig,
          attributes: second.attributes ?? first.attributes,
        });
      }),
    );
  });

  it("agree about health messages", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.constantFrom(0, 1, 2, 3), (service, status) => {
        const request = ours.writeHealthRequest(service);
        const response = ours.writeHealthResponse(status as ours.ServingStatus);
        expect(oracleHealth.readHealthRequest(request)).toBe(service);
        expect(ours.readHealthRequest(oracleHealth.writeHealthRequest(service))).toBe(service);
        expect(oracleHealth.readHealthResponse(response)).toBe(status);
        expect(ours.readHealthResponse(oracleHealth.writeHealthResponse(status as ours.ServingStatus))).toBe(status);
      }),
    );
  });
});

// The message lies in the middle of a larger buffer: what is read from outside would show.
const inTheMiddle = (wire: Uint8Array, around: number): Buffer => {
  const buffer = Buffer.alloc(wire.length + 64, around);
  buffer.set(wire, 32);
  return buffer.subarray(32, 32 + wire.length);
};

/** Reads it all: undefined or the message. The same whatever lies around, or something outside was read. */
const readSafely = (wire: Uint8Array): ProcessingRequest | undefined => {
  const seen = [0x00, 0x0a, 0x78, 0xff].map((around) => readProcessingRequest(inTheMiddle(wire, around)));
  for (const message of seen) expect(decoded(message)).toEqual(decoded(seen[0]));
  const message = seen[0];
  for (const view of [message?.body, message?.attributes]) expect(view?.length ?? 0).toBeLessThanOrEqual(wire.length);
  return message;
};

describe("bytes that are no message", () => {
  it("cut off at any byte: read as far as whole fields go, or refused; nothing thrown, nothing read outside", () => {
    fc.assert(
      fc.property(anyRequest, (message) => {
        const wire = writeProcessingRequest(raw(message));
        for (let length = 0; length < wire.length; length++) readSafely(wire.subarray(0, length));
        expect(decoded(readSafely(wire))).toEqual(decoded(raw(message)));
      }),
      { numRuns: 60 },
    );
  });

  it("any bytes at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        readSafely(bytes);
        parseStruct(bytes);
        ours.readHealthRequest(bytes);
        ours.readHealthResponse(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  it("a message with some bytes changed", () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(anyRequest, changes, (message, some) => {
        const wire = writeProcessingRequest(raw(message));
        if (wire.length === 0) return;
        for (const [at, byte] of some) wire[at % wire.length] = byte;
        readSafely(wire);
      }),
      { numRuns: 1_000 },
    );
  });

  it("name a health service that nobody has", () => {
    expect(ours.readHealthRequest(Buffer.from([0x0a, 0x05, 0x61]))).toBe(ours.NO_SUCH_SERVICE);
    expect(ours.readHealthResponse(Buffer.from([0x08, 0x80]))).toBe(ours.ServingStatus.UNKNOWN);
    expect(ours.readHealthResponse(Buffer.from([0x08, 0x07]))).toBe(7);
  });
});
