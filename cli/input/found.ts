/** What reading an input yields, whatever its format. */

/** One event: its JSON text, or why it cannot be had. `place` names it in complaints. */
export type Found = { place: string; text: string } | { place: string; fault: string };

/** Takes events out of one file's bytes. Throws an Ending (65) where nothing behind could be understood. */
export type Read = (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Found>;

/** A longer event is no event: without a bound a bracket that is never closed takes all memory. */
export const EVENT_LENGTH_MAX = 128 * 1024 * 1024;
