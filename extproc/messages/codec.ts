import type { JsonObject, ProcessingRequest, ProcessingResponse } from "./messages.ts";
import { putRequest, readResponse, roomForRequest } from "./peer.ts";
import { Reader } from "./reader.ts";
import { readRequest } from "./request.ts";
import { putResponse, sizeOfResponse } from "./response.ts";
import { parseStruct, writeStruct } from "./struct.ts";

// ext_proc messages to bytes and back, by hand: a message costs its strings, one view of its body and nothing else.
// oracle/ does the same by way of protobufjs and the .proto files; codec.test.ts holds the two against each other.

/**
 * undefined: the bytes are no ProcessingRequest. Never throws, whatever a peer sends. Unknown fields are skipped; an
 * unknown or absent oneof is Kind.none; the last arm of the oneof wins.
 */
export function readProcessingRequest(bytes: Uint8Array): ProcessingRequest | undefined {
  const reader = new Reader(bytes);
  const request = readRequest(reader);
  return reader.failed ? undefined : request;
}

/** `ProcessingRequest.attributes` as plain values; undefined if there are none, or none that can be read. */
export function readAttributes(request: ProcessingRequest): JsonObject | undefined {
  return request.attributes && parseStruct(request.attributes);
}

/**
 * The exact length of the answer, for who writes it behind headers of his own. This and all writing throws only on an
 * answer that ext_proc cannot express (a body in trailers): a bug of the caller.
 */
export function sizeOfProcessingResponse(answer: ProcessingResponse): number {
  return sizeOfResponse(answer);
}

/**
 * Writes the answer at `offset`, which needs `size` bytes; returns where it ends. Whoever has the size passes it: it
 * must be that of this very answer.
 */
export function writeProcessingResponseAt(
  answer: ProcessingResponse,
  buffer: Buffer,
  offset: number,
  size = sizeOfResponse(answer),
): number {
  const end = offset + size;
  if (end > buffer.length) throw new RangeError("the buffer is too short for the answer");
  if (putResponse(buffer, end, answer) !== offset) throw new Error("this is the size of another answer");
  return end;
}

export function writeProcessingResponse(answer: ProcessingResponse): Buffer {
  const size = sizeOfResponse(answer);
  const buffer = Buffer.allocUnsafe(size);
  putResponse(buffer, size, answer);
  return buffer;
}

/** The other side's writer, for tests and test clients: fills the fields that Envoy fills. */
export function writeProcessingRequest(request: ProcessingRequest): Buffer {
  const room = roomForRequest(request);
  const buffer = Buffer.allocUnsafe(room);
  return buffer.subarray(putRequest(buffer, room, request));
}

/** The other side's reader, for tests and test clients. An answer without a known oneof throws: Envoy fails it too. */
export function readProcessingResponse(bytes: Uint8Array): ProcessingResponse {
  const reader = new Reader(bytes);
  const answer = readResponse(reader);
  if (reader.failed) throw new Error("these bytes are no ProcessingResponse");
  if (answer === undefined) throw new Error("an answer without a oneof (facts 14.5: unhandled_message)");
  return answer;
}

/** Dynamic metadata encoded once, for an answer that is given many times. */
export function encodeMetadata(metadata: JsonObject): Uint8Array {
  return writeStruct(metadata);
}
