import {
  type ContinueAnswer,
  continueAnswer,
  IMMEDIATE_RESPONSE,
  type ImmediateAnswer,
  immediateAnswer,
  type JsonObject,
  Kind,
  MORE_TIME,
  type MoreTime,
  NO_BYTES,
  type PhaseKind,
  type ProcessingRequest,
  type ProcessingResponse,
} from "../messages.ts";
import { readHeaderSets, readHeaders, writeHeaderSets, writeHeaders } from "./headers.ts";
import { readModeOverride, readProtocolConfig, writeModeOverride, writeProtocolConfig } from "./modes.ts";
import { asBuffer, loadMethod, type Method } from "./protos.ts";
import { fromStruct, toStruct } from "./struct.ts";
import type {
  WireAnswer,
  WireBody,
  WireBodyMutation,
  WireCommon,
  WireHeaderMutation,
  WireHeaders,
  WireImmediate,
  WireRequest,
  WireResponse,
  WireTrailers,
} from "./wire.ts";

// ext_proc messages to bytes and back, by way of protobufjs and the .proto files: what the hand-written codec is held
// against in tests and benchmarks. Plain, slow and never part of a server. What is zero or false is left out, as
// protobuf writers do, so equal messages have equal bytes.

/** The one key of ProcessingRequest.attributes (facts 8.2). */
const FILTER = "envoy.filters.http.ext_proc";

const CONTINUE_AND_REPLACE = 1;

/** A request whose attributes are decoded, as a codec without laziness gives them. */
export type DecodedRequest = Omit<ProcessingRequest, "attributes"> & { attributes: JsonObject | undefined };

/** The arms of both oneofs, which have the same names. */
const ARMS = {
  [Kind.requestHeaders]: "requestHeaders",
  [Kind.responseHeaders]: "responseHeaders",
  [Kind.requestBody]: "requestBody",
  [Kind.responseBody]: "responseBody",
  [Kind.requestTrailers]: "requestTrailers",
  [Kind.responseTrailers]: "responseTrailers",
} as const satisfies Record<PhaseKind, keyof WireRequest>;

/** Throws on bytes that are no message. Unknown fields are skipped; an unknown or absent oneof is Kind.none. */
export function readProcessingRequest(bytes: Uint8Array): DecodedRequest {
  const wire = processMethod().requestDeserialize(asBuffer(bytes)) as WireRequest;
  const attributes = wire.attributes?.[FILTER];
  const request: DecodedRequest = {
    kind: wire.request === undefined ? Kind.none : Kind[wire.request],
    headers: [],
    body: NO_BYTES,
    endOfStream: false,
    observabilityMode: wire.observabilityMode === true,
    protocolConfig: wire.protocolConfig && readProtocolConfig(wire.protocolConfig),
    attributes: attributes && fromStruct(attributes),
  };
  if (wire.request !== undefined) readArm(request, wire[wire.request] ?? {});
  return request;
}

function readArm(request: DecodedRequest, arm: WireHeaders & WireBody & WireTrailers): void {
  request.headers = readHeaders(arm.headers ?? arm.trailers);
  request.body = arm.body ?? NO_BYTES;
  request.endOfStream = arm.endOfStream === true || isTrailers(request.kind);
}

/** The other side's writer, for tests and test clients: fills the fields that Envoy fills. */
export function writeProcessingRequest(request: DecodedRequest): Buffer {
  const wire: WireRequest = {};
  if (request.kind !== Kind.none) wire[ARMS[request.kind]] = writeArm(request);
  if (request.observabilityMode) wire.observabilityMode = true;
  if (request.protocolConfig !== undefined) wire.protocolConfig = writeProtocolConfig(request.protocolConfig);
  if (request.attributes !== undefined) wire.attributes = { [FILTER]: toStruct(request.attributes) };
  return processMethod().requestSerialize(wire);
}

function writeArm(request: DecodedRequest): WireHeaders & WireBody & WireTrailers {
  if (isTrailers(request.kind)) return { trailers: writeHeaders(request.headers) };
  const arm: WireHeaders & WireBody = {};
  if (isHeaders(request.kind)) arm.headers = writeHeaders(request.headers);
  else if (request.body.length > 0) arm.body = asBuffer(request.body);
  if (request.endOfStream) arm.endOfStream = true;
  return arm;
}

/** Throws only on an answer that ext_proc cannot express (a body in trailers): a bug of the caller. */
export function writeProcessingResponse(answer: ProcessingResponse): Buffer {
  const wire: WireResponse = {};
  if (answer.kind === MORE_TIME) return writeMoreTime(answer);
  if (answer.dynamicMetadata !== undefined) wire.dynamicMetadata = toStruct(answer.dynamicMetadata as JsonObject); // the tests encode none before
  if (answer.kind === IMMEDIATE_RESPONSE) {
    wire.immediateResponse = writeImmediate(answer);
  } else {
    wire[ARMS[answer.kind]] = writeAnswer(answer);
    if (answer.modeOverride !== undefined) wire.modeOverride = writeModeOverride(answer.modeOverride);
  }
  return processMethod().responseSerialize(wire);
}

function writeMoreTime({ timeoutMs }: MoreTime): Buffer {
  const duration: NonNullable<WireResponse["overrideMessageTimeout"]> = {};
  if (timeoutMs >= 1000) duration.seconds = Math.floor(timeoutMs / 1000);
  if (timeoutMs % 1000 > 0) duration.nanos = (timeoutMs % 1000) * 1e6;
  return processMethod().responseSerialize({ overrideMessageTimeout: duration } satisfies WireResponse);
}

function writeImmediate(answer: ImmediateAnswer): WireImmediate {
  const wire: WireImmediate = { status: answer.status === 0 ? {} : { code: answer.status } };
  if (answer.headers.length > 0) wire.headers = { setHeaders: writeHeaderSets(answer.headers) };
  if (answer.body.length > 0) wire.body = answer.body;
  if (answer.grpcStatus !== undefined) wire.grpcStatus = answer.grpcStatus === 0 ? {} : { status: answer.grpcStatus };
  if (answer.details !== "") wire.details = answer.details;
  return wire;
}

function writeAnswer(answer: ContinueAnswer): WireAnswer {
  const mutation = writeHeaderMutation(answer);
  if (isTrailers(answer.kind)) {
    if (answer.body !== undefined || answer.streamed || answer.clearRouteCache) {
      throw new Error("a trailers answer has no body and clears no route: that belongs in the body or headers answer");
    }
    return mutation === undefined ? {} : { headerMutation: mutation };
  }
  const common: WireCommon = {};
  if (mutation !== undefined) common.headerMutation = mutation;
  if (answer.body !== undefined || answer.streamed) {
    common.bodyMutation = writeBodyMutation(answer);
    if (isHeaders(answer.kind)) common.status = CONTINUE_AND_REPLACE;
  }
  if (answer.clearRouteCache) common.clearRouteCache = true;
  return Object.keys(common).length === 0 ? {} : { response: common };
}

function writeHeaderMutation(answer: ContinueAnswer): WireHeaderMutation | undefined {
  if (answer.setHeaders.length === 0 && answer.removeHeaders.length === 0) return undefined;
  return { setHeaders: writeHeaderSets(answer.setHeaders), removeHeaders: answer.removeHeaders };
}

// An empty `body` still goes out as the arm that is set: leaving it out would leave the original body in place.
function writeBodyMutation(answer: ContinueAnswer): WireBodyMutation {
  const body = answer.body ?? NO_BYTES;
  if (!answer.streamed) return { body };
  const chunk: WireBodyMutation["streamedResponse"] = {};
  if (body.length > 0) chunk.body = body;
  if (answer.endOfStream) chunk.endOfStream = true;
  return { streamedResponse: chunk };
}

/** The other side's reader, for tests and test clients. An answer without a known oneof throws: Envoy fails it too. */
export function readProcessingResponse(bytes: Uint8Array): ProcessingResponse {
  const wire = processMethod().responseDeserialize(asBuffer(bytes)) as WireResponse;
  const duration = wire.overrideMessageTimeout;
  if (wire.response === undefined && duration) {
    return { kind: MORE_TIME, timeoutMs: Number(duration.seconds ?? 0) * 1000 + (duration.nanos ?? 0) / 1e6 };
  }
  if (wire.response === undefined) throw new Error("an answer without a oneof (facts 14.5: unhandled_message)");
  const dynamicMetadata = wire.dynamicMetadata && fromStruct(wire.dynamicMetadata);
  if (wire.response === "immediateResponse") {
    const answer = readImmediate(wire.immediateResponse ?? {});
    answer.dynamicMetadata = dynamicMetadata;
    return answer;
  }
  const answer = readAnswer(Kind[wire.response], wire[wire.response] ?? {});
  answer.dynamicMetadata = dynamicMetadata;
  answer.modeOverride = wire.modeOverride && readModeOverride(wire.modeOverride);
  return answer;
}

function readImmediate(wire: WireImmediate): ImmediateAnswer {
  const headers = readHeaderSets(wire.headers?.setHeaders);
  const answer = immediateAnswer(wire.status?.code ?? 0, headers, wire.body ?? NO_BYTES, wire.details ?? "");
  answer.grpcStatus = wire.grpcStatus && (wire.grpcStatus.status ?? 0);
  return answer;
}

function readAnswer(kind: PhaseKind, wire: WireAnswer): ContinueAnswer {
  const answer = continueAnswer(kind);
  const mutation = wire.headerMutation ?? wire.response?.headerMutation;
  answer.setHeaders = readHeaderSets(mutation?.setHeaders);
  answer.removeHeaders = mutation?.removeHeaders ?? [];
  answer.clearRouteCache = wire.response?.clearRouteCache === true;
  readBodyMutation(answer, wire.response?.bodyMutation ?? {});
  return answer;
}

function readBodyMutation(answer: ContinueAnswer, wire: WireBodyMutation): void {
  if (wire.mutation === "body") answer.body = wire.body ?? NO_BYTES;
  if (wire.mutation === "clearBody" && wire.clearBody === true) answer.body = NO_BYTES;
  if (wire.mutation === "streamedResponse") {
    answer.streamed = true;
    answer.body = wire.streamedResponse?.body ?? NO_BYTES;
    answer.endOfStream = wire.streamedResponse?.endOfStream === true;
  }
}

function isHeaders(kind: Kind): boolean {
  return kind === Kind.requestHeaders || kind === Kind.responseHeaders;
}

function isTrailers(kind: Kind): boolean {
  return kind === Kind.requestTrailers || kind === Kind.responseTrailers;
}

function processMethod(): Method {
  return loadMethod(
    "envoy/service/ext_proc/v3/external_processor.proto",
    "envoy.service.ext_proc.v3.ExternalProcessor",
    "Process",
  );
}
