import type { WireHeaderMap, WireHeaderOption } from "./headers.ts";
import type { WireStruct } from "./struct.ts";

// What protobufjs makes of a message with the options in protos.ts: a property is there if the sender set it to
// something else than zero or false, and the property named after a oneof holds the name of its arm.

export type WireHeaders = { headers?: WireHeaderMap; endOfStream?: boolean };
export type WireBody = { body?: Buffer; endOfStream?: boolean };
export type WireTrailers = { trailers?: WireHeaderMap };

export type WireProtocolConfig = {
  requestBodyMode?: number;
  responseBodyMode?: number;
  sendBodyWithoutWaitingForHeaderResponse?: boolean;
};

/** The arms of ProcessingRequest.request. */
export type WireRequestArms = {
  requestHeaders?: WireHeaders;
  responseHeaders?: WireHeaders;
  requestBody?: WireBody;
  responseBody?: WireBody;
  requestTrailers?: WireTrailers;
  responseTrailers?: WireTrailers;
};

export type WireRequest = WireRequestArms & {
  request?: keyof WireRequestArms;
  attributes?: Record<string, WireStruct>;
  observabilityMode?: boolean;
  protocolConfig?: WireProtocolConfig;
};

export type WireHeaderMutation = { setHeaders?: WireHeaderOption[]; removeHeaders?: string[] };

export type WireBodyMutation = {
  mutation?: "body" | "clearBody" | "streamedResponse";
  body?: Uint8Array;
  clearBody?: boolean;
  streamedResponse?: { body?: Uint8Array; endOfStream?: boolean };
};

export type WireCommon = {
  status?: number;
  headerMutation?: WireHeaderMutation;
  bodyMutation?: WireBodyMutation;
  clearRouteCache?: boolean;
};

export type WireImmediate = {
  status?: { code?: number };
  headers?: WireHeaderMutation;
  body?: Uint8Array;
  grpcStatus?: { status?: number };
  details?: string;
};

export type WireMode = {
  requestHeaderMode?: number;
  responseHeaderMode?: number;
  requestBodyMode?: number;
  responseBodyMode?: number;
  requestTrailerMode?: number;
  responseTrailerMode?: number;
};

/** HeadersResponse, BodyResponse (`response`) or TrailersResponse (`headerMutation`). */
export type WireAnswer = { response?: WireCommon; headerMutation?: WireHeaderMutation };

export type WireResponse = {
  response?: keyof WireRequestArms | "immediateResponse";
  requestHeaders?: WireAnswer;
  responseHeaders?: WireAnswer;
  requestBody?: WireAnswer;
  responseBody?: WireAnswer;
  requestTrailers?: WireAnswer;
  responseTrailers?: WireAnswer;
  immediateResponse?: WireImmediate;
  dynamicMetadata?: WireStruct;
  modeOverride?: WireMode;
  overrideMessageTimeout?: { seconds?: number | string; nanos?: number };
};
