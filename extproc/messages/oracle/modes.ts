import type { BodyMode, HeaderMode, ModeOverride, ProtocolConfig } from "../messages.ts";
import type { WireMode, WireProtocolConfig } from "./wire.ts";

// Body and header modes. The numbers pass through as they are: a mode newer than this list must not fail a message,
// and whoever acts on a mode has a default arm. Hence the casts.

export function readProtocolConfig(wire: WireProtocolConfig): ProtocolConfig {
  return {
    requestBodyMode: (wire.requestBodyMode ?? 0) as BodyMode,
    responseBodyMode: (wire.responseBodyMode ?? 0) as BodyMode,
    sendBodyWithoutWaitingForHeaderResponse: wire.sendBodyWithoutWaitingForHeaderResponse === true,
  };
}

export function writeProtocolConfig(config: ProtocolConfig): WireProtocolConfig {
  return withoutZeros({
    requestBodyMode: config.requestBodyMode,
    responseBodyMode: config.responseBodyMode,
    sendBodyWithoutWaitingForHeaderResponse: config.sendBodyWithoutWaitingForHeaderResponse,
  });
}

export function readModeOverride(wire: WireMode): ModeOverride {
  return {
    requestHeaderMode: (wire.requestHeaderMode ?? 0) as HeaderMode,
    responseHeaderMode: (wire.responseHeaderMode ?? 0) as HeaderMode,
    requestBodyMode: (wire.requestBodyMode ?? 0) as BodyMode,
    responseBodyMode: (wire.responseBodyMode ?? 0) as BodyMode,
    requestTrailerMode: (wire.requestTrailerMode ?? 0) as HeaderMode,
    responseTrailerMode: (wire.responseTrailerMode ?? 0) as HeaderMode,
  };
}

export function writeModeOverride(override: ModeOverride): WireMode {
  return withoutZeros({ ...override });
}

// protobufjs writes every property that is there, zeros too.
function withoutZeros<T extends Record<string, number | boolean>>(wire: T): Partial<T> {
  for (const name of Object.keys(wire)) if (!wire[name]) delete wire[name];
  return wire;
}
