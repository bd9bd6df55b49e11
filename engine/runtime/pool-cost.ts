/** What treating a body costs, section by section: nanoseconds a byte, as a moving average of what was measured. */

export type Cost = {
  nsPerByte: number;
  /** small bodies since the last that was measured */
  skipped: number;
};

/** Before anything was measured: decoding, scanning, parsing and a few light steps. */
const FIRST_NS_PER_BYTE = 15;

export function newCost(): Cost {
  return { nsPerByte: FIRST_NS_PER_BYTE, skipped: 0 };
}

/** Of a smaller body what is the same for every message counts more than its bytes. */
const SMALL_BYTES = 4096;
/** A small body says something only when it takes long in spite of it. */
const SMALL_NS = 250_000;
/** Two readings of the clock are more than small bodies have to spare: one in so many is measured. */
const SMALL_EVERY = 16;

export function isMeasured(cost: Cost, bytes: number): boolean {
  if (bytes >= SMALL_BYTES) return true;
  cost.skipped++;
  if (cost.skipped < SMALL_EVERY) return false;
  cost.skipped = 0;
  return true;
}

/** So many bytes count as much as all before them. */
const HALF_BYTES = 262_144;
const SHARE_MIN = 1 / 64;
const SHARE_MAX = 1 / 4;
/** A machine that stood still for a second is no reason to send everything elsewhere. */
const OUTLIER = 16;

/** Takes in what one body took; false when it says nothing. */
export function learn(cost: Cost, bytes: number, ns: number): boolean {
  if (bytes < SMALL_BYTES && ns < SMALL_NS) return false;
  const sample = Math.min(ns / bytes, cost.nsPerByte * OUTLIER);
  const share = Math.min(SHARE_MAX, Math.max(SHARE_MIN, bytes / HALF_BYTES));
  cost.nsPerByte += (sample - cost.nsPerByte) * share;
  return true;
}
