/** What is to be known of UTF-8 before it is text. */

/** How many bytes at the end begin a character that they do not finish (RFC 3629): 0 to 3. */
export function openBytes(bytes: Uint8Array): number {
  for (let i = 1; i <= 3 && i <= bytes.length; i++) {
    const byte = bytes[bytes.length - i] as number;
    if ((byte & 0xc0) === 0x80) continue; // in the middle of one
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > i ? i : 0;
  }
  return 0;
}
