import { Closed, type ClosedStreams } from "./closed-streams.ts";
import { ErrorCode, Flag } from "./constants.ts";
import type { Faults } from "./faults.ts";
import { HeaderAssembly } from "./header-assembly.ts";
import { checkRequest, isMalformedTrailers } from "./header-checks.ts";
import type { HeaderList } from "./header-list.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import type { Http2Limits } from "./limits.ts";
import type { Sender } from "./sender.ts";
import { HEADER_TABLE_BYTES } from "./settings.ts";
import { isRemoteOpen, recvEnd, type Stream, type StreamHandler, StreamState } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

/** RFC 9113 section 10.5.1. */
const HEADERS_TOO_LARGE = encodeHeaders([":status", "431"]);

/** HEADERS and CONTINUATION (RFC 9113 sections 6.2, 6.10, 8.1): they open streams, and end them with trailers. */
export class Opener {
  /** The highest id the peer has used (RFC 9113 section 5.1.1). */
  lastStreamId = 0;
  /** After the last GOAWAY: streams above `lastStreamId` are ignored (RFC 9113 section 6.8). */
  refusing = false;
  readonly assembly: HeaderAssembly;
  private readonly decoder: HpackDecoder;
  private readonly limits: Http2Limits;
  private readonly streams: StreamTable;
  private readonly closed: ClosedStreams;
  private readonly sender: Sender;
  private readonly faults: Faults;
  private readonly accept: (stream: Stream, headers: HeaderList) => StreamHandler;

  constructor(
    limits: Http2Limits,
    streams: StreamTable,
    closed: ClosedStreams,
    sender: Sender,
    faults: Faults,
    accept: (stream: Stream, headers: HeaderList) => StreamHandler,
  ) {
    this.limits = limits;
    this.streams = streams;
    this.closed = closed;
    this.sender = sender;
    this.faults = faults;
    this.accept = accept;
    this.assembly = new HeaderAssembly(limits.headerBlockBytes, limits.continuations);
    this.decoder = new HpackDecoder(HEADER_TABLE_BYTES, limits.headerListBytes);
  }

  recvHeaders(flags: number, streamId: number, buf: Buffer, start: number, stop: number): void {
    let pos = start;
    let end = stop;
    if (streamId === 0 || (streamId & 1) === 0) {
      this.faults.connection(ErrorCode.PROTOCOL_ERROR, "HEADERS on a stream no client has"); // section 5.1.1
      return;
    }
    if ((flags & Flag.PADDED) !== 0) {
      end -= pos < end ? (buf[pos] as number) : 0;
      pos++;
    }
    if ((flags & Flag.PRIORITY) !== 0) {
      // RFC 7540 section 5.3.1, which RFC 9113 dropped with the rest of priorities: nobody honest depends on himself.
      if (pos + 5 <= end && (buf.readUInt32BE(pos) & 0x7fff_ffff) === streamId) {
        this.faults.connection(ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself");
        return;
      }
      pos += 5;
    }
    if (pos > end) {
      this.faults.connection(ErrorCode.PROTOCOL_ERROR, "HEADERS shorter than its padding"); // section 6.2
      return;
    }
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) {
      this.recvBlock(streamId, endStream, buf, pos, end);
      return;
    }
    this.assembly.begin(streamId, endStream);
    this.addFragment(buf, pos, end);
  }

  /** The caller has seen to it that `streamId` is the one whose block is open. */
  recvContinuation(flags: number, streamId: number, buf: Buffer, pos: number, end: number): void {
    if (!this.addFragment(buf, pos, end) || (flags & Flag.END_HEADERS) === 0) return;
    const block = this.assembly.take();
    this.recvBlock(streamId, this.assembly.endStream, block, 0, block.length);
  }

  private addFragment(buf: Buffer, pos: number, end: number): boolean {
    const fits = this.assembly.add(buf, pos, end);
    if (!fits) this.faults.connection(ErrorCode.ENHANCE_YOUR_CALM, "a header block of too many bytes or frames");
    return fits;
  }

  private recvBlock(streamId: number, endStream: boolean, buf: Buffer, pos: number, end: number): void {
    // Whatever becomes of the stream, its block is decoded: the table is the connection's (RFC 9113 section 4.3).
    const headers = this.decoder.decode(buf, pos, end);
    if (headers === undefined) this.faults.connection(ErrorCode.COMPRESSION_ERROR, "a header block that is no HPACK");
    else if (streamId <= this.lastStreamId) this.recvTrailers(streamId, endStream, headers);
    else if (!this.refusing) this.recvRequest(streamId, endStream, headers);
  }

  private recvRequest(streamId: number, endStream: boolean, headers: HeaderList): void {
    this.lastStreamId = streamId;
    if (this.streams.active >= this.limits.concurrentStreams) {
      this.faults.absentStream(streamId, ErrorCode.REFUSED_STREAM); // section 5.1.2: may be tried again
      return;
    }
    const check = checkRequest(headers);
    if (check.malformed && !headers.tooLarge) {
      this.faults.absentStream(streamId, ErrorCode.PROTOCOL_ERROR); // section 8.1.1
      return;
    }
    const stream = this.streams.add(streamId, this.sender.initialWindow, this.limits.streamWindowBytes);
    if (endStream) stream.state = StreamState.halfClosedRemote;
    if (headers.tooLarge) {
      this.sender.sendHeaders(stream, HEADERS_TOO_LARGE, true);
      if (stream.state !== StreamState.closed) this.sender.reset(stream, ErrorCode.NO_ERROR);
      return;
    }
    stream.promised = check.contentLength;
    if (endStream && check.contentLength > 0) {
      this.faults.stream(stream, ErrorCode.PROTOCOL_ERROR); // section 8.1.1
      return;
    }
    stream.handler = this.accept(stream, headers);
    if (endStream && stream.state !== StreamState.closed) stream.handler.recvEnd();
  }

  private recvTrailers(streamId: number, endStream: boolean, headers: HeaderList): void {
    const stream = this.streams.find(streamId);
    if (stream === undefined) {
      this.recvLate(streamId);
    } else if (!isRemoteOpen(stream.state)) {
      this.faults.stream(stream, ErrorCode.STREAM_CLOSED); // section 5.1, half-closed (remote)
    } else if (!endStream || stream.promised > 0 || headers.tooLarge || isMalformedTrailers(headers)) {
      this.faults.stream(stream, ErrorCode.PROTOCOL_ERROR); // sections 8.1 and 8.1.1
    } else {
      this.endRemote(stream);
    }
  }

  private recvLate(streamId: number): void {
    const how = this.closed.find(streamId);
    if (how === Closed.byUs) this.faults.countIdleFrame();
    else if (how === Closed.byPeer) this.faults.connection(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream");
    else this.faults.connection(ErrorCode.PROTOCOL_ERROR, "a stream id lower than one before"); // section 5.1.1
  }

  /** END_STREAM came. */
  endRemote(stream: Stream): void {
    const state = recvEnd(stream.state);
    if (state === StreamState.closed) this.sender.leave(stream, ErrorCode.NO_ERROR, Closed.byPeer);
    else stream.state = state;
    stream.handler.recvEnd();
  }
}
