import type { HeaderList } from "../http2/header-list.ts";
import { METHOD_NOT_ALLOWED, statusTrailers, UNKNOWN_ENCODING, UNSUPPORTED_MEDIA_TYPE } from "./blocks.ts";
import { Status } from "./status.ts";
import { parseTimeout } from "./timeout.ts";

// What a request's headers ask for (PROTOCOL-HTTP2.md, "Requests").

export type GrpcRequest<Method> = {
  /** The header list this was read from: Envoy's requests share theirs, and so the reading. */
  headers: HeaderList;
  greeting: boolean;
  /** A block with END_STREAM that is all the answer there is; undefined: `method` takes the call. */
  refusal: Buffer | undefined;
  method: Method | undefined;
  /** -1: none */
  timeoutMs: number;
};

export function readRequest<Method>(headers: HeaderList, methods: ReadonlyMap<string, Method>): GrpcRequest<Method> {
  const request: GrpcRequest<Method> = {
    headers,
    greeting: false,
    refusal: undefined,
    method: methods.get(headers.value(":path") ?? ""),
    timeoutMs: -1,
  };
  if (headers.value(":method") === "GET" && headers.value(":path") === "/") request.greeting = true;
  else request.refusal = refuse(request);
  return request;
}

function refuse<Method>(request: GrpcRequest<Method>): Buffer | undefined {
  const { headers } = request;
  if (!isGrpc(headers.value("content-type") ?? "")) return UNSUPPORTED_MEDIA_TYPE;
  if (headers.value(":method") !== "POST") return METHOD_NOT_ALLOWED;
  if (request.method === undefined) return statusTrailers(false, Status.UNIMPLEMENTED, "agglo: no such method");
  const encoding = headers.value("grpc-encoding");
  if (encoding !== undefined && encoding !== "identity") return UNKNOWN_ENCODING;
  const timeout = headers.value("grpc-timeout");
  if (timeout === undefined) return undefined;
  const timeoutMs = parseTimeout(timeout);
  if (timeoutMs === undefined) return statusTrailers(false, Status.INTERNAL, "agglo: malformed grpc-timeout");
  request.timeoutMs = timeoutMs;
  return undefined;
}

/** "application/grpc", alone or with "+proto"; grpc-web and other codecs are other protocols. */
function isGrpc(contentType: string): boolean {
  return /^application\/grpc(\+proto)?\s*(;|$)/i.test(contentType);
}
