import type { Duplex } from "node:stream";
import { Closed, ClosedStreams } from "./closed-streams.ts";
import { ErrorCode, FrameType, STREAM_ID_MAX } from "./constants.ts";
import { Control } from "./control.ts";
import { Faults } from "./faults.ts";
import { FrameOrder } from "./frame-order.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import type { HeaderList } from "./header-list.ts";
import type { Http2Limits } from "./limits.ts";
import { Opener } from "./opener.ts";
import { Output } from "./output.ts";
import { PeerWatch } from "./peer-watch.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";
import type { Stream, StreamHandler } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

// One HTTP/2 connection, server side, over any duplex (RFC 9113). Everything that arrives in one read is handled before
// anything is written, and what it caused is written at once:
//
//   socket 'data' ─▶ FrameReader ─▶ Opener (HEADERS) ─▶ accept, recvEnd  ─┐
//                        │      ╲─▶ Receiver (DATA …) ─▶ recvData, recvEnd ├─▶ sendHeaders, sendData … ─▶ Output
//                        ╰─▶ SETTINGS, PING, GOAWAY: here                  ┘                                │
//   socket.write ◀────────────────────────────── settle: handlers hear `closed`, errors become GOAWAY ◀─────╯
//
// An answer that comes later than the read it belongs to is written at the end of its own turn of the event loop, by
// setImmediate: it also catches what promises still answer. After a read nothing is gained by waiting (npm run bench
// --quick: 19 µs of CPU a request; all writes by setImmediate 21-23, by nextTick 28).

/** The layer above. Neither may throw. */
export type Http2Handler = {
  /** A new stream; what this returns hears the rest. `headers` may be kept, not changed. */
  accept(connection: Connection, stream: Stream, headers: HeaderList): StreamHandler;
  /** The connection is gone, after all its streams. */
  closed(connection: Connection): void;
};

/** open ─▶ leaving (GOAWAY 2^31-1) ─▶ left (GOAWAY last id) ─▶ closing (FIN; input is dropped) ─▶ closed */
const Phase = { open: 0, leaving: 1, left: 2, closing: 3, closed: 4 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** How long a connection we have ended may take to go; then it is cut. */
const CLOSING_TICKS_MAX = 2;

export class Connection implements FrameSink {
  private readonly socket: Duplex;
  private readonly handler: Http2Handler;
  private readonly limits: Http2Limits;
  private readonly reader: FrameReader;
  private readonly output: Output;
  private readonly streams = new StreamTable();
  private readonly sender: Sender;
  private readonly faults: Faults;
  private readonly opener: Opener;
  private readonly receiver: Receiver;
  private readonly watch: PeerWatch;
  private readonly control: Control;
  private phase: Phase = Phase.open;
  private readonly order: FrameOrder;
  private reading = false;
  private turnScheduled = false;
  private closingTicks = 0;
  private readonly endTurn = (): void => {
    this.turnScheduled = false;
    this.settle();
  };

  constructor(socket: Duplex, handler: Http2Handler, limits: Http2Limits) {
    this.socket = socket;
    this.handler = handler;
    this.limits = limits;
    const closed = new ClosedStreams();
    this.reader = new FrameReader(this);
    this.output = new Output(socket);
    this.sender = new Sender(this.output, this.streams, closed);
    this.faults = new Faults(limits, this.sender, closed, () => this.reader.stop());
    const accept = (stream: Stream, headers: HeaderList) => handler.accept(this, stream, headers);
    this.opener = new Opener(limits, this.streams, closed, this.sender, this.faults, accept);
    this.receiver = new Receiver(limits, this.streams, closed, this.opener, this.sender, this.faults, this.output);
    this.order = new FrameOrder(this.opener.assembly, this.faults);
    this.watch = new PeerWatch(limits);
    this.control = new Control(this.sender, this.faults, this.output, this.watch);
    socket.on("data", (bytes: Buffer) => this.read(bytes));
    socket.on("drain", () => socket.resume());
    socket.on("error", () => {}); // 'close' follows, and whoever it was is gone
    socket.on("end", () => socket.end()); // nobody can ask us for more
    socket.on("close", () => this.socketClosed());
    this.control.sendSettings(limits);
    this.receiver.openWindow();
    this.output.flush();
  }

  /** Streams that are open now. */
  get streamsActive(): number {
    return this.streams.active;
  }

  /** Bytes that wait for the peer's windows. */
  get queuedBytes(): number {
    return this.sender.queuedBytes;
  }

  // --- for the layer above. A stream may be given here until its handler's `closed` returns; late calls do nothing. -----

  /** `block` is made by `encodeHeaders`. */
  sendHeaders(stream: Stream, block: Buffer, endStream: boolean): void {
    this.sender.sendHeaders(stream, block, endStream);
    this.schedule();
  }

  /** Sends `head` and `body` as one run of bytes; both are the caller's again when this returns. */
  sendData(stream: Stream, head: Uint8Array, body: Uint8Array, endStream: boolean): void {
    this.sender.sendData(stream, head, body, endStream);
    this.faults.countUsefulFrame(); // the peer's WINDOW_UPDATE for it is no idle frame
    if (this.sender.queuedBytes > this.limits.queuedBytes) {
      this.faults.connection(ErrorCode.ENHANCE_YOUR_CALM, "answers are not read");
    }
    this.schedule();
  }

  /** Room for one DATA frame of `length` bytes, to be filled in `buffer` before anything else is sent; -1: not now. */
  reserveData(stream: Stream, length: number): number {
    const at = this.sender.reserveData(stream, length);
    if (at >= 0) this.faults.countUsefulFrame();
    this.schedule();
    return at;
  }

  get buffer(): Buffer {
    return this.output.chunk;
  }

  /** Ends the stream at once; what waits for window is lost. */
  reset(stream: Stream, code: ErrorCode): void {
    this.sender.reset(stream, code);
    this.schedule();
  }

  // --- for the owner ----------------------------------------------------------------------------------------------------

  /**
   * Leaves without losing a stream (RFC 9113 section 6.8): GOAWAY with the highest id, a PING; once it is answered
   * every stream the peer opened before it knew has arrived, and GOAWAY names the last. Closes after that one.
   */
  drain(): void {
    if (this.phase !== Phase.open) return;
    this.phase = Phase.leaving;
    this.control.sendGoaway(STREAM_ID_MAX, ErrorCode.NO_ERROR, "");
    this.control.sendPing(this.watch.beginDrain());
    this.schedule();
  }

  /** Cuts every stream and the connection, now. */
  destroy(): void {
    this.reader.stop();
    this.socket.destroy();
  }

  /** To be called about once a second: timeouts are this coarse. */
  tick(nowMs: number): void {
    if (this.phase === Phase.closed) return;
    if (this.phase === Phase.closing) {
      if (++this.closingTicks > CLOSING_TICKS_MAX) this.destroy();
      return;
    }
    const verdict = this.watch.tick(nowMs, this.order.settled, this.output.unwrittenBytes, this.output.handedBytes);
    if (verdict === "lost") this.destroy();
    else if (verdict === "noPreface")
      this.faults.connection(ErrorCode.SETTINGS_TIMEOUT, "no preface and SETTINGS in time");
    else if (verdict === "drained") this.finishDrain();
    else if (verdict === "quiet") this.control.sendPing(this.watch.beginPing(nowMs));
    this.settle();
  }

  // --- what comes in ----------------------------------------------------------------------------------------------------

  private read(bytes: Buffer): void {
    this.watch.heard = true;
    if (this.phase >= Phase.closing) return; // what still comes after our GOAWAY with an error
    this.reading = true;
    this.reader.read(bytes, this.order.readPreface(bytes));
    this.reading = false;
    this.settle();
  }

  recvDataHead(flags: number, streamId: number, length: number): void {
    if (this.order.isWrong(FrameType.DATA, 0, streamId)) return;
    this.receiver.recvDataHead(flags, streamId, length);
  }

  recvDataBytes(buf: Buffer, pos: number, end: number): void {
    this.receiver.recvDataBytes(buf, pos, end);
  }

  recvDataEnd(): void {
    this.receiver.recvDataEnd();
  }

  frameError(code: ErrorCode, why: string): void {
    this.faults.connection(code, why);
  }

  recvFrame(type: number, flags: number, streamId: number, buf: Buffer, pos: number, end: number): void {
    if (this.order.isWrong(type, flags, streamId)) return;
    switch (type) {
      case FrameType.HEADERS:
        this.opener.recvHeaders(flags, streamId, buf, pos, end);
        break;
      case FrameType.CONTINUATION:
        this.opener.recvContinuation(flags, streamId, buf, pos, end);
        break;
      case FrameType.RST_STREAM:
        // An error code we do not know is as good as INTERNAL_ERROR (RFC 9113 section 7): nobody above tells them apart.
        if (end - pos !== 4) this.faults.wrongSize("RST_STREAM");
        else this.receiver.recvReset(streamId, buf.readUInt32BE(pos) as ErrorCode);
        break;
      case FrameType.WINDOW_UPDATE:
        if (end - pos !== 4) this.faults.wrongSize("WINDOW_UPDATE");
        else this.receiver.recvWindowUpdate(streamId, buf.readUInt32BE(pos) & 0x7fff_ffff);
        break;
      case FrameType.SETTINGS:
        this.control.recvSettings(flags, streamId, buf, pos, end);
        break;
      case FrameType.PING:
        if (this.control.recvPing(flags, streamId, buf, pos, end)) this.finishDrain();
        break;
      case FrameType.GOAWAY:
        this.control.recvGoaway(streamId, end - pos);
        break;
      case FrameType.PRIORITY:
        this.control.recvPriority(streamId, buf, pos, end);
        break;
      case FrameType.PUSH_PROMISE:
        this.faults.connection(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client"); // section 8.4
        break;
      default:
        this.faults.countIdleFrame(); // section 5.5: unknown types are ignored
    }
  }

  // --- the end of a turn --------------------------------------------------------------------------------------------

  private schedule(): void {
    if (this.reading || this.turnScheduled) return;
    this.turnScheduled = true;
    setImmediate(this.endTurn);
  }

  private settle(): void {
    if (this.phase === Phase.closed) return;
    this.tellLeaving();
    if (this.phase < Phase.closing) {
      if (this.faults.code !== undefined) this.cut(this.faults.code);
      else if (this.phase === Phase.left && this.streams.active === 0) this.phase = Phase.closing;
    }
    this.output.flush();
    if (this.phase === Phase.closing) this.endSocket();
    else if (this.output.unwrittenBytes > this.limits.unreadBytes && this.socket.writableNeedDrain) this.socket.pause();
  }

  /** FIN. Input is read on and dropped: closing with bytes unread makes TCP throw our last words away. */
  private endSocket(): void {
    this.socket.resume();
    this.socket.end();
  }

  private tellLeaving(): void {
    const { leaving } = this.sender;
    for (let i = 0; i < leaving.length; i++) {
      const stream = leaving[i] as Stream;
      stream.handler.closed(stream.closeCode);
      this.streams.release(stream);
    }
    leaving.length = 0;
  }

  /** RFC 9113 section 5.4.1. */
  private cut(code: ErrorCode): void {
    this.phase = Phase.closing;
    this.control.sendGoaway(this.opener.lastStreamId, code, this.faults.why);
    this.cutStreams(code);
  }

  private cutStreams(code: ErrorCode): void {
    for (const stream of this.streams.list()) this.sender.leave(stream, code, Closed.byUs);
    this.tellLeaving();
  }

  private finishDrain(): void {
    this.watch.endDrain();
    if (this.phase !== Phase.leaving) return;
    this.phase = Phase.left;
    this.opener.refusing = true;
    this.control.sendGoaway(this.opener.lastStreamId, ErrorCode.NO_ERROR, "");
  }

  private socketClosed(): void {
    if (this.phase === Phase.closed) return;
    this.phase = Phase.closed;
    this.reader.stop();
    this.cutStreams(ErrorCode.CANCEL);
    this.handler.closed(this);
  }
}
