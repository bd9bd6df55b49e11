/**
 * Bytes that threads read without a copy, in memory that is used again: new memory for each large body has V8 collect all
 * garbage a few times for every ten megabytes, which holds up everybody for ten milliseconds.
 */

const free: SharedArrayBuffer[] = [];
const FREE_MAX = 8;
/** Of one that is kept; more for a larger body is given up with it. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
const STEP_BYTES = 64 * 1024;

/** A copy that can be sent to threads: of pieces one after the other. */
export function shareBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const found = free.findIndex((buffer) => buffer.byteLength >= bytes);
  const [buffer = new SharedArrayBuffer(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES)] =
    found === -1 ? [] : free.splice(found, 1);
  const copy = new Uint8Array(buffer, 0, bytes);
  let end = 0;
  for (const piece of pieces) {
    copy.set(piece, end);
    end += piece.length;
  }
  return copy;
}

export function isShared({ buffer }: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer;
}

/** No thread reads them any more. */
export function reuseShared({ buffer }: Uint8Array): void {
  if (buffer instanceof SharedArrayBuffer && buffer.byteLength <= KEPT_BYTES_MAX && free.length < FREE_MAX)
    free.push(buffer);
}
