import { STATIC_ENTRIES, STATIC_TABLE } from "./hpack-static.ts";

// HPACK blocks to send (RFC 7541), built once and sent often: indexed where the static table has the pair, else
// literals without indexing, so no block depends on another and none on the peer's table size.

/** `fields`: name, value, name, value…, latin1. */
export function encodeHeaders(fields: readonly string[]): Buffer {
  const bytes: number[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) writeField(bytes, fields[i] as string, fields[i + 1] as string);
  return Buffer.from(bytes);
}

function writeField(bytes: number[], name: string, value: string): void {
  let named = 0;
  for (let index = 1; index <= STATIC_ENTRIES; index++) {
    if (STATIC_TABLE[index * 2 - 2] !== name) continue;
    if (STATIC_TABLE[index * 2 - 1] === value) {
      writeInteger(bytes, 0x80, 7, index); // RFC 7541 section 6.1
      return;
    }
    if (named === 0) named = index;
  }
  writeInteger(bytes, 0x00, 4, named); // section 6.2.2
  if (named === 0) writeString(bytes, name);
  writeString(bytes, value);
}

function writeString(bytes: number[], text: string): void {
  writeInteger(bytes, 0x00, 7, text.length); // section 5.2, H = 0
  for (let i = 0; i < text.length; i++) bytes.push(text.charCodeAt(i) & 0xff);
}

/** Section 5.1. */
function writeInteger(bytes: number[], flags: number, prefixBits: number, value: number): void {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    bytes.push(flags | value);
    return;
  }
  bytes.push(flags | mask);
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
}
