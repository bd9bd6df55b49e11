// Protobuf's wire format, written from the end to the start: each function puts something before `end` and returns
// where it begins. A message's length is known once the message stands, so nothing is measured twice, however deep.
// Nobody here checks the buffer: the caller measured first (the sizeOf functions) or made room for the most.

function sizeOfVarint(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** Of a length-delimited field: tag, length and content. All our fields have numbers below 16, so a tag is one byte. */
export function sizeOfField(contentBytes: number): number {
  return 1 + sizeOfVarint(contentBytes) + contentBytes;
}

/** Below this many chars a loop beats the way into native code and back (bench/messages.ts). */
const SHORT = 24;

/** In UTF-8, as protobuf's `string` wants it. */
export function sizeOfText(text: string): number {
  if (text.length > SHORT) return Buffer.byteLength(text);
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text);
  return text.length;
}

function putVarint(buffer: Buffer, end: number, value: number): number {
  if (value < 0x80) {
    buffer[end - 1] = value;
    return end - 1;
  }
  const start = end - sizeOfVarint(value);
  let rest = value;
  for (let pos = start; pos < end - 1; pos++) {
    buffer[pos] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[end - 1] = rest;
  return start;
}

/** A varint field of 32 bits, which protobuf writers leave out when it is zero. */
export function putNumber(buffer: Buffer, end: number, tag: number, value: number): number {
  if (value === 0) return end;
  const pos = putVarint(buffer, end, value >>> 0) - 1;
  buffer[pos] = tag;
  return pos;
}

export function sizeOfNumber(value: number): number {
  return value === 0 ? 0 : 1 + sizeOfVarint(value >>> 0);
}

/** Tag and length before the content that stands from `start` to `end`. */
export function putHead(buffer: Buffer, start: number, end: number, tag: number): number {
  const pos = putVarint(buffer, start, end - start) - 1;
  buffer[pos] = tag;
  return pos;
}

export function putText(buffer: Buffer, end: number, tag: number, text: string): number {
  return putHead(buffer, putUtf8(buffer, end, text), end, tag);
}

function putUtf8(buffer: Buffer, end: number, text: string): number {
  if (text.length <= SHORT) {
    let pos = end;
    for (let i = text.length - 1; i >= 0; i--) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) break;
      buffer[--pos] = code;
    }
    if (end - pos === text.length) return pos;
  }
  const start = end - Buffer.byteLength(text);
  buffer.write(text, start, end - start, "utf8");
  return start;
}

/** One byte per char. */
export function putLatin1(buffer: Buffer, end: number, tag: number, text: string): number {
  const start = end - text.length;
  if (text.length <= SHORT) for (let i = 0; i < text.length; i++) buffer[start + i] = text.charCodeAt(i);
  else buffer.write(text, start, text.length, "latin1");
  return putHead(buffer, start, end, tag);
}

export function putBytes(buffer: Buffer, end: number, tag: number, bytes: Uint8Array): number {
  const start = end - bytes.length;
  buffer.set(bytes, start);
  return putHead(buffer, start, end, tag);
}
