/** The transports there are, by the name a user types. */

import type { TlsOptions } from "../engine/runtime/listen.ts";
import { nativeTransport } from "./grpc/native.ts";
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

/** What a proxy whose routes ask for little may send nevertheless. */
const MESSAGE_BYTES_MIN = 16 * 1024 * 1024 + 64 * 1024;

export type TransportOptions = {
  /** hears exceptions of ours; the call they happened in has failed */
  onBug: (error: unknown) => void;
  /** the largest message that routes may bring (core/routes/needs.ts): a larger one fails its call. Asked for each call. */
  bytesMax: () => number;
  /** asked for each new connection; only the native transport has it */
  tls?: () => TlsOptions;
};

export function newTransport(name: TransportName, { onBug, bytesMax, tls }: TransportOptions): Transport {
  const messageBytesMax = (): number => Math.max(MESSAGE_BYTES_MIN, bytesMax());
  if (name === "grpc-js") return grpcJsTransport({ onBug, messageBytesMax });
  return nativeTransport({ codec: PROCESSOR_CODEC, onBug, messageBytesMax, ...(tls === undefined ? {} : { tls }) });
}
