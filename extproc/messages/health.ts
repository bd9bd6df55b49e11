import { Reader } from "./reader.ts";
import { putNumber, putText, sizeOfField, sizeOfNumber, sizeOfText } from "./writer.ts";

// The messages of the gRPC health protocol (grpc.health.v1).

export const ServingStatus = { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
export type ServingStatus = (typeof ServingStatus)[keyof typeof ServingStatus];

/** What bytes that are no HealthCheckRequest ask about: a service nobody has, so they hear what an unknown one hears. */
export const NO_SUCH_SERVICE = "\0";

const SERVICE = 0x0a;
const STATUS = 0x08;

/** The service asked about; empty for the server as a whole. */
export function readHealthRequest(bytes: Uint8Array): string {
  const reader = new Reader(bytes);
  let service = "";
  while (reader.pos < reader.limit) {
    const tag = reader.tag();
    if (tag === SERVICE) service = reader.utf8();
    else reader.skip(tag, 1 << 1);
  }
  return reader.failed ? NO_SUCH_SERVICE : service;
}

export function writeHealthRequest(service: string): Buffer {
  const bytes = sizeOfText(service);
  if (bytes === 0) return Buffer.alloc(0);
  const buffer = Buffer.allocUnsafe(sizeOfField(bytes));
  putText(buffer, buffer.length, SERVICE, service);
  return buffer;
}

/** UNKNOWN also for bytes that are no HealthCheckResponse. A status newer than ours passes through as its number. */
export function readHealthResponse(bytes: Uint8Array): ServingStatus {
  const reader = new Reader(bytes);
  let status: number = ServingStatus.UNKNOWN;
  while (reader.pos < reader.limit) {
    const tag = reader.tag();
    if (tag === STATUS) status = reader.int32();
    else reader.skip(tag, 1 << 1);
  }
  return (reader.failed ? ServingStatus.UNKNOWN : status) as ServingStatus;
}

export function writeHealthResponse(status: ServingStatus): Buffer {
  const buffer = Buffer.allocUnsafe(sizeOfNumber(status));
  putNumber(buffer, buffer.length, STATUS, status);
  return buffer;
}
