/**
 * NDJSON (application/x-ndjson): one object per line. Lines end with LF or CR LF, the last one may end with the text;
 * lines of nothing but spaces are kept and are no events.
 */
import { addText, type Body, type Format, NO_REST, newBody } from "./body.ts";

export const ndjson: Format = { stream: true, read: readNdjson, eventEnd: lineFeedEnd };

function lineFeedEnd(piece: string, from: number): number {
  const feed = piece.indexOf("\n", from);
  return feed === -1 ? -1 : feed + 1;
}

function readNdjson(text: string, depthMax: number): Body {
  const body = newBody(false);
  let line = 1;
  for (let from = 0; from < text.length; line++) {
    const feed = text.indexOf("\n", from);
    const to = feed === -1 ? text.length : feed + 1;
    const end = contentEnd(text, from, feed === -1 ? to : feed);
    if (!isBlank(text, from, end)) {
      const place = { start: from, end, from, to, rest: NO_REST };
      if (!addText(body, text, from, end, depthMax, place, `line ${line}`)) return body;
    }
    from = to;
  }
  return body;
}

function contentEnd(text: string, from: number, end: number): number {
  return end > from && text.charAt(end - 1) === "\r" ? end - 1 : end;
}

/** Nothing but JSON's white space. */
function isBlank(text: string, from: number, end: number): boolean {
  for (let i = from; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code !== 0x20 && code !== 0x09 && code !== 0x0d) return false;
  }
  return true;
}
