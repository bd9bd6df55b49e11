import { putMutation, sizeOfMutation } from "./headers.ts";
import {
  type ContinueAnswer,
  IMMEDIATE_RESPONSE,
  type ImmediateAnswer,
  Kind,
  MORE_TIME,
  NO_BYTES,
  type ProcessingResponse,
} from "./messages.ts";
import { putModeOverride, sizeOfModeOverride } from "./modes.ts";
import { putStruct, sizeOfStruct } from "./struct.ts";
import { putBytes, putHead, putNumber, putText, sizeOfField, sizeOfNumber, sizeOfText } from "./writer.ts";

// ProcessingResponse: measured from the outside in, written from the end to the start (writer.ts), so the fields stand
// in the code in reverse. What is zero or false is left out, as protobuf writers do, so equal messages have equal bytes.

const CONTINUE_AND_REPLACE = 1;

/** Throws only on an answer that ext_proc cannot express (a body in trailers): a bug of the caller. */
export function sizeOfResponse(answer: ProcessingResponse): number {
  let size = 0;
  if (answer.kind === MORE_TIME) return sizeOfField(sizeOfDuration(answer.timeoutMs));
  if (answer.dynamicMetadata !== undefined) size += sizeOfField(sizeOfStruct(answer.dynamicMetadata));
  if (answer.kind === IMMEDIATE_RESPONSE) return size + sizeOfField(sizeOfImmediate(answer));
  if (answer.modeOverride !== undefined) size += sizeOfField(sizeOfModeOverride(answer.modeOverride));
  const mutation = sizeOfMutation(answer.setHeaders, answer.removeHeaders);
  const content = isTrailers(answer) ? mutation : sizeOfCommon(answer, mutation);
  return size + sizeOfField(content === 0 ? 0 : sizeOfField(content));
}

/** Before `end`, where sizeOfResponse(answer) bytes must be free; returns where it begins. */
export function putResponse(buffer: Buffer, end: number, answer: ProcessingResponse): number {
  let pos = end;
  if (answer.kind === MORE_TIME) return putHead(buffer, putDuration(buffer, end, answer.timeoutMs), end, 0x52);
  if (answer.kind === IMMEDIATE_RESPONSE) {
    if (answer.dynamicMetadata !== undefined)
      pos = putHead(buffer, putStruct(buffer, pos, answer.dynamicMetadata), pos, 0x42);
    return putHead(buffer, putImmediate(buffer, pos, answer), pos, 0x3a);
  }
  if (answer.modeOverride !== undefined)
    pos = putHead(buffer, putModeOverride(buffer, pos, answer.modeOverride), pos, 0x4a);
  if (answer.dynamicMetadata !== undefined)
    pos = putHead(buffer, putStruct(buffer, pos, answer.dynamicMetadata), pos, 0x42);
  const contentEnd = pos;
  pos = isTrailers(answer)
    ? putMutation(buffer, pos, answer.setHeaders, answer.removeHeaders)
    : putCommon(buffer, pos, answer);
  if (pos !== contentEnd) pos = putHead(buffer, pos, contentEnd, 0x0a); // of all three answer messages
  return putHead(buffer, pos, contentEnd, ((answer.kind - 1) << 3) | 2); // Kind is the arm's number plus one
}

/** google.protobuf.Duration. */
function sizeOfDuration(ms: number): number {
  return sizeOfNumber(Math.floor(ms / 1000)) + sizeOfNumber((ms % 1000) * 1e6);
}

function putDuration(buffer: Buffer, end: number, ms: number): number {
  return putNumber(buffer, putNumber(buffer, end, 0x10, (ms % 1000) * 1e6), 0x08, Math.floor(ms / 1000));
}

function sizeOfCommon(answer: ContinueAnswer, mutation: number): number {
  let size = mutation === 0 ? 0 : sizeOfField(mutation);
  if (hasBody(answer)) {
    size += sizeOfField(sizeOfBodyMutation(answer));
    if (isHeaders(answer)) size += 2;
  }
  return answer.clearRouteCache ? size + 2 : size;
}

function putCommon(buffer: Buffer, end: number, answer: ContinueAnswer): number {
  const mutationEnd = putBodyParts(buffer, putNumber(buffer, end, 0x28, answer.clearRouteCache ? 1 : 0), answer);
  let pos = putMutation(buffer, mutationEnd, answer.setHeaders, answer.removeHeaders);
  if (pos !== mutationEnd) pos = putHead(buffer, pos, mutationEnd, 0x12);
  return putNumber(buffer, pos, 0x08, hasBody(answer) && isHeaders(answer) ? CONTINUE_AND_REPLACE : 0);
}

// An empty `body` still goes out as the arm that is set: leaving it out would leave the original body in place.
function sizeOfBodyMutation(answer: ContinueAnswer): number {
  const bytes = answer.body === undefined ? 0 : answer.body.length;
  if (!answer.streamed) return sizeOfField(bytes);
  return sizeOfField((bytes === 0 ? 0 : sizeOfField(bytes)) + (answer.endOfStream ? 2 : 0));
}

function putBodyParts(buffer: Buffer, end: number, answer: ContinueAnswer): number {
  if (!hasBody(answer)) return end;
  const body = answer.body ?? NO_BYTES;
  if (!answer.streamed) return putHead(buffer, putBytes(buffer, end, 0x0a, body), end, 0x1a);
  let pos = putNumber(buffer, end, 0x10, answer.endOfStream ? 1 : 0);
  if (body.length > 0) pos = putBytes(buffer, pos, 0x0a, body);
  return putHead(buffer, putHead(buffer, pos, end, 0x1a), end, 0x1a);
}

function sizeOfImmediate(answer: ImmediateAnswer): number {
  let size = sizeOfField(sizeOfNumber(answer.status));
  if (answer.headers.length > 0) size += sizeOfField(sizeOfMutation(answer.headers, []));
  if (answer.body.length > 0) size += sizeOfField(answer.body.length);
  if (answer.grpcStatus !== undefined) size += sizeOfField(sizeOfNumber(answer.grpcStatus));
  return answer.details === "" ? size : size + sizeOfField(sizeOfText(answer.details));
}

function putImmediate(buffer: Buffer, end: number, answer: ImmediateAnswer): number {
  let pos = answer.details === "" ? end : putText(buffer, end, 0x2a, answer.details);
  if (answer.grpcStatus !== undefined)
    pos = putHead(buffer, putNumber(buffer, pos, 0x08, answer.grpcStatus), pos, 0x22);
  if (answer.body.length > 0) pos = putBytes(buffer, pos, 0x1a, answer.body);
  if (answer.headers.length > 0) pos = putHead(buffer, putMutation(buffer, pos, answer.headers, []), pos, 0x12);
  return putHead(buffer, putNumber(buffer, pos, 0x08, answer.status), pos, 0x0a);
}

function hasBody(answer: ContinueAnswer): boolean {
  return answer.body !== undefined || answer.streamed;
}

function isHeaders(answer: ContinueAnswer): boolean {
  return answer.kind === Kind.requestHeaders || answer.kind === Kind.responseHeaders;
}

function isTrailers(answer: ContinueAnswer): boolean {
  if (answer.kind !== Kind.requestTrailers && answer.kind !== Kind.responseTrailers) return false;
  if (hasBody(answer) || answer.clearRouteCache) {
    throw new Error("a trailers answer has no body and clears no route: that belongs in the body or headers answer");
  }
  return true;
}
