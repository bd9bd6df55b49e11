// Protobuf's wire format, read in place (protobuf.dev/programming-guides/encoding). The bytes come from a peer, so
// every step is checked against the view it reads, and nothing throws: the first thing that is wrong sets `failed` and
// moves to the end, where every loop over fields stops by itself. Whoever started the reading looks at `failed` once.

/**
 * What one message may hold of small things: two for each header (itself and its name), two or three for each entry of
 * a Struct. Two bytes on the wire make an object here, so without a bound 16 MiB would grow to gigabytes. 10,000 headers
 * are a hundred times what Envoy takes by default.
 */
const ITEMS_MAX = 20_000;

/** A varint carries 64 bits at most, in ten bytes; an eleventh is an attack or an accident. */
const VARINT_BYTES_MAX = 10;

export class Reader {
  readonly bytes: Buffer;
  readonly limit: number;
  pos = 0;
  failed = false;
  private itemsLeft = ITEMS_MAX;

  constructor(bytes: Uint8Array) {
    // A Buffer reads strings natively. The same memory, so views into it are views into what was received.
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.limit = bytes.length;
  }

  fail(): void {
    this.failed = true;
    this.pos = this.limit;
  }

  /** A field's number and wire type; 0 once failed, which no message knows. */
  tag(): number {
    return this.uint32();
  }

  /** A varint of 32 bits at most: tags and lengths. More is wrong, not something to be cut off. */
  uint32(): number {
    if (this.pos < this.limit) {
      const byte = this.bytes[this.pos] as number;
      if (byte < 0x80) {
        this.pos++;
        return byte;
      }
    }
    return this.longVarint(false);
  }

  /** The low 32 bits of any varint: what enums and small integers are, negative ones too, which take ten bytes. */
  int32(): number {
    return this.longVarint(true) | 0;
  }

  bool(): boolean {
    return this.int32() !== 0;
  }

  double(): number {
    const start = this.pos;
    this.advance(8);
    return this.failed ? 0 : this.bytes.readDoubleLE(start);
  }

  /** The end of the length-delimited field that begins here; never behind the view. */
  fieldEnd(): number {
    const length = this.uint32();
    const end = this.pos + length; // below 2^33: numbers are exact here
    if (end <= this.limit) return end;
    this.fail();
    return this.limit;
  }

  /** After a message's fields: the last one must end where the message does, not inside what follows it. */
  close(end: number): void {
    if (this.pos !== end) this.fail();
  }

  /** One char per byte. Moves nothing, nor does utf8Between. */
  latin1Between(start: number, end: number): string {
    return start < end ? this.bytes.toString("latin1", start, end) : "";
  }

  utf8Between(start: number, end: number): string {
    return start < end ? this.bytes.toString("utf8", start, end) : "";
  }

  utf8(): string {
    this.countItem();
    const end = this.fieldEnd();
    const start = this.pos;
    this.pos = end;
    return this.utf8Between(start, end);
  }

  /** A view, not a copy. */
  view(): Uint8Array {
    const end = this.fieldEnd();
    const start = this.pos;
    this.pos = end;
    return this.bytes.subarray(start, end);
  }

  /** For each header, value or string of its own, before it is made. */
  countItem(): void {
    if (--this.itemsLeft < 0) this.fail();
  }

  /**
   * Passes over a field. `known` has a bit for each field number that the message does know: such a field got here
   * because its wire type is wrong. Groups are gone from proto3 and would nest without end: wrong as well.
   */
  skip(tag: number, known: number): void {
    const field = tag >>> 3;
    if (field === 0 || (field < 32 && ((known >>> field) & 1) === 1)) {
      this.fail();
      return;
    }
    switch (tag & 7) {
      case 0:
        this.int32();
        break;
      case 1:
        this.advance(8);
        break;
      case 2:
        this.pos = this.fieldEnd();
        break;
      case 5:
        this.advance(4);
        break;
      default:
        this.fail();
    }
  }

  private advance(bytes: number): void {
    if (this.pos + bytes <= this.limit) this.pos += bytes;
    else this.fail();
  }

  private longVarint(isLong: boolean): number {
    let value = 0;
    for (let i = 0; i < VARINT_BYTES_MAX && this.pos < this.limit; i++) {
      const byte = this.bytes[this.pos++] as number;
      const bits = byte & 0x7f;
      if (i < 5) value |= bits << (7 * i);
      if (!isLong && (i > 4 || (i === 4 && bits > 0x0f)) && bits !== 0) break;
      if (i === VARINT_BYTES_MAX - 1 && byte > 1) break; // bits beyond the 64th
      if (byte < 0x80) return value >>> 0;
    }
    this.fail();
    return 0;
  }
}
