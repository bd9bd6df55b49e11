import { encodeHeaders } from "../http2/hpack-encoder.ts";
import { encodeStatusMessage, Status } from "./status.ts";

// The header blocks of gRPC responses (PROTOCOL-HTTP2.md, "Responses"), built once.

const RESPONSE = [":status", "200", "content-type", "application/grpc"];

/** Before the first message. */
export const RESPONSE_HEADERS = encodeHeaders(RESPONSE);

const TRAILERS_OK = encodeHeaders(["grpc-status", "0"]);
const TRAILERS_ONLY_OK = encodeHeaders([...RESPONSE, "grpc-status", "0"]);

/** After the last message; without one, "Trailers-Only": both in one block. */
export function okTrailers(afterHeaders: boolean): Buffer {
  return afterHeaders ? TRAILERS_OK : TRAILERS_ONLY_OK;
}

export function statusTrailers(afterHeaders: boolean, code: number, message: string): Buffer {
  const fields = afterHeaders ? [] : [...RESPONSE];
  fields.push("grpc-status", String(code));
  if (message !== "") fields.push("grpc-message", encodeStatusMessage(message));
  return encodeHeaders(fields);
}

/** The same for a request whose grpc-encoding we cannot read: tells what we can (compression.md, "Test cases"). */
export const UNKNOWN_ENCODING = encodeHeaders([
  ...RESPONSE,
  ...["grpc-status", String(Status.UNIMPLEMENTED), "grpc-accept-encoding", "identity"],
  ...["grpc-message", encodeStatusMessage("agglo: reads no compressed messages")],
]);

/** To whom speaks no gRPC. */
export const UNSUPPORTED_MEDIA_TYPE = encodeHeaders([":status", "415"]);
export const METHOD_NOT_ALLOWED = encodeHeaders([":status", "405", "allow", "POST"]);

/** `GET /`, for people with curl and for checkers of HTTP/2. */
export const GREETING = Buffer.from("agglo: this is an Envoy ext_proc server, it speaks gRPC\n", "latin1");
export const GREETING_HEADERS = encodeHeaders([
  ...[":status", "200", "content-type", "text/plain"],
  ...["content-length", String(GREETING.length)],
]);
