// Length-prefixed messages (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"): one byte of flags, four of length, content.
// DATA frames know nothing of them: a frame may hold several, or one may take many frames.

import type { Memory } from "../transport.ts";

export const PREFIX_BYTES = 5;

/** First memory for a message that comes in pieces; it grows with what has come, never with what was promised. */
const FIRST_BYTES = 64 * 1024;
const GROWTH = 4;

/** Memory for messages in the making, of all calls of a connection together, out of the process's where that is given. */
export class AssemblyBudget {
  leftBytes: number;
  private readonly memory: Memory | undefined;

  constructor(bytes: number, memory?: Memory) {
    this.leftBytes = bytes;
    this.memory = memory;
  }

  tryTake(bytes: number): boolean {
    if (bytes > this.leftBytes || this.memory?.tryTake(bytes) === false) return false;
    this.leftBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.leftBytes += bytes;
    this.memory?.give(bytes);
  }
}

/** What is wrong with what was read. */
export const Fault = { none: 0, compressed: 1, tooLarge: 2, noMemory: 3 } as const;
export type Fault = (typeof Fault)[keyof typeof Fault];

/** Takes bytes as they come and gives out messages: views where one lies in one piece, else one copy. */
export class EnvelopeReader {
  fault: Fault = Fault.none;
  private readonly messageBytesMax: number;
  private readonly budget: AssemblyBudget;
  /** Bytes of the prefix that have come; all of them: a message is open. */
  private prefixBytes = 0;
  private compressed = 0;
  private length = 0;
  private parts: Buffer | undefined = undefined;
  private filled = 0;
  /** Where the last `next` stopped reading. */
  private pos = 0;

  constructor(messageBytesMax: number, budget: AssemblyBudget) {
    this.messageBytesMax = messageBytesMax;
    this.budget = budget;
  }

  /** Between messages. */
  get isIdle(): boolean {
    return this.prefixBytes === 0;
  }

  /** New bytes: `next` is to be called until it returns undefined. */
  begin(pos: number): void {
    this.pos = pos;
  }

  /** The next message in `buf[.., end)`; undefined: it is not complete, or `fault`. */
  next(buf: Buffer, end: number): Buffer | undefined {
    if (this.prefixBytes < PREFIX_BYTES && !this.readPrefix(buf, end)) return undefined;
    if (this.parts === undefined && end - this.pos >= this.length) {
      const message = buf.subarray(this.pos, this.pos + this.length);
      this.pos += this.length;
      this.prefixBytes = 0;
      return message;
    }
    // A read often ends behind the prefix: then the message may still come in one piece.
    return this.pos === end ? undefined : this.collect(buf, end);
  }

  /** Gives the memory back. */
  clear(): void {
    if (this.parts !== undefined) this.budget.give(this.parts.length);
    this.parts = undefined;
  }

  private readPrefix(buf: Buffer, end: number): boolean {
    while (this.prefixBytes < PREFIX_BYTES) {
      if (this.pos === end) return false;
      const byte = buf[this.pos++] as number;
      if (this.prefixBytes++ === 0) this.compressed = byte;
      else this.length = this.length * 0x100 + byte;
      if (this.prefixBytes === 1) this.length = 0;
    }
    if (this.compressed !== 0) this.fault = Fault.compressed;
    else if (this.length > this.messageBytesMax) this.fault = Fault.tooLarge;
    return this.fault === Fault.none;
  }

  private collect(buf: Buffer, end: number): Buffer | undefined {
    const bytes = Math.min(end - this.pos, this.length - this.filled);
    if (!this.makeRoom(this.filled + bytes)) return undefined;
    const parts = this.parts as Buffer; // makeRoom
    buf.copy(parts, this.filled, this.pos, this.pos + bytes);
    this.pos += bytes;
    this.filled += bytes;
    if (this.filled < this.length) return undefined;
    const message = parts.subarray(0, this.length);
    this.clear();
    this.filled = 0;
    this.prefixBytes = 0;
    return message;
  }

  private makeRoom(bytes: number): boolean {
    const before = this.parts?.length ?? 0;
    if (before >= bytes && this.parts !== undefined) return true;
    const size = Math.min(this.length, Math.max(FIRST_BYTES, before * GROWTH, bytes));
    if (!this.budget.tryTake(size - before)) {
      this.fault = Fault.noMemory;
      return false;
    }
    const grown = Buffer.allocUnsafe(size);
    this.parts?.copy(grown, 0, 0, this.filled);
    this.parts = grown;
    return true;
  }
}
