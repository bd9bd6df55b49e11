import { ErrorCode, FRAME_PAYLOAD_BYTES_MAX, Setting, WINDOW_BYTES_INITIAL, WINDOW_BYTES_MAX } from "./constants.ts";
import type { Http2Limits } from "./limits.ts";

// SETTINGS (RFC 9113 section 6.5).

const SETTING_BYTES = 6;
const MAX_FRAME_SIZE_LIMIT = 0xff_ffff;

/** RFC 9113 section 6.5.2: the size before any SETTINGS. Ours stays there: Envoy uses no more (facts 20.3). */
export const HEADER_TABLE_BYTES = 4096;

/** What the peer asked for and we heed. */
export class RemoteSettings {
  initialWindowBytes = WINDOW_BYTES_INITIAL;
  headerTableBytes = HEADER_TABLE_BYTES;

  /** Takes over a payload; NO_ERROR, or what is wrong with it (section 6.5.2). Its length has been checked. */
  read(buf: Buffer, pos: number, end: number): ErrorCode {
    for (let at = pos; at < end; at += SETTING_BYTES) {
      const error = this.set(buf.readUInt16BE(at), buf.readUInt32BE(at + 2));
      if (error !== ErrorCode.NO_ERROR) return error;
    }
    return ErrorCode.NO_ERROR;
  }

  private set(setting: number, value: number): ErrorCode {
    switch (setting) {
      case Setting.HEADER_TABLE_SIZE:
        this.headerTableBytes = Math.min(this.headerTableBytes, value);
        return ErrorCode.NO_ERROR;
      case Setting.ENABLE_PUSH:
        return value > 1 ? ErrorCode.PROTOCOL_ERROR : ErrorCode.NO_ERROR;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > WINDOW_BYTES_MAX) return ErrorCode.FLOW_CONTROL_ERROR;
        this.initialWindowBytes = value;
        return ErrorCode.NO_ERROR;
      case Setting.MAX_FRAME_SIZE: // larger than ours would bring nothing, and smaller there is not
        return value < FRAME_PAYLOAD_BYTES_MAX || value > MAX_FRAME_SIZE_LIMIT
          ? ErrorCode.PROTOCOL_ERROR
          : ErrorCode.NO_ERROR;
      default: // MAX_CONCURRENT_STREAMS is about pushes, our headers are tiny, and the unknown is ignored
        return ErrorCode.NO_ERROR;
    }
  }
}

/** Our own, as a payload. What is not in it keeps its initial value. */
export function localSettings(limits: Http2Limits): Buffer {
  const settings = [
    [Setting.MAX_CONCURRENT_STREAMS, limits.concurrentStreams],
    [Setting.INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
    [Setting.MAX_HEADER_LIST_SIZE, limits.headerListBytes],
  ] as const;
  const payload = Buffer.alloc(settings.length * SETTING_BYTES);
  settings.forEach(([setting, value], i) => {
    payload.writeUInt16BE(setting, i * SETTING_BYTES);
    payload.writeUInt32BE(value, i * SETTING_BYTES + 2);
  });
  return payload;
}
