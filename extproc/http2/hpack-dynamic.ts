// The dynamic table of HPACK (RFC 7541 section 2.3.2): a ring of strings, newest first.

/** RFC 7541 section 4.1: what an entry counts beyond its bytes. */
export const ENTRY_OVERHEAD_BYTES = 32;

export class DynamicTable {
  /** Grows with every change: what was decoded against the same version decodes the same again. */
  version = 0;
  entries = 0;
  private readonly names: string[];
  private readonly values: string[];
  private readonly mask: number;
  /** Ring index of the newest entry; the older ones follow upwards. */
  private newest = 0;
  private sizeBytes = 0;
  private maxBytes: number;

  /** `limitBytes` is our SETTINGS_HEADER_TABLE_SIZE: the peer may use less (RFC 7541 section 4.2). */
  constructor(limitBytes: number) {
    let capacity = 1;
    while (capacity * ENTRY_OVERHEAD_BYTES <= limitBytes) capacity *= 2;
    this.names = new Array(capacity).fill("");
    this.values = new Array(capacity).fill("");
    this.mask = capacity - 1;
    this.maxBytes = limitBytes;
  }

  /** `index` counts from 0, the newest, and is below `entries`. */
  name(index: number): string {
    return this.names[(this.newest + index) & this.mask] as string;
  }

  value(index: number): string {
    return this.values[(this.newest + index) & this.mask] as string;
  }

  /** RFC 7541 section 4.4: evicts until there is room; what is larger than the table just empties it. No error. */
  add(name: string, value: string): void {
    this.version++;
    const bytes = name.length + value.length + ENTRY_OVERHEAD_BYTES; // strings are latin1: a char is a byte
    this.evictTo(this.maxBytes - bytes);
    if (bytes > this.maxBytes) return;
    this.newest = (this.newest - 1) & this.mask;
    this.names[this.newest] = name;
    this.values[this.newest] = value;
    this.sizeBytes += bytes;
    this.entries++;
  }

  /** RFC 7541 section 4.3. */
  resize(maxBytes: number): void {
    this.version++;
    this.maxBytes = maxBytes;
    this.evictTo(maxBytes);
  }

  private evictTo(bytes: number): void {
    while (this.entries > 0 && this.sizeBytes > bytes) {
      const oldest = (this.newest + this.entries - 1) & this.mask;
      const name = this.names[oldest] as string;
      const value = this.values[oldest] as string;
      this.sizeBytes -= name.length + value.length + ENTRY_OVERHEAD_BYTES;
      this.entries--;
      this.names[oldest] = ""; // nothing evicted stays in memory
      this.values[oldest] = "";
    }
  }
}
