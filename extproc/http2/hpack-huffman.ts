// Huffman codes of HPACK (RFC 7541 section 5.2 and appendix B), decoding only: what we send is plain.

/** Appendix B as lengths: the code is canonical, so symbols of one length count upwards and the lengths say it all. */
// biome-ignore format: sixteen symbols a line, as the appendix can be checked
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

const EOS = 256;
const CODE_BITS_MAX = 30;

/** Codes are looked up eight bits at a time: 256 entries; those of longer codes lead to a table of the next eight. */
const STEP_BITS = 8;
const STEP = 1 << STEP_BITS;
const SYMBOL_MASK = 0x1ff;

/**
 * All tables, one after another. An entry is a symbol with the bits its code still used here (bits << 9 | symbol), or,
 * negative, the place of the next table. Zero marks codes that do not exist.
 */
const TABLES = buildTables();

/** RFC 7541 section 5.2: no code is shorter than five bits, so text is at most 8/5 of what came. */
export const BITS_PER_CHAR_MIN = 5;

/** Decodes `buf[pos, end)` into `out`; returns the number of bytes, or -1 on what section 5.2 forbids or no room. */
export function decodeHuffman(buf: Uint8Array, pos: number, end: number, out: Uint8Array): number {
  let bits = 0; // not yet used, lowest `count` bits
  let count = 0;
  let length = 0;
  let table = 0;
  for (let i = pos; i < end; i++) {
    bits = ((bits << 8) | (buf[i] as number)) & 0xffff; // never more than 15 bits are open
    count += 8;
    while (count >= STEP_BITS) {
      const entry = TABLES[table + ((bits >>> (count - STEP_BITS)) & (STEP - 1))] as number;
      if (entry < 0) {
        table = -entry;
        count -= STEP_BITS;
        continue;
      }
      if (entry === 0 || (entry & SYMBOL_MASK) === EOS || length === out.length) return -1;
      out[length++] = entry;
      count -= entry >>> 9;
      table = 0;
    }
  }
  return decodeTail(bits, count, table, out, length);
}

/** The last bits: codes that fit, then padding, which is the beginning of EOS (all ones) and shorter than a byte. */
function decodeTail(bits: number, open: number, from: number, out: Uint8Array, decoded: number): number {
  let count = open;
  let length = decoded;
  let table = from;
  while (count > 0) {
    const ones = (1 << count) - 1;
    const index = ((bits << (STEP_BITS - count)) | ((1 << (STEP_BITS - count)) - 1)) & (STEP - 1);
    const entry = TABLES[table + index] as number;
    const used = entry >>> 9;
    if (entry > 0 && used <= count && (entry & SYMBOL_MASK) !== EOS) {
      if (length === out.length) return -1;
      out[length++] = entry;
      count -= used;
      table = 0;
      continue;
    }
    if (table !== 0) return -1; // eight bits of a longer code, or of EOS, went before: padding too long
    return (bits & ones) === ones ? length : -1;
  }
  return table === 0 ? length : -1;
}

function buildTables(): Int32Array {
  const tables: number[] = new Array(STEP).fill(0);
  let code = 0;
  for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
    for (let symbol = 0; symbol < CODE_BITS.length; symbol++) {
      if (CODE_BITS[symbol] === bits) addCode(tables, code++, bits, symbol);
    }
    code <<= 1;
  }
  return Int32Array.from(tables);
}

function addCode(tables: number[], code: number, codeBits: number, symbol: number): void {
  let table = 0;
  let bits = codeBits;
  for (; bits > STEP_BITS; bits -= STEP_BITS) {
    const place = table + ((code >>> (bits - STEP_BITS)) & (STEP - 1));
    if (tables[place] === 0) {
      tables[place] = -tables.length;
      for (let i = 0; i < STEP; i++) tables.push(0);
    }
    table = -(tables[place] as number);
  }
  const free = STEP_BITS - bits;
  const first = table + ((code << free) & (STEP - 1));
  for (let i = 0; i < 1 << free; i++) tables[first + i] = (bits << 9) | symbol;
}
