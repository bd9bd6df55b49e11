import { ServingStatus } from "../health.ts";
import { asBuffer, loadMethod, type Method } from "./protos.ts";

// The messages of the gRPC health protocol (grpc.health.v1).

/** The service asked about; empty for the server as a whole. */
export function readHealthRequest(bytes: Uint8Array): string {
  const wire = check().requestDeserialize(asBuffer(bytes)) as { service?: string };
  return wire.service ?? "";
}

export function writeHealthRequest(service: string): Buffer {
  return check().requestSerialize({ service });
}

export function readHealthResponse(bytes: Uint8Array): ServingStatus {
  const wire = check().responseDeserialize(asBuffer(bytes)) as { status?: ServingStatus };
  return wire.status ?? ServingStatus.UNKNOWN;
}

export function writeHealthResponse(status: ServingStatus): Buffer {
  return check().responseSerialize({ status });
}

function check(): Method {
  return loadMethod("grpc/health/v1/health.proto", "grpc.health.v1.Health", "Check");
}
