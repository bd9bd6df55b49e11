/** Figures of rounds put together: median and spread, and ratios computed within a round. */
import type { Measured } from "./measure.ts";
import type { Variant } from "./variants.ts";

export type Round = {
  /** of the open loop, requests a second */
  rate: number;
  closed: { [variant in Variant]?: Measured };
  open: { [variant in Variant]?: Measured };
};

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

/** p99 on top of plain Envoy's, in the same round; below 0 where noise was larger than what it is to show. */
export function addedP99Us(round: Round, variant: Variant): number | undefined {
  const withServer = round.open[variant]?.latencyUs.p99;
  const plain = round.open.none?.latencyUs.p99;
  return withServer === undefined || plain === undefined ? undefined : withServer - plain;
}

export function failuresOf(rounds: readonly Round[], variant: Variant, kind: "closed" | "open"): number {
  return rounds.reduce((sum, round) => sum + (round[kind][variant]?.failures ?? 0), 0);
}

/** undefined where there is nothing to divide by: such a round says nothing. */
function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined || b <= 0 ? undefined : Math.max(0, a) / b;
}

export type Judged = {
  what: string;
  figure: Figure | undefined;
  must: number;
  moonshot: number;
  higherIsBetter: boolean;
  /** missed: even the best round misses the must */
  verdict: "moonshot" | "must" | "within the spread" | "missed" | "not measured";
};

/** What `ours` is held against (../shared/design/performance.md, Targets). */
export function judge(rounds: readonly Round[], ours: Variant, peakMib: number | undefined): Judged[] {
  const over = (value: (round: Round) => number | undefined) => figure(rounds.map(value));
  const addedRatio = (peer: Variant) => over((round) => ratio(addedP99Us(round, ours), addedP99Us(round, peer)));
  const cpu = over(({ closed }) => ratio(closed[ours]?.serverUs, closed.go?.serverUs));
  const throughput = over(({ closed }) => ratio(closed[ours]?.perSecond, closed.go?.perSecond));
  const failures = failuresOf(rounds, ours, "closed") + failuresOf(rounds, ours, "open");
  const rows = [
    verdict("server CPU/request vs go", cpu, 0.4, 0.25, false),
    verdict("throughput vs go", throughput, 1.2, 1.35, true),
    verdict("added p99 vs go", addedRatio("go"), 0.7, 0.4, false),
    verdict("failed requests", figure([failures]), 0, 0, false),
    verdict("MiB at 1,000 streams", figure([peakMib]), 150, 100, false),
  ];
  if (ours !== "grpc-js") rows.splice(3, 0, verdict("added p99 vs grpc-js", addedRatio("grpc-js"), 0.25, 0.15, false));
  return rows;
}

function verdict(
  what: string,
  found: Figure | undefined,
  must: number,
  moonshot: number,
  higherIsBetter: boolean,
): Judged {
  const judged: Judged = { what, figure: found, must, moonshot, higherIsBetter, verdict: "not measured" };
  if (found === undefined) return judged;
  const meets = (value: number, target: number) => (higherIsBetter ? value >= target : value <= target);
  if (meets(found.median, moonshot)) judged.verdict = "moonshot";
  else if (meets(found.median, must)) judged.verdict = "must";
  else judged.verdict = meets(higherIsBetter ? found.max : found.min, must) ? "within the spread" : "missed";
  return judged;
}
