// A header block in several frames (RFC 9113 section 6.10): HEADERS, CONTINUATION, CONTINUATION…

/** Puts blocks together that do not end with their HEADERS frame. */
export class HeaderAssembly {
  /** The stream whose block is open: nothing but its CONTINUATION may follow. 0: none. */
  streamId = 0;
  endStream = false;
  private parts: Buffer[] = [];
  private bytes = 0;
  private readonly bytesMax: number;
  private readonly partsMax: number;

  constructor(bytesMax: number, continuationsMax: number) {
    this.bytesMax = bytesMax;
    this.partsMax = continuationsMax + 1;
  }

  begin(streamId: number, endStream: boolean): void {
    this.streamId = streamId;
    this.endStream = endStream;
  }

  /** Keeps a copy of a fragment; false: too many or too much. */
  add(buf: Buffer, pos: number, end: number): boolean {
    this.bytes += end - pos;
    if (this.bytes > this.bytesMax || this.parts.length === this.partsMax) return false;
    this.parts.push(Buffer.from(buf.subarray(pos, end)));
    return true;
  }

  /** The whole block; the assembly is empty again. */
  take(): Buffer {
    const block = Buffer.concat(this.parts, this.bytes);
    this.streamId = 0;
    this.parts = [];
    this.bytes = 0;
    return block;
  }
}
