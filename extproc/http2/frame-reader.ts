import { ErrorCode, Flag, FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, FrameType } from "./constants.ts";

// Bytes of a connection to frames (RFC 9113 section 4). The content of DATA goes on as views of what the socket
// delivered, piece by piece if a frame is spread over reads: never copied, never waited for. Frames of any other type
// are handed on whole; one that is spread over reads is put together in a scratch buffer.
//
//              9 bytes            rest of it
//   head ──────────────▶ payload ────────────▶ head
//     │  DATA            rest of it              ▲ ▲
//     ├────────▶ data ───────────────────────────┘ │
//     └────────▶ pad length ──▶ data ──▶ padding ──┘

export type FrameSink = {
  /** Any frame but DATA; [pos, end) of `buf` is its payload, valid until this returns. */
  recvFrame(type: number, flags: number, streamId: number, buf: Buffer, pos: number, end: number): void;
  /** A DATA frame begins; `length` counts for flow control, padding and all (RFC 9113 section 6.1). */
  recvDataHead(flags: number, streamId: number, length: number): void;
  /** A piece of its content, never empty. */
  recvDataBytes(buf: Buffer, pos: number, end: number): void;
  /** The frame is complete. */
  recvDataEnd(): void;
  /** These bytes are no frames. Nothing more comes. */
  frameError(code: ErrorCode, why: string): void;
};

export class FrameReader {
  private readonly sink: FrameSink;
  private stopped = false;

  // The head, if it is spread over reads.
  private readonly head = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES);
  private headBytes = 0;

  // The frame being read; `left` is what of its payload is still to come, -1 between frames.
  private type = 0;
  private flags = 0;
  private streamId = 0;
  private left = -1;
  /** DATA: how much of `left` is padding; -1: the pad length is the next byte. */
  private padding = 0;

  // Frames that are no DATA and spread over reads.
  private scratch: Buffer = NO_BYTES;
  private scratchBytes = 0;
  private scratchLength = 0;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  /** Drops everything from here on, even in the middle of `read`. */
  stop(): void {
    this.stopped = true;
  }

  /** Reads all of `buf` from `start`, calling the sink. The memory is the caller's to give away: views of it go on. */
  read(buf: Buffer, start: number): void {
    const end = buf.length;
    let pos = start;
    while (pos < end && !this.stopped) {
      if (this.left < 0) {
        if (this.headBytes === 0 && end - pos >= FRAME_HEADER_BYTES) {
          this.readHead(buf, pos);
          pos += FRAME_HEADER_BYTES;
        } else {
          pos = this.collectHead(buf, pos, end);
          if (this.headBytes > 0) return; // not complete yet
        }
        if (this.stopped) return;
        if (this.left === 0) this.finishEmpty();
        continue;
      }
      pos = this.type === FrameType.DATA ? this.readData(buf, pos, end) : this.readPayload(buf, pos, end);
    }
  }

  private collectHead(buf: Buffer, start: number, end: number): number {
    let pos = start;
    while (pos < end && this.headBytes < FRAME_HEADER_BYTES) this.head[this.headBytes++] = buf[pos++] as number;
    if (this.headBytes === FRAME_HEADER_BYTES) {
      this.headBytes = 0;
      this.readHead(this.head, 0);
    }
    return pos;
  }

  private readHead(buf: Buffer, pos: number): void {
    const length = ((buf[pos] as number) << 16) | ((buf[pos + 1] as number) << 8) | (buf[pos + 2] as number);
    this.type = buf[pos + 3] as number;
    this.flags = buf[pos + 4] as number;
    // The highest bit is reserved: ignored (RFC 9113 section 4.1).
    this.streamId =
      (((buf[pos + 5] as number) & 0x7f) << 24) |
      ((buf[pos + 6] as number) << 16) |
      ((buf[pos + 7] as number) << 8) |
      (buf[pos + 8] as number);
    // RFC 9113 section 4.2. For DATA a stream error would do, but a peer that ignores our SETTINGS is not worth one.
    if (length > FRAME_PAYLOAD_BYTES_MAX)
      this.fail(ErrorCode.FRAME_SIZE_ERROR, "a frame larger than SETTINGS_MAX_FRAME_SIZE");
    else this.left = length;
    if (this.type !== FrameType.DATA || this.stopped) return;
    this.padding = (this.flags & Flag.PADDED) === 0 ? 0 : -1;
    if (this.padding < 0 && length === 0) this.fail(ErrorCode.FRAME_SIZE_ERROR, "padded DATA without a pad length");
    else this.sink.recvDataHead(this.flags, this.streamId, length);
  }

  private finishEmpty(): void {
    this.left = -1;
    if (this.type === FrameType.DATA) this.sink.recvDataEnd();
    else this.sink.recvFrame(this.type, this.flags, this.streamId, NO_BYTES, 0, 0);
  }

  private readData(buf: Buffer, start: number, end: number): number {
    let pos = start;
    if (this.padding < 0) {
      this.padding = buf[pos++] as number;
      this.left--;
      // RFC 9113 section 6.1: padding that is longer than the payload.
      if (this.padding > this.left) this.fail(ErrorCode.PROTOCOL_ERROR, "padding longer than its frame");
    }
    if (this.stopped) return end;
    const content = Math.min(this.left - this.padding, end - pos);
    if (content > 0) {
      this.left -= content;
      this.sink.recvDataBytes(buf, pos, pos + content);
      pos += content;
    }
    if (this.left <= this.padding) {
      const skipped = Math.min(this.left, end - pos);
      this.left -= skipped;
      this.padding -= skipped;
      pos += skipped;
    }
    if (this.left > 0 || this.stopped) return pos;
    this.left = -1;
    this.sink.recvDataEnd();
    return pos;
  }

  private readPayload(buf: Buffer, pos: number, end: number): number {
    const bytes = Math.min(this.left, end - pos);
    if (this.scratchBytes === 0 && bytes === this.left) {
      this.left = -1;
      this.sink.recvFrame(this.type, this.flags, this.streamId, buf, pos, pos + bytes);
      return pos + bytes;
    }
    if (this.scratchBytes === 0) {
      this.scratchLength = this.left;
      if (this.scratch.length < this.left) this.scratch = Buffer.allocUnsafeSlow(this.left); // at most 16 KiB
    }
    buf.copy(this.scratch, this.scratchBytes, pos, pos + bytes);
    this.scratchBytes += bytes;
    this.left -= bytes;
    if (this.left > 0) return pos + bytes;
    this.left = -1;
    this.scratchBytes = 0;
    this.sink.recvFrame(this.type, this.flags, this.streamId, this.scratch, 0, this.scratchLength);
    return pos + bytes;
  }

  private fail(code: ErrorCode, why: string): void {
    this.stopped = true;
    this.sink.frameError(code, why);
  }
}

const NO_BYTES = Buffer.alloc(0);
