import { ErrorCode, Flag, FrameType } from "./constants.ts";
import type { Faults } from "./faults.ts";
import type { Http2Limits } from "./limits.ts";
import type { Output } from "./output.ts";
import type { PeerWatch } from "./peer-watch.ts";
import type { Sender } from "./sender.ts";
import { localSettings, RemoteSettings } from "./settings.ts";

/** The frames that are about the connection and no stream: SETTINGS, PING, GOAWAY; and PRIORITY, which is about nothing. */
export class Control {
  private readonly remote = new RemoteSettings();
  private readonly sender: Sender;
  private readonly faults: Faults;
  private readonly output: Output;
  private readonly watch: PeerWatch;

  constructor(sender: Sender, faults: Faults, output: Output, watch: PeerWatch) {
    this.sender = sender;
    this.faults = faults;
    this.output = output;
    this.watch = watch;
  }

  sendSettings(limits: Http2Limits): void {
    const payload = localSettings(limits);
    const at = this.output.reserve(FrameType.SETTINGS, 0, 0, payload.length);
    payload.copy(this.output.chunk, at);
  }

  sendPing(mark: number): void {
    const at = this.output.reserve(FrameType.PING, 0, 0, 8);
    this.output.putUint32(at, mark);
    this.output.putUint32(at + 4, mark);
  }

  /** RFC 9113 section 6.8; `why` is for whoever reads the peer's log. */
  sendGoaway(lastStreamId: number, code: ErrorCode, why: string): void {
    const debug = Buffer.from(why, "latin1");
    const at = this.output.reserve(FrameType.GOAWAY, 0, 0, 8 + debug.length);
    this.output.putUint32(at, lastStreamId);
    this.output.putUint32(at + 4, code);
    debug.copy(this.output.chunk, at + 8);
  }

  /** RFC 9113 section 6.5. */
  recvSettings(flags: number, streamId: number, buf: Buffer, pos: number, end: number): void {
    const isAck = (flags & Flag.ACK) !== 0;
    if (streamId !== 0) this.faults.connection(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    else if (isAck ? end !== pos : (end - pos) % 6 !== 0) this.faults.wrongSize("SETTINGS");
    else this.faults.countIdleFrame();
    if (isAck || this.faults.code !== undefined) return;
    const code = this.remote.read(buf, pos, end);
    if (code !== ErrorCode.NO_ERROR) {
      this.faults.connection(code, "SETTINGS with a value out of range");
      return;
    }
    this.output.reserve(FrameType.SETTINGS, Flag.ACK, 0, 0); // before the DATA that a larger window lets go
    if (!this.sender.applySettings(this.remote)) {
      this.faults.connection(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE beyond 2^31-1");
    }
  }

  /** RFC 9113 section 6.7; true if this answers the PING of a drain. */
  recvPing(flags: number, streamId: number, buf: Buffer, pos: number, end: number): boolean {
    if (streamId !== 0) this.faults.connection(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
    else if (end - pos !== 8) this.faults.wrongSize("PING");
    else this.faults.countIdleFrame();
    if (this.faults.code !== undefined) return false;
    if ((flags & Flag.ACK) !== 0) return this.watch.recvAck(buf.readUInt32BE(pos));
    const at = this.output.reserve(FrameType.PING, Flag.ACK, 0, 8);
    buf.copy(this.output.chunk, at, pos, end);
    return false;
  }

  /** RFC 9113 section 6.8: the peer opens no more streams and closes when the last is done. That is up to the peer. */
  recvGoaway(streamId: number, length: number): void {
    if (streamId !== 0) this.faults.connection(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream");
    else if (length < 8) this.faults.wrongSize("GOAWAY");
    else this.faults.countIdleFrame();
  }

  /**
   * RFC 9113 section 6.3: checked and ignored. Its errors are the stream's, which may be idle and have nothing to
   * reset; a peer may treat them as the connection's (section 5.4.1).
   */
  recvPriority(streamId: number, buf: Buffer, pos: number, end: number): void {
    this.faults.countIdleFrame();
    if (end - pos !== 5) this.faults.wrongSize("PRIORITY");
    else if (streamId === 0 || (buf.readUInt32BE(pos) & 0x7fff_ffff) === streamId) {
      this.faults.connection(ErrorCode.PROTOCOL_ERROR, "PRIORITY of no stream, or of one that depends on itself");
    }
  }
}
