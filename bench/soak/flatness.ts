/** Whether memory stays where it was: the rule that the soak is judged by. */
import type { Figure } from "../rig/figures.ts";
import { figure } from "../rig/figures.ts";

/** After the warm-up. */
export type Sample = { seconds: number; mib: number };

export type Flatness = {
  /** median of the first third */
  startMib: number;
  /** median of the last third */
  endMib: number;
  /** what the line through the last two thirds rises from their start to their end */
  riseMib: number;
  /** how much both may be */
  allowedMib: number;
  flat: boolean;
};

/**
 * Garbage collection makes resident memory jump by some percent, so a twentieth is no leak; and a process of 60 MiB jumps by
 * as many MiB as one of 200.
 */
const SHARE = 0.05;
const MIB_MIN = 10;

export function judgeMemory(samples: readonly Sample[]): Flatness {
  const third = Math.floor(samples.length / 3);
  const startMib = medianMib(samples.slice(0, third));
  const endMib = medianMib(samples.slice(-third));
  const rest = samples.slice(third);
  const seconds = (rest.at(-1)?.seconds ?? 0) - (rest[0]?.seconds ?? 0);
  const riseMib = slope(rest) * seconds;
  const allowedMib = Math.max(MIB_MIN, SHARE * startMib);
  return { startMib, endMib, riseMib, allowedMib, flat: endMib - startMib <= allowedMib && riseMib <= allowedMib };
}

function medianMib(samples: readonly Sample[]): number {
  return medianOf(samples.map(({ mib }) => mib));
}

function medianOf(values: readonly number[]): number {
  return (figure(values) as Figure).median; // of at least one
}

/** MiB a second: the median slope of all pairs (Theil and Sen), which a spike does not move. */
function slope(samples: readonly Sample[]): number {
  const slopes: number[] = [];
  for (const [i, from] of samples.entries()) {
    for (const to of samples.slice(i + 1)) slopes.push((to.mib - from.mib) / (to.seconds - from.seconds));
  }
  return medianOf(slopes);
}
