/** Figures of rounds put together: median and spread, and differences and ratios computed within a round. */
import type { Percentiles } from "./load.ts";
import type { Measured } from "./measure.ts";
import type { Round } from "./rounds.ts";

/** Other programs that take more of the machine than this spoil a measurement. */
export const DISTURBED_SHARE = 0.05;

export type Figure = { median: number; min: number; max: number };

/** undefined of no values; a round without a figure does not count. */
export function figure(values: readonly (number | undefined)[]): Figure | undefined {
  const sorted = values.filter((value) => value !== undefined && Number.isFinite(value)) as number[];
  if (sorted.length === 0) return undefined;
  sorted.sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}

/** Latency on top of plain Envoy's, in the same round; below 0 where noise was larger than what it is to show. */
export function addedUs(
  round: Round,
  load: string,
  subject: { name: string; baseline: string },
  percentile: keyof Percentiles,
): number | undefined {
  const measured = round.open[load]?.measured;
  const whole = measured?.[subject.name]?.latencyUs[percentile];
  const plain = measured?.[subject.baseline]?.latencyUs[percentile];
  return whole === undefined || plain === undefined ? undefined : whole - plain;
}

/** undefined where there is nothing to divide by: such a round says nothing. */
export function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined || b <= 0 ? undefined : Math.max(0, a) / b;
}

/** Everything that was measured of a subject. */
export function measuredOf(rounds: readonly Round[], subject: string): Measured[] {
  return rounds.flatMap(({ closed, open }) =>
    [closed, ...Object.values(open).map(({ measured }) => measured)].flatMap((by) => by[subject] ?? []),
  );
}
