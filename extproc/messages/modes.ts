import type { BodyMode, HeaderMode, ModeOverride, ProtocolConfig } from "./messages.ts";
import type { Reader } from "./reader.ts";
import { putNumber, sizeOfNumber } from "./writer.ts";

// Body and header modes: ProtocolConfiguration and ProcessingMode. The numbers pass through as they are: a mode newer
// than this list must not fail a message, and whoever acts on a mode has a default arm. Hence the casts.

const KNOWN_CONFIG = 0b1110;
const KNOWN_MODES = 0b1111110;

export function readProtocolConfig(reader: Reader, end: number): ProtocolConfig {
  const config: ProtocolConfig = {
    requestBodyMode: 0,
    responseBodyMode: 0,
    sendBodyWithoutWaitingForHeaderResponse: false,
  };
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x08) config.requestBodyMode = reader.int32() as BodyMode;
    else if (tag === 0x10) config.responseBodyMode = reader.int32() as BodyMode;
    else if (tag === 0x18) config.sendBodyWithoutWaitingForHeaderResponse = reader.bool();
    else reader.skip(tag, KNOWN_CONFIG);
  }
  reader.close(end);
  return config;
}

export function putProtocolConfig(buffer: Buffer, end: number, config: ProtocolConfig): number {
  let pos = putNumber(buffer, end, 0x18, config.sendBodyWithoutWaitingForHeaderResponse ? 1 : 0);
  pos = putNumber(buffer, pos, 0x10, config.responseBodyMode);
  return putNumber(buffer, pos, 0x08, config.requestBodyMode);
}

export function readModeOverride(reader: Reader, end: number): ModeOverride {
  const modes: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
  while (reader.pos < end) {
    const tag = reader.tag();
    const field = tag >>> 3;
    if ((tag & 7) === 0 && field >= 1 && field <= 6) modes[field - 1] = reader.int32();
    else reader.skip(tag, KNOWN_MODES);
  }
  reader.close(end);
  return {
    requestHeaderMode: modes[0] as HeaderMode,
    responseHeaderMode: modes[1] as HeaderMode,
    requestBodyMode: modes[2] as BodyMode,
    responseBodyMode: modes[3] as BodyMode,
    requestTrailerMode: modes[4] as HeaderMode,
    responseTrailerMode: modes[5] as HeaderMode,
  };
}

export function sizeOfModeOverride(override: ModeOverride): number {
  return (
    sizeOfNumber(override.requestHeaderMode) +
    sizeOfNumber(override.responseHeaderMode) +
    sizeOfNumber(override.requestBodyMode) +
    sizeOfNumber(override.responseBodyMode) +
    sizeOfNumber(override.requestTrailerMode) +
    sizeOfNumber(override.responseTrailerMode)
  );
}

export function putModeOverride(buffer: Buffer, end: number, override: ModeOverride): number {
  let pos = putNumber(buffer, end, 0x30, override.responseTrailerMode);
  pos = putNumber(buffer, pos, 0x28, override.requestTrailerMode);
  pos = putNumber(buffer, pos, 0x20, override.responseBodyMode);
  pos = putNumber(buffer, pos, 0x18, override.requestBodyMode);
  pos = putNumber(buffer, pos, 0x10, override.responseHeaderMode);
  return putNumber(buffer, pos, 0x08, override.requestHeaderMode);
}
