import { HeaderList } from "./header-list.ts";
import { DynamicTable, ENTRY_OVERHEAD_BYTES } from "./hpack-dynamic.ts";
import { BITS_PER_CHAR_MIN, decodeHuffman } from "./hpack-huffman.ts";
import { STATIC_ENTRIES, STATIC_TABLE } from "./hpack-static.ts";

// HPACK decoding (RFC 7541). Envoy sends the same 46 bytes for every request of a route once its table is warm
// (facts 20.3), so blocks are remembered: a block that changed nothing in the table gives the same list as long as
// the table is the same: 55 ns for the 48-byte block of test/fixtures/http2/envoy-reset.bin, 360 ns decoded anew.

/** Blocks remembered per connection: one for each route that takes turns on it. */
const MEMORY_SLOTS = 8;
/** Longer ones are rare, and comparing them costs as much as decoding. */
const MEMORY_BLOCK_BYTES_MAX = 256;

/** RFC 7541 section 5.1: integers end here. Larger ones have no use, and five bytes more would leave 32 bits. */
const INTEGER_SHIFT_MAX = 21;

type Remembered = { block: Buffer; version: number; list: HeaderList | undefined };

export class HpackDecoder {
  private readonly table: DynamicTable;
  private readonly tableBytesMax: number;
  private readonly listBytesMax: number;
  private readonly memory: Remembered[] = [];

  // The block being decoded.
  private buf: Buffer = NO_BLOCK;
  private pos = 0;
  private end = 0;
  private failed = false;
  private fields: string[] = [];
  private listBytes = 0;

  /** Both as announced: SETTINGS_HEADER_TABLE_SIZE and SETTINGS_MAX_HEADER_LIST_SIZE. */
  constructor(tableBytesMax: number, listBytesMax: number) {
    this.tableBytesMax = tableBytesMax;
    this.listBytesMax = listBytesMax;
    this.table = new DynamicTable(tableBytesMax);
    for (let i = 0; i < MEMORY_SLOTS; i++) this.memory.push({ block: NO_BLOCK, version: -1, list: undefined });
  }

  /**
   * Decodes one whole block; undefined is COMPRESSION_ERROR, after which the connection cannot go on (RFC 9113 section
   * 4.3). A list over the limit is decoded to its end all the same, so that the table stays in step, but not kept:
   * a block can name one large entry a thousand times ("HPACK bomb", CVE-2016-6581).
   */
  decode(buf: Buffer, pos: number, end: number): HeaderList | undefined {
    const slot = this.memory[slotOf(buf, pos, end)] as Remembered;
    if (slot.version === this.table.version && isSame(slot.block, buf, pos, end)) return slot.list;
    const version = this.table.version;
    const list = this.decodeAnew(buf, pos, end);
    if (list !== undefined && version === this.table.version && end - pos <= MEMORY_BLOCK_BYTES_MAX) {
      slot.block = Buffer.from(buf.subarray(pos, end));
      slot.version = version;
      slot.list = list;
    }
    return list;
  }

  private decodeAnew(buf: Buffer, pos: number, end: number): HeaderList | undefined {
    this.buf = buf;
    this.pos = pos;
    this.end = end;
    this.failed = false;
    this.fields = [];
    this.listBytes = 0;
    this.readSizeUpdates();
    while (this.pos < this.end && !this.failed) this.readField();
    this.buf = NO_BLOCK; // holds no read buffer alive
    return this.failed ? undefined : new HeaderList(this.fields, this.listBytes > this.listBytesMax);
  }

  /** RFC 7541 section 4.2: only at the beginning, and two are enough: the smallest size and the final one. */
  private readSizeUpdates(): void {
    for (let updates = 0; this.pos < this.end && ((this.buf[this.pos] as number) & 0xe0) === 0x20; updates++) {
      const bytes = this.readInteger(5);
      if (updates === 2 || bytes > this.tableBytesMax) this.failed = true; // RFC 7541 section 6.3
      if (this.failed) return;
      this.table.resize(bytes);
    }
  }

  private readField(): void {
    const first = this.buf[this.pos] as number;
    if (first >= 0x80)
      this.readIndexed(); // RFC 7541 section 6.1
    else if (first >= 0x40)
      this.readLiteral(6, true); // section 6.2.1: with incremental indexing
    else if (first < 0x20)
      this.readLiteral(4, false); // sections 6.2.2 and 6.2.3: without, and never indexed
    else this.failed = true; // section 4.2: a size update after a field
  }

  private readIndexed(): void {
    const index = this.readInteger(7);
    if (index < 1 || index > STATIC_ENTRIES + this.table.entries) {
      this.failed = true;
      return;
    }
    this.keep(this.nameAt(index), this.valueAt(index));
  }

  private readLiteral(prefixBits: number, indexed: boolean): void {
    const index = this.readInteger(prefixBits);
    if (index < 0 || index > STATIC_ENTRIES + this.table.entries) {
      this.failed = true;
      return;
    }
    const name = index === 0 ? this.readString() : this.nameAt(index);
    const value = this.readString();
    if (this.failed) return;
    if (indexed) this.table.add(name, value);
    this.keep(name, value);
  }

  private nameAt(index: number): string {
    if (index <= STATIC_ENTRIES) return STATIC_TABLE[index * 2 - 2] as string;
    return this.table.name(index - STATIC_ENTRIES - 1);
  }

  private valueAt(index: number): string {
    if (index <= STATIC_ENTRIES) return STATIC_TABLE[index * 2 - 1] as string;
    return this.table.value(index - STATIC_ENTRIES - 1);
  }

  private keep(name: string, value: string): void {
    this.listBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES; // RFC 9113 section 6.5.2
    if (this.listBytes <= this.listBytesMax) this.fields.push(name, value);
  }

  /** RFC 7541 section 5.1; -1 and `failed` when it is cut off or too large. */
  private readInteger(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.buf[this.pos++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= INTEGER_SHIFT_MAX; shift += 7) {
      if (this.pos === this.end) break;
      const byte = this.buf[this.pos++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    this.failed = true;
    return -1;
  }

  /** RFC 7541 section 5.2. */
  private readString(): string {
    if (this.failed || this.pos === this.end) {
      this.failed = true;
      return "";
    }
    const huffman = (this.buf[this.pos] as number) >= 0x80;
    const length = this.readInteger(7);
    if (this.failed || length > this.end - this.pos) {
      this.failed = true;
      return "";
    }
    const from = this.pos;
    this.pos += length;
    return huffman ? this.readHuffman(from, this.pos) : this.buf.toString("latin1", from, this.pos);
  }

  private readHuffman(from: number, to: number): string {
    const bytesMax = Math.floor(((to - from) * 8) / BITS_PER_CHAR_MIN);
    const out = bytesMax <= TEXT.length ? TEXT : Buffer.allocUnsafeSlow(bytesMax); // bounded by the block
    const length = decodeHuffman(this.buf, from, to, out);
    if (length < 0) {
      this.failed = true;
      return "";
    }
    return out.toString("latin1", 0, length);
  }
}

/** Where Huffman codes become text; used up within a call. */
const TEXT = Buffer.allocUnsafeSlow(16 * 1024);

const NO_BLOCK = Buffer.alloc(0);

/** The last bytes of a block are those that differ: Envoy writes what is its own first. */
function slotOf(buf: Buffer, pos: number, end: number): number {
  return ((end - pos) ^ (end > pos ? (buf[end - 1] as number) : 0)) & (MEMORY_SLOTS - 1);
}

function isSame(block: Buffer, buf: Buffer, pos: number, end: number): boolean {
  if (block.length !== end - pos || block.length === 0) return false;
  for (let i = 0; i < block.length; i++) if (block[i] !== buf[pos + i]) return false;
  return true;
}
