import { ErrorCode, Flag, FrameType, PREFACE } from "./constants.ts";
import type { Faults } from "./faults.ts";
import type { HeaderAssembly } from "./header-assembly.ts";

/** What comes first: the preface, then SETTINGS (RFC 9113 section 3.4). What may not be torn: header blocks (6.10). */
export class FrameOrder {
  /** The peer's first SETTINGS are here. */
  settled = false;
  private prefaceBytes = 0;
  private readonly assembly: HeaderAssembly;
  private readonly faults: Faults;

  constructor(assembly: HeaderAssembly, faults: Faults) {
    this.assembly = assembly;
    this.faults = faults;
  }

  /** Reads what is still missing of the preface; returns where in `bytes` the frames begin. */
  readPreface(bytes: Buffer): number {
    let pos = 0;
    while (this.prefaceBytes < PREFACE.length && pos < bytes.length) {
      if (bytes[pos++] === PREFACE[this.prefaceBytes++]) continue;
      this.faults.connection(ErrorCode.PROTOCOL_ERROR, "this is HTTP/2 only");
      break;
    }
    return pos;
  }

  /** Is this frame one too many here? Then that is the connection's error. */
  isWrong(type: number, flags: number, streamId: number): boolean {
    if (!this.settled) {
      this.settled = type === FrameType.SETTINGS && (flags & Flag.ACK) === 0;
      if (!this.settled) this.faults.connection(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS");
      return !this.settled;
    }
    const expected = this.assembly.streamId;
    if (type === FrameType.CONTINUATION ? expected === streamId && expected !== 0 : expected === 0) return false;
    this.faults.connection(ErrorCode.PROTOCOL_ERROR, "a header block is not followed by its own CONTINUATION");
    return true;
  }
}
