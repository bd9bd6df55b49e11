/** The streams of the soak: what is sent piece by piece, and what must come of it. */
import { marked, orderText, redactedText } from "../rig/bodies.ts";

const EVENT_BYTES = 600;
const EVENTS_EACH = 20;
export const EVENT_PAUSE_MS = 100;

/** What the upstream sends. */
export function eventTexts(): string[] {
  return Array.from({ length: EVENTS_EACH }, () => `data: ${orderText(EVENT_BYTES)}\n\n`);
}

/** Masked on the way to the client. */
export const EVENTS_MASKED = `data: ${redactedText(EVENT_BYTES)}\n\n`.repeat(EVENTS_EACH);

const LINES_EACH = 10;
/** Masked on the way back from the upstream, after they gained their field on the way there. */
export const LINES_MASKED = `${marked(redactedText(EVENT_BYTES))}\n`.repeat(LINES_EACH);

/** Ten lines cut anywhere. */
export function linePieces(): Buffer[] {
  return cut(Buffer.from(`${orderText(EVENT_BYTES)}\n`.repeat(LINES_EACH)), 2 * EVENT_BYTES);
}

/** Pieces of 1 to `bytesMax` bytes. */
export function cut(bytes: Buffer, bytesMax: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + 1 + Math.floor(Math.random() * bytesMax);
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}
