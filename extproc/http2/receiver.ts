import { Closed, type ClosedStreams } from "./closed-streams.ts";
import { ErrorCode, Flag, FrameType, WINDOW_BYTES_INITIAL } from "./constants.ts";
import type { Faults } from "./faults.ts";
import type { Http2Limits } from "./limits.ts";
import type { Opener } from "./opener.ts";
import type { Output } from "./output.ts";
import type { Sender } from "./sender.ts";
import { isLocalOpen, isRemoteOpen, type Stream, StreamState } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

/** DATA, RST_STREAM and WINDOW_UPDATE: what happens on streams that are open. */
export class Receiver {
  private readonly limits: Http2Limits;
  private readonly streams: StreamTable;
  private readonly closed: ClosedStreams;
  private readonly opener: Opener;
  private readonly sender: Sender;
  private readonly faults: Faults;
  private readonly output: Output;
  /** What we let the peer send on the connection. */
  private window = WINDOW_BYTES_INITIAL;

  // The DATA frame being read, which may take several reads. Slots are used again, so the id tells whether the stream is
  // still the one the frame began on.
  private stream: Stream | undefined = undefined;
  private streamId = 0;
  private endStream = false;
  private hasContent = false;

  constructor(
    limits: Http2Limits,
    streams: StreamTable,
    closed: ClosedStreams,
    opener: Opener,
    sender: Sender,
    faults: Faults,
    output: Output,
  ) {
    this.limits = limits;
    this.streams = streams;
    this.closed = closed;
    this.opener = opener;
    this.sender = sender;
    this.faults = faults;
    this.output = output;
  }

  /** Announces the connection's window (RFC 9113 section 6.9.2: SETTINGS cannot). */
  openWindow(): void {
    if (this.limits.connectionWindowBytes <= this.window) return;
    this.sendWindowUpdate(0, this.limits.connectionWindowBytes - this.window);
    this.window = this.limits.connectionWindowBytes;
  }

  recvDataHead(flags: number, streamId: number, length: number): void {
    this.stream = undefined;
    this.endStream = (flags & Flag.END_STREAM) !== 0;
    this.recvOnConnection(length);
    const { opener, faults } = this;
    if (streamId === 0 || (streamId > opener.lastStreamId && !opener.refusing)) {
      faults.connection(ErrorCode.PROTOCOL_ERROR, "DATA on an idle stream"); // sections 5.1 and 6.1
      return;
    }
    const stream = this.streams.find(streamId);
    if (stream === undefined) {
      this.recvLate(streamId, length);
      return;
    }
    if (!isRemoteOpen(stream.state)) {
      faults.stream(stream, ErrorCode.STREAM_CLOSED); // section 5.1, half-closed (remote)
      return;
    }
    stream.recvWindow -= length;
    if (stream.recvWindow < 0) {
      faults.stream(stream, ErrorCode.FLOW_CONTROL_ERROR); // section 6.9.1
      return;
    }
    this.hasContent = false;
    this.stream = stream;
    this.streamId = streamId;
  }

  recvDataBytes(buf: Buffer, pos: number, end: number): void {
    const stream = this.current();
    if (stream === undefined) return;
    this.hasContent = true;
    if (stream.promised >= 0) {
      stream.promised -= end - pos;
      if (stream.promised < 0) {
        this.faults.stream(stream, ErrorCode.PROTOCOL_ERROR); // section 8.1.1: more than content-length
        return;
      }
    }
    stream.handler.recvData(buf, pos, end);
  }

  recvDataEnd(): void {
    const stream = this.current();
    this.stream = undefined;
    if (stream === undefined) return;
    if (this.hasContent) this.faults.countUsefulFrame();
    else if (!this.endStream) this.faults.countIdleFrame(); // empty, or padding alone
    if (!this.endStream) this.refillWindow(stream);
    else if (stream.promised > 0)
      this.faults.stream(stream, ErrorCode.PROTOCOL_ERROR); // section 8.1.1
    else this.opener.endRemote(stream);
  }

  recvReset(streamId: number, code: ErrorCode): void {
    const stream = this.known(streamId, "RST_STREAM");
    if (stream === undefined) return;
    if (!stream.worked) this.faults.countReset();
    this.sender.leave(stream, code, Closed.byPeer);
  }

  recvWindowUpdate(streamId: number, increment: number): void {
    this.faults.countIdleFrame();
    if (streamId === 0) {
      if (increment === 0) this.faults.connection(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      else if (!this.sender.growWindow(increment)) {
        this.faults.connection(ErrorCode.FLOW_CONTROL_ERROR, "WINDOW_UPDATE beyond 2^31-1");
      }
      return;
    }
    const stream = this.known(streamId, "WINDOW_UPDATE");
    if (stream === undefined) return;
    if (increment === 0)
      this.faults.stream(stream, ErrorCode.PROTOCOL_ERROR); // section 6.9
    else if (!this.sender.growStreamWindow(stream, increment)) {
      this.faults.stream(stream, ErrorCode.FLOW_CONTROL_ERROR); // section 6.9.1
    }
  }

  private current(): Stream | undefined {
    const stream = this.stream;
    if (stream === undefined || stream.id !== this.streamId || stream.state === StreamState.closed) return undefined;
    return stream;
  }

  /**
   * Every DATA frame counts, whatever becomes of it (RFC 9113 section 6.9.1). What we take we take at once, so there is
   * always more than half a window left, which is more than a frame: nobody can overrun it.
   */
  private recvOnConnection(length: number): void {
    this.window -= length;
    const whole = Math.max(this.limits.connectionWindowBytes, WINDOW_BYTES_INITIAL);
    if (this.window >= whole / 2) return;
    this.sendWindowUpdate(0, whole - this.window);
    this.window = whole;
  }

  private refillWindow(stream: Stream): void {
    const whole = this.limits.streamWindowBytes;
    if (stream.recvWindow >= whole / 2) return;
    if (!isLocalOpen(stream.state)) {
      this.sender.reset(stream, ErrorCode.NO_ERROR); // answered: the rest is not wanted (section 8.1)
      return;
    }
    this.sendWindowUpdate(stream.id, whole - stream.recvWindow);
    stream.recvWindow = whole;
  }

  private sendWindowUpdate(streamId: number, increment: number): void {
    const at = this.output.reserve(FrameType.WINDOW_UPDATE, 0, streamId, 4);
    this.output.putUint32(at, increment);
  }

  /** DATA for a stream that is not there any more. */
  private recvLate(streamId: number, length: number): void {
    // We reset it, and the peer had not heard yet; or it crossed our GOAWAY (section 6.8). Honest content, many frames.
    if (streamId > this.opener.lastStreamId || this.closed.find(streamId) === Closed.byUs) {
      if (length === 0) this.faults.countIdleFrame();
    } else {
      this.faults.absentStream(streamId, ErrorCode.STREAM_CLOSED); // section 5.1, closed
    }
  }

  /** The stream, unless it is over (the frame is ignored) or was never there (an error). */
  private known(streamId: number, frame: string): Stream | undefined {
    const stream = this.streams.find(streamId);
    if (stream !== undefined) return stream;
    if (streamId === 0 || (streamId > this.opener.lastStreamId && !this.opener.refusing)) {
      this.faults.connection(ErrorCode.PROTOCOL_ERROR, `${frame} on an idle stream`); // section 5.1
    } else {
      this.faults.countIdleFrame();
    }
    return undefined;
  }
}
