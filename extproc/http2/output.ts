import type { Duplex } from "node:stream";
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX } from "./constants.ts";

/** Holds dozens of answers, or three DATA frames of the largest size. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Chunks of large answers that the kernel has taken, for the next ones of whatever connection: new memory for each would
 * have V8 collect all garbage, which holds up everybody for ten milliseconds, a few times for every ten megabytes.
 */
const spare: Buffer[] = [];
const SPARE_MAX = 64;

function takeChunk(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
}

function giveBack(chunks: readonly Buffer[]): void {
  for (const chunk of chunks) if (spare.length < SPARE_MAX) spare.push(chunk);
}

/**
 * Collects frames and writes them at once: one write per turn of the event loop, however many answers there are. Who
 * appends must see to it that `flush` follows in the same turn.
 *
 *   const at = output.reserve(type, flags, streamId, length);   // writes the frame's head
 *   output.chunk[at] = …                                        // exactly `length` bytes
 */
export class Output {
  /** Where frames are written now. Valid until the next `reserve` or `flush`. */
  chunk: Buffer;
  /** Given to the socket so far. */
  handedBytes = 0;
  private used = 0;
  private full: Full[] = [];
  private readonly socket: Duplex;

  constructor(socket: Duplex) {
    this.socket = socket;
    this.chunk = takeChunk();
  }

  /** Given to the socket and not taken by the kernel yet. */
  get unwrittenBytes(): number {
    return this.socket.writableLength;
  }

  /** Writes the head of a frame (RFC 9113 section 4.1); returns where in `chunk` its `length` payload bytes go. */
  reserve(type: number, flags: number, streamId: number, length: number): number {
    if (this.used + FRAME_HEADER_BYTES + length > CHUNK_BYTES) this.nextChunk();
    const chunk = this.chunk;
    const at = this.used;
    chunk[at] = length >>> 16;
    chunk[at + 1] = length >>> 8;
    chunk[at + 2] = length;
    chunk[at + 3] = type;
    chunk[at + 4] = flags;
    chunk[at + 5] = streamId >>> 24;
    chunk[at + 6] = streamId >>> 16;
    chunk[at + 7] = streamId >>> 8;
    chunk[at + 8] = streamId;
    this.used = at + FRAME_HEADER_BYTES + length;
    return at + FRAME_HEADER_BYTES;
  }

  putUint32(at: number, value: number): void {
    const chunk = this.chunk;
    chunk[at] = value >>> 24;
    chunk[at + 1] = value >>> 16;
    chunk[at + 2] = value >>> 8;
    chunk[at + 3] = value;
  }

  /** Hands everything to the socket, in one system call. */
  flush(): void {
    if (this.full.length > 0) {
      this.flushMany();
      return;
    }
    if (this.used === 0) return;
    const frames = this.chunk.subarray(0, this.used);
    this.handedBytes += this.used;
    this.used = 0;
    this.socket.write(frames);
    // What the kernel took at once leaves the chunk free; what it did not is still being read from it.
    if (this.socket.writableLength > 0) this.chunk = takeChunk();
  }

  private flushMany(): void {
    this.nextChunk();
    const { full, socket } = this;
    this.full = [];
    const taken = () => giveBack(full.map(({ chunk }) => chunk));
    socket.cork(); // one writev
    for (const [i, { chunk, used }] of full.entries()) {
      this.handedBytes += used;
      socket.write(chunk.subarray(0, used), i === full.length - 1 ? taken : undefined);
    }
    socket.uncork();
  }

  private nextChunk(): void {
    this.full.push({ chunk: this.chunk, used: this.used });
    this.chunk = takeChunk();
    this.used = 0;
  }
}

type Full = { chunk: Buffer; used: number };

/** Every frame we send fits a chunk: the reservation above relies on it. */
export const SEND_PAYLOAD_BYTES_MAX = FRAME_PAYLOAD_BYTES_MAX;
