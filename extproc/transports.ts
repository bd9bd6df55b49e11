/** The transports there are, by the name a user types. */
import { nativeTransport } from "./grpc/native.ts";
import type { TlsOptions } from "./grpc/server.ts";
import { grpcJsTransport } from "./grpc-js.ts";
import { readProcessingRequest, sizeOfProcessingResponse, writeProcessingResponseAt } from "./messages/codec.ts";
import type { Transport } from "./transport.ts";

/** native: our own HTTP/2 and gRPC, the default. grpc-js: the fallback, and the oracle of the tests. */
export const TRANSPORTS = ["native", "grpc-js"] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** What the native transport needs of extproc/messages, which extproc/grpc does not know. */
export const PROCESSOR_CODEC = {
  readRequest: readProcessingRequest,
  sizeOf: sizeOfProcessingResponse,
  writeAt: writeProcessingResponseAt,
};

/**
 * `onBug` hears exceptions of ours; the call they happened in has failed. `tls` is asked for each new connection; only the
 * native transport has it.
 */
export function newTransport(name: TransportName, onBug: (error: unknown) => void, tls?: () => TlsOptions): Transport {
  if (name === "grpc-js") return grpcJsTransport({ onBug });
  return nativeTransport({ codec: PROCESSOR_CODEC, onBug, ...(tls === undefined ? {} : { tls }) });
}
