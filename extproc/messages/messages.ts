// The ext_proc messages as the rest of extproc speaks them. No protobuf object leaves this folder: a codec turns
// bytes into these and these into bytes (codec.ts), and another does the same to check it (oracle/).

/** What a request message carries, numbered as its oneof is on the wire (external_processor.proto). */
export const Kind = {
  /** An empty or unknown oneof: a newer peer, or a message that only carries side information. Not to be answered. */
  none: 0,
  requestHeaders: 2,
  responseHeaders: 3,
  requestBody: 4,
  responseBody: 5,
  requestTrailers: 6,
  responseTrailers: 7,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** The kinds that are answered one for one. */
export type PhaseKind = Exclude<Kind, typeof Kind.none>;

/** The kind of an `ImmediateAnswer`; like the others it is its wire number plus one (ProcessingResponse counts from 1). */
export const IMMEDIATE_RESPONSE = 8;

export const BodyMode = {
  NONE: 0,
  STREAMED: 1,
  BUFFERED: 2,
  BUFFERED_PARTIAL: 3,
  FULL_DUPLEX_STREAMED: 4,
  GRPC: 5,
} as const;
export type BodyMode = (typeof BodyMode)[keyof typeof BodyMode];

export const HeaderMode = { DEFAULT: 0, SEND: 1, SKIP: 2 } as const;
export type HeaderMode = (typeof HeaderMode)[keyof typeof HeaderMode];

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export type JsonObject = { [name: string]: JsonValue };

export type ProtocolConfig = {
  requestBodyMode: BodyMode;
  responseBodyMode: BodyMode;
  sendBodyWithoutWaitingForHeaderResponse: boolean;
};

export type ProcessingRequest = {
  kind: Kind;
  /** Headers or trailers, flat: name, value, name, value… A value is latin1, one char per byte, so binary survives. */
  headers: string[];
  /** A view into the received message. Nobody reuses that memory, so it may be kept; a small view keeps all of it alive. */
  body: Uint8Array;
  /** Headers: nothing follows. Body: the last one, unless trailers exist. Trailers: always true, they are the end. */
  endOfStream: boolean;
  /** True: Envoy reads no answers (facts 13.2). */
  observabilityMode: boolean;
  /** On the first message of a call only; never in observability mode (facts 9.1). */
  protocolConfig: ProtocolConfig | undefined;
  /**
   * On the first message of each direction; flat CEL names such as "request.path" (facts 8.2). As received, because
   * hardly anyone asks: `readAttributes` decodes them. A view like `body`.
   */
  attributes: Uint8Array | undefined;
};

/** One header to set. `value` is latin1, one char per byte. `append`: another line beside what is there; false: instead of it. */
export type HeaderSet = { name: string; value: string; append: boolean };

/** Header and trailer modes may stay DEFAULT (as configured); a body mode left NONE switches that body off (facts 10.3). */
export type ModeOverride = {
  requestHeaderMode: HeaderMode;
  responseHeaderMode: HeaderMode;
  requestBodyMode: BodyMode;
  responseBodyMode: BodyMode;
  requestTrailerMode: HeaderMode;
  responseTrailerMode: HeaderMode;
};

/** The answer to one headers, body or trailers message, of that message's kind. Make it with `continueAnswer`. */
export type ContinueAnswer = {
  kind: PhaseKind;
  setHeaders: HeaderSet[];
  /** Removed before anything is set (facts 3.5). */
  removeHeaders: string[];
  /**
   * undefined leaves the body as it is, an empty array empties it. In a headers answer it is the whole body, sent on
   * instead of the one to come (CONTINUE_AND_REPLACE, facts 3.11). Trailers answers have none.
   */
  body: Uint8Array | undefined;
  /**
   * Body answers under FULL_DUPLEX_STREAMED: `body` is one chunk of an answer of any length and must be there (echo
   * it, facts 5.7), and `endOfStream` marks the last. Every other mode refuses a streamed answer.
   */
  streamed: boolean;
  endOfStream: boolean;
  /** Acts only beside a header mutation, in the request direction. Trailers answers have none. */
  clearRouteCache: boolean;
  /** Obeyed in headers answers only, if the filter allows it (facts 10.1). */
  modeOverride: ModeOverride | undefined;
  /** Top-level key = metadata namespace (facts 15.1). Bytes: the same, encoded before (codec.ts, encodeMetadata). */
  dynamicMetadata: JsonObject | Uint8Array | undefined;
};

/** The reply to the client itself, which ends the exchange. Make it with `immediateAnswer`. */
export type ImmediateAnswer = {
  kind: typeof IMMEDIATE_RESPONSE;
  /** HTTP status, 200-599: anything below 200 becomes 200 (facts 12.2). */
  status: number;
  headers: HeaderSet[];
  body: Uint8Array;
  /** For the access log (RESPONSE_CODE_DETAILS); Envoy turns spaces into underscores. */
  details: string;
  /** For gRPC clients only (facts 12.4). */
  grpcStatus: number | undefined;
  dynamicMetadata: JsonObject | Uint8Array | undefined;
};

/** The kind of a `MoreTime`. No arm of the oneof: its number is ours. */
export const MORE_TIME = 9;

/** No answer yet: Envoy is to wait this long for the next one, if its max_message_timeout allows (facts 14.3). */
export type MoreTime = { kind: typeof MORE_TIME; timeoutMs: number };

export type Answer = ContinueAnswer | ImmediateAnswer;
export type ProcessingResponse = Answer | MoreTime;

/** Shared by all messages without a body. */
export const NO_BYTES = new Uint8Array(0);

/** "Go on, nothing changed" to a message of this kind; the caller fills in what did change. */
export function continueAnswer(kind: PhaseKind): ContinueAnswer {
  return {
    kind,
    setHeaders: [],
    removeHeaders: [],
    body: undefined,
    streamed: false,
    endOfStream: false,
    clearRouteCache: false,
    modeOverride: undefined,
    dynamicMetadata: undefined,
  };
}

/** A reply to the client; `details` says why in the access log. The caller adds grpcStatus or metadata where wanted. */
export function immediateAnswer(
  status: number,
  headers: HeaderSet[],
  body: Uint8Array,
  details: string,
): ImmediateAnswer {
  return {
    kind: IMMEDIATE_RESPONSE,
    status,
    headers,
    body,
    details,
    grpcStatus: undefined,
    dynamicMetadata: undefined,
  };
}
