/**
 * `text` with each character between its first and last ones covered by `cover`; whole where little more would be left.
 * Characters are code points: half a surrogate pair is none, and every engine counts the same.
 */
export function mask(text: string, keepFirst: number, keepLast: number, cover: string): string {
  let first = offsetBehind(text, keepFirst);
  let last = offsetBefore(text, keepLast);
  // Keeping all of a short text would be no mask.
  if (first >= last) {
    first = 0;
    last = text.length;
  }
  return text.slice(0, first) + cover.repeat(characters(text, first, last)) + text.slice(last);
}

function offsetBehind(text: string, count: number): number {
  let offset = 0;
  for (let i = 0; i < count && offset < text.length; i++) offset += isPair(text, offset) ? 2 : 1;
  return offset;
}

function offsetBefore(text: string, count: number): number {
  let offset = text.length;
  for (let i = 0; i < count && offset > 0; i++) offset -= isPair(text, offset - 2) ? 2 : 1;
  return offset;
}

function characters(text: string, start: number, end: number): number {
  let count = end - start;
  for (let i = start; i < end - 1; i++) if (isPair(text, i)) count--;
  return count;
}

function isPair(text: string, at: number): boolean {
  return text.charCodeAt(at) >> 10 === 0x36 && text.charCodeAt(at + 1) >> 10 === 0x37; // 0xd800, 0xdc00
}
