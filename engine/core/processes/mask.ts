/** `text` with each character between its first and last ones covered by `cover`; whole where little more would be left. */
export function mask(text: string, keepFirst: number, keepLast: number, cover: string): string {
  let first = keepFirst;
  let last = text.length - keepLast;
  // Keeping all of a short text would be no mask.
  if (first >= last) {
    first = 0;
    last = text.length;
  }
  // Half a surrogate pair is no character: the cut moves into the covered part's favour.
  if (first > 0 && isLowSurrogate(text, first)) first--;
  if (last < text.length && isLowSurrogate(text, last)) last++;
  return text.slice(0, first) + cover.repeat(last - first) + text.slice(last);
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}
