import { putHeaderMap, readMutation } from "./headers.ts";
import {
  type ContinueAnswer,
  continueAnswer,
  IMMEDIATE_RESPONSE,
  type ImmediateAnswer,
  immediateAnswer,
  type JsonObject,
  Kind,
  MORE_TIME,
  type ModeOverride,
  NO_BYTES,
  type PhaseKind,
  type ProcessingRequest,
  type ProcessingResponse,
} from "./messages.ts";
import { putProtocolConfig, readModeOverride } from "./modes.ts";
import type { Reader } from "./reader.ts";
import { FILTER } from "./request.ts";
import { readStruct } from "./struct.ts";
import { putBytes, putHead, putNumber, putText } from "./writer.ts";

// The other side's half of the codec, for tests, test clients and load generators: what Envoy writes and reads.

/** Room for tags, lengths and the fields that do not grow. */
const OVERHEAD_BYTES = 128;
const HEADER_OVERHEAD_BYTES = 32;

/** At most what putRequest writes. */
export function roomForRequest(request: ProcessingRequest): number {
  let room = OVERHEAD_BYTES + request.body.length + (request.attributes?.length ?? 0);
  for (const text of request.headers) room += HEADER_OVERHEAD_BYTES + 3 * text.length;
  return room;
}

export function putRequest(buffer: Buffer, end: number, request: ProcessingRequest): number {
  let pos = end;
  const { protocolConfig, attributes } = request;
  if (protocolConfig !== undefined) pos = putHead(buffer, putProtocolConfig(buffer, pos, protocolConfig), pos, 0x5a);
  pos = putNumber(buffer, pos, 0x50, request.observabilityMode ? 1 : 0);
  if (attributes !== undefined) {
    const entry = putText(buffer, putBytes(buffer, pos, 0x12, attributes), 0x0a, FILTER);
    pos = putHead(buffer, entry, pos, 0x4a);
  }
  if (request.kind === Kind.none) return pos;
  return putHead(buffer, putArm(buffer, pos, request), pos, (request.kind << 3) | 2);
}

function putArm(buffer: Buffer, end: number, request: ProcessingRequest): number {
  const eos = request.endOfStream ? 1 : 0;
  if (request.kind === Kind.requestBody || request.kind === Kind.responseBody) {
    const pos = putNumber(buffer, end, 0x10, eos);
    return request.body.length === 0 ? pos : putBytes(buffer, pos, 0x0a, request.body);
  }
  const isHeaders = request.kind === Kind.requestHeaders || request.kind === Kind.responseHeaders;
  const pos = isHeaders ? putNumber(buffer, end, 0x18, eos) : end;
  return putHead(buffer, putHeaderMap(buffer, pos, request.headers), pos, 0x0a);
}

/** undefined: no arm of the oneof is set. What comes of it counts only if the reader did not fail. */
export function readResponse(reader: Reader): ProcessingResponse | undefined {
  let answer: ContinueAnswer | ImmediateAnswer | undefined;
  let metadata: JsonObject | undefined;
  let modes: ModeOverride | undefined;
  let timeoutMs: number | undefined;
  while (reader.pos < reader.limit) {
    const tag = reader.tag();
    const kind = (tag >>> 3) + 1;
    if (tag === 0x3a) answer = readImmediate(reader, reader.fieldEnd());
    else if (tag === 0x42) metadata = readStruct(reader, reader.fieldEnd(), 0);
    else if (tag === 0x4a) modes = readModeOverride(reader, reader.fieldEnd());
    else if (tag === 0x52) timeoutMs = readDuration(reader, reader.fieldEnd());
    else if ((tag & 7) === 2 && kind >= Kind.requestHeaders && kind <= Kind.responseTrailers) {
      answer = readContinue(reader, reader.fieldEnd(), kind as PhaseKind); // numbered without a gap
    } else reader.skip(tag, 0b111_1111_1110);
  }
  if (answer === undefined) return timeoutMs === undefined ? undefined : { kind: MORE_TIME, timeoutMs };
  answer.dynamicMetadata = metadata;
  if (answer.kind !== IMMEDIATE_RESPONSE) answer.modeOverride = modes;
  return answer;
}

// HeadersResponse and BodyResponse hold a CommonResponse, TrailersResponse a HeaderMutation, all as field 1.
function readContinue(reader: Reader, end: number, kind: PhaseKind): ContinueAnswer {
  const answer = continueAnswer(kind);
  const isTrailers = kind === Kind.requestTrailers || kind === Kind.responseTrailers;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag !== 0x0a) reader.skip(tag, 1 << 1);
    else if (isTrailers) readMutation(reader, reader.fieldEnd(), answer.setHeaders, answer.removeHeaders);
    else readCommon(reader, reader.fieldEnd(), answer);
  }
  reader.close(end);
  return answer;
}

function readCommon(reader: Reader, end: number, answer: ContinueAnswer): void {
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x08) reader.int32();
    else if (tag === 0x12) readMutation(reader, reader.fieldEnd(), answer.setHeaders, answer.removeHeaders);
    else if (tag === 0x1a) readBodyMutation(reader, reader.fieldEnd(), answer);
    else if (tag === 0x28) answer.clearRouteCache = reader.bool();
    else reader.skip(tag, 0b10_1110);
  }
  reader.close(end);
}

function readBodyMutation(reader: Reader, end: number, answer: ContinueAnswer): void {
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x0a) setBody(answer, reader.view());
    else if (tag === 0x10) setBody(answer, reader.bool() ? NO_BYTES : undefined);
    else if (tag === 0x1a) readStreamed(reader, reader.fieldEnd(), answer);
    else reader.skip(tag, 0b1110);
  }
  reader.close(end);
}

// An arm of a oneof: nothing is left of an earlier one.
function setBody(answer: ContinueAnswer, body: Uint8Array | undefined): void {
  answer.body = body;
  answer.streamed = false;
  answer.endOfStream = false;
}

function readStreamed(reader: Reader, end: number, answer: ContinueAnswer): void {
  setBody(answer, NO_BYTES);
  answer.streamed = true;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x0a) answer.body = reader.view();
    else if (tag === 0x10) answer.endOfStream = reader.bool();
    else reader.skip(tag, 0b110);
  }
  reader.close(end);
}

function readImmediate(reader: Reader, end: number): ImmediateAnswer {
  const answer = immediateAnswer(0, [], NO_BYTES, "");
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x0a) answer.status = readNumberMessage(reader, reader.fieldEnd());
    else if (tag === 0x12) readMutation(reader, reader.fieldEnd(), answer.headers, []);
    else if (tag === 0x1a) answer.body = reader.view();
    else if (tag === 0x22) answer.grpcStatus = readNumberMessage(reader, reader.fieldEnd());
    else if (tag === 0x2a) answer.details = reader.utf8();
    else reader.skip(tag, 0b11_1110);
  }
  reader.close(end);
  return answer;
}

/** In milliseconds. */
function readDuration(reader: Reader, end: number): number {
  let ms = 0;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x08) ms += reader.int32() * 1000;
    else if (tag === 0x10) ms += reader.int32() / 1e6;
    else reader.skip(tag, 0b110);
  }
  reader.close(end);
  return ms;
}

/** HttpStatus and GrpcStatus: one number, field 1. */
function readNumberMessage(reader: Reader, end: number): number {
  let value = 0;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x08) value = reader.int32();
    else reader.skip(tag, 1 << 1);
  }
  reader.close(end);
  return value;
}
