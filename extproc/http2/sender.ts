import { Closed, type ClosedStreams } from "./closed-streams.ts";
import { ErrorCode, Flag, FrameType, WINDOW_BYTES_INITIAL, WINDOW_BYTES_MAX } from "./constants.ts";
import { type Output, SEND_PAYLOAD_BYTES_MAX } from "./output.ts";
import { HEADER_TABLE_BYTES, type RemoteSettings } from "./settings.ts";
import { isLocalOpen, type Stream, StreamState, sendEnd } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

/**
 * What goes out on streams, as far as the peer's windows allow (RFC 9113 section 5.2). With Envoy's windows of 16 MiB
 * everything leaves at once; what does not is copied and waits in its stream's queue.
 */
export class Sender {
  /** Answers that wait for window, over all streams. */
  queuedBytes = 0;
  /** Streams that are over since the last turn: their handlers hear of it at its end, never in the middle of a call. */
  readonly leaving: Stream[] = [];
  /** SETTINGS_INITIAL_WINDOW_SIZE of the peer. */
  initialWindow = WINDOW_BYTES_INITIAL;
  private window = WINDOW_BYTES_INITIAL;
  /** Streams with a queue that wait for the connection's window, longest waiting first. */
  private blocked: Stream[] = [];
  private sizeUpdateDue = false;
  private sizeUpdateSent = false;
  private readonly output: Output;
  private readonly streams: StreamTable;
  private readonly closed: ClosedStreams;

  constructor(output: Output, streams: StreamTable, closed: ClosedStreams) {
    this.output = output;
    this.streams = streams;
    this.closed = closed;
  }

  /** Sends a header block made by `encodeHeaders`: before all data, or with END_STREAM after it. */
  sendHeaders(stream: Stream, block: Buffer, endStream: boolean): void {
    if (!isLocalOpen(stream.state)) return;
    stream.worked = true; // whoever resets it now had an answer
    if (stream.queue.length > 0) {
      stream.trailers = block;
      return;
    }
    this.writeHeaders(stream.id, block, endStream ? Flag.END_STREAM : 0);
    if (endStream) this.endLocal(stream);
  }

  /** Sends `head` and `body` as one run of bytes. Both are the caller's again when this returns. */
  sendData(stream: Stream, head: Uint8Array, body: Uint8Array, endStream: boolean): void {
    if (!isLocalOpen(stream.state) || stream.trailers !== undefined || stream.endAfterQueue) return;
    const length = head.length + body.length;
    if (stream.queue.length > 0 || length > stream.sendWindow || length > this.window) {
      this.enqueue(stream, Buffer.concat([head, body], length), endStream);
      return;
    }
    stream.sendWindow -= length;
    this.window -= length;
    this.writeData(stream.id, head, body, endStream);
    if (endStream) this.endLocal(stream);
  }

  /** A DATA frame to be filled in the output; -1 if it must wait or does not fit one frame. */
  reserveData(stream: Stream, length: number): number {
    if (length > SEND_PAYLOAD_BYTES_MAX || length > stream.sendWindow || length > this.window) return -1;
    if (!isLocalOpen(stream.state) || stream.queue.length > 0) return -1;
    stream.sendWindow -= length;
    this.window -= length;
    return this.output.reserve(FrameType.DATA, 0, stream.id, length);
  }

  /** RFC 9113 section 6.4: the end of a stream at any time. */
  reset(stream: Stream, code: ErrorCode): void {
    if (stream.state === StreamState.closed) return;
    this.writeReset(stream.id, code);
    this.leave(stream, code, Closed.byUs);
  }

  /** Takes the stream out: nothing more is sent or received on it, and at the end of the turn its handler hears `code`. */
  leave(stream: Stream, code: ErrorCode, how: Closed): void {
    stream.state = StreamState.closed;
    stream.closeCode = code;
    this.queuedBytes -= stream.queuedBytes;
    stream.dropQueue();
    if (stream.isBlocked) this.blocked.splice(this.blocked.indexOf(stream), 1);
    stream.isBlocked = false;
    this.streams.remove(stream);
    this.closed.add(stream.id, how);
    this.leaving.push(stream);
  }

  writeReset(streamId: number, code: ErrorCode): void {
    const at = this.output.reserve(FrameType.RST_STREAM, 0, streamId, 4);
    this.output.putUint32(at, code);
  }

  /** RFC 9113 section 6.9: more window for all streams; false: it overflowed. */
  growWindow(bytes: number): boolean {
    if (bytes > WINDOW_BYTES_MAX - this.window) return false;
    this.window += bytes;
    const waiting = this.blocked;
    this.blocked = [];
    for (const stream of waiting) stream.isBlocked = false;
    for (const stream of waiting) this.sendQueue(stream);
    return true;
  }

  /** RFC 9113 section 6.9: more window for one stream; false: it overflowed. */
  growStreamWindow(stream: Stream, bytes: number): boolean {
    if (stream.sendWindow + bytes > WINDOW_BYTES_MAX) return false;
    stream.sendWindow += bytes;
    if (stream.queue.length > 0 && !stream.isBlocked) this.sendQueue(stream);
    return true;
  }

  /** New SETTINGS: every open stream's window moves by the difference (RFC 9113 section 6.9.2); false: it overflowed. */
  applySettings(settings: RemoteSettings): boolean {
    // RFC 7541 section 4.2: we have an empty table, but the peer's decoder wants to hear so once its own is smaller.
    if (settings.headerTableBytes < HEADER_TABLE_BYTES && !this.sizeUpdateSent) this.sizeUpdateDue = true;
    const change = settings.initialWindowBytes - this.initialWindow;
    this.initialWindow = settings.initialWindowBytes;
    if (change === 0) return true;
    for (const stream of this.streams.list()) if (!this.growStreamWindow(stream, change)) return false;
    return true;
  }

  private enqueue(stream: Stream, bytes: Buffer, endStream: boolean): void {
    stream.queue.push(bytes);
    stream.queuedBytes += bytes.length;
    this.queuedBytes += bytes.length;
    stream.endAfterQueue = endStream;
    if (!stream.isBlocked) this.sendQueue(stream);
  }

  private sendQueue(stream: Stream): void {
    while (stream.queue.length > 0) {
      const bytes = stream.queue[0] as Buffer;
      const length = Math.min(bytes.length, stream.sendWindow, this.window);
      if (length <= 0 && bytes.length > 0) {
        if (stream.sendWindow > 0) this.block(stream);
        return;
      }
      if (length === bytes.length) stream.queue.shift();
      else stream.queue[0] = bytes.subarray(length);
      stream.sendWindow -= length;
      this.window -= length;
      stream.queuedBytes -= length;
      this.queuedBytes -= length;
      const last = stream.queue.length === 0 && stream.endAfterQueue;
      this.writeData(stream.id, bytes.subarray(0, length), NO_BYTES, last);
    }
    if (stream.trailers !== undefined) this.writeHeaders(stream.id, stream.trailers, Flag.END_STREAM);
    if (stream.trailers !== undefined || stream.endAfterQueue) this.endLocal(stream);
  }

  private block(stream: Stream): void {
    stream.isBlocked = true;
    this.blocked.push(stream);
  }

  private endLocal(stream: Stream): void {
    stream.state = sendEnd(stream.state);
    if (stream.state === StreamState.closed) this.leave(stream, ErrorCode.NO_ERROR, Closed.byPeer);
    else if (stream.resetAfterEnd) this.reset(stream, ErrorCode.NO_ERROR);
  }

  private writeHeaders(streamId: number, block: Buffer, endFlag: number): void {
    let rest = block;
    if (this.sizeUpdateDue) {
      this.sizeUpdateDue = false;
      this.sizeUpdateSent = true;
      rest = Buffer.concat([TABLE_SIZE_ZERO, block]);
    }
    let type: number = FrameType.HEADERS;
    let flags = endFlag;
    do {
      const length = Math.min(rest.length, SEND_PAYLOAD_BYTES_MAX);
      const last = length === rest.length ? Flag.END_HEADERS : 0;
      const at = this.output.reserve(type, flags | last, streamId, length);
      copyBytes(rest, 0, length, this.output.chunk, at);
      if (last !== 0) return;
      rest = rest.subarray(length);
      type = FrameType.CONTINUATION; // RFC 9113 section 6.10
      flags = 0;
    } while (rest.length > 0);
  }

  private writeData(streamId: number, head: Uint8Array, body: Uint8Array, endStream: boolean): void {
    let left = head.length + body.length;
    let fromHead = head.length;
    let pos = 0;
    do {
      const length = Math.min(left, SEND_PAYLOAD_BYTES_MAX);
      left -= length;
      const flags = endStream && left === 0 ? Flag.END_STREAM : 0;
      const at = this.output.reserve(FrameType.DATA, flags, streamId, length);
      const chunk = this.output.chunk;
      // The head is a few bytes, or all there is.
      const headBytes = Math.min(fromHead, length);
      copyBytes(head, head.length - fromHead, head.length - fromHead + headBytes, chunk, at);
      fromHead -= headBytes;
      copyBytes(body, pos, pos + length - headBytes, chunk, at + headBytes);
      pos += length - headBytes;
    } while (left > 0);
  }
}

/** A loop beats the call into native code up to about this many bytes. */
const LOOP_BYTES_MAX = 48;

function copyBytes(from: Uint8Array, start: number, end: number, to: Buffer, at: number): void {
  const length = end - start;
  if (length > LOOP_BYTES_MAX) to.set(length === from.length ? from : from.subarray(start, end), at);
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i] as number;
}

const NO_BYTES = new Uint8Array(0);

/** RFC 7541 section 6.3: a table size update to 0. */
const TABLE_SIZE_ZERO = Buffer.from([0x20]);
