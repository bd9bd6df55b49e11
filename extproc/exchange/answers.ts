/** Decisions as answers that Envoy accepts, with content-length, validators and digests in agreement with the body (facts 2). */
import { type ContinueAnswer, continueAnswer, type HeaderSet, NO_BYTES, type PhaseKind } from "../messages/messages.ts";
import type { Call } from "../transport.ts";
import { bodyHeadersIn, contentLengthOf, validatorsIn } from "./headers.ts";
import type { Decision } from "./treatment.ts";

export function answerOf(kind: PhaseKind, decision: Decision): ContinueAnswer {
  const answer = continueAnswer(kind);
  answer.setHeaders = decision.setHeaders;
  answer.removeHeaders = decision.removeHeaders;
  answer.dynamicMetadata = decision.metadata;
  return answer;
}

/** The body of a message with these headers is another one, of known length: Envoy makes a 500 of a difference (facts 2.1). */
export function describeBody(answer: ContinueAnswer, headers: readonly string[], body: Uint8Array): void {
  if (contentLengthOf(headers) !== -1) answer.setHeaders.push(lengthOf(body));
  answer.removeHeaders = answer.removeHeaders.concat(validatorsIn(headers));
}

/**
 * The body will be another one, of a length that is not known yet. Envoy removes content-length in these modes, unless told
 * not to (facts 2.6, 2.7): bytes behind a wrong one are the next request.
 */
export function undescribeBody(answer: ContinueAnswer, headers: readonly string[]): void {
  answer.removeHeaders = answer.removeHeaders.concat(bodyHeadersIn(headers));
}

function lengthOf(body: Uint8Array): HeaderSet {
  return { name: "content-length", value: String(body.length), append: false };
}

/** The protocol's note says 64 KiB with everything around it; others take 62,000 too. */
const CHUNK_BYTES_MAX = 62_000;

/** Sends bytes on under FULL_DUPLEX_STREAMED, where every answer is a chunk (facts 5.7). */
export function sendChunks(
  call: Call,
  kind: PhaseKind,
  body: Uint8Array,
  endOfStream: boolean,
  metadata: Decision["metadata"],
): void {
  let pos = 0;
  do {
    const end = Math.min(pos + CHUNK_BYTES_MAX, body.length);
    const answer = continueAnswer(kind);
    answer.streamed = true;
    answer.body = pos === 0 && end === body.length ? body : body.subarray(pos, end);
    if (end === body.length) {
      answer.endOfStream = endOfStream;
      answer.dynamicMetadata = metadata;
    }
    call.send(answer);
    pos = end;
  } while (pos < body.length);
}

/** Sends a message of GRPC mode on as it came: each is a gRPC message, which chunks would tear (processing_mode.proto). */
export function echoMessage(call: Call, kind: PhaseKind, body: Uint8Array, endOfStream: boolean): void {
  const answer = continueAnswer(kind);
  answer.streamed = true;
  answer.body = body;
  answer.endOfStream = endOfStream;
  call.send(answer);
}

/** Answers a STREAMED chunk: with nothing, to keep it back, or with other bytes. */
export function replaceChunk(call: Call, kind: PhaseKind, body: Uint8Array): void {
  const answer = continueAnswer(kind);
  answer.body = body.length === 0 ? NO_BYTES : body;
  call.send(answer);
}
