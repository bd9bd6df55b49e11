/** The tables a benchmark prints. */
import { addedP99Us, DISTURBED_SHARE, type Figure, failuresOf, figure, type Judged, type Round } from "./figures.ts";
import type { Measured, Memory } from "./measure.ts";
import { TITLES, type Variant } from "./variants.ts";

type Column = {
  title: string;
  digits: number;
  /** undefined: this variant has no such figure */
  read(measured: Measured, round: Round, variant: Variant): number | undefined;
};

const ms = (us: number | undefined) => (us === undefined ? undefined : us / 1000);
const ofServer = (variant: Variant, value: number) => (variant === "none" ? undefined : value);

const SATURATION: Column[] = [
  { title: "req/s", digits: 0, read: (m) => m.perSecond },
  { title: "p99 ms", digits: 1, read: (m) => ms(m.latencyUs.p99) },
  { title: "server µs/req", digits: 0, read: (m, _, variant) => ofServer(variant, m.serverUs) },
  { title: "Envoy µs/req", digits: 0, read: (m) => m.envoyUs },
  { title: "RSS MiB", digits: 0, read: (m, _, variant) => ofServer(variant, m.rssMib) },
  { title: "conns", digits: 0, read: (m, _, variant) => ofServer(variant, m.serverConnections) },
];

const OPEN: Column[] = [
  { title: "p50 ms", digits: 2, read: (m) => ms(m.latencyUs.p50) },
  { title: "p90 ms", digits: 2, read: (m) => ms(m.latencyUs.p90) },
  { title: "p99 ms", digits: 2, read: (m) => ms(m.latencyUs.p99) },
  { title: "p99.9 ms", digits: 1, read: (m) => ms(m.latencyUs.p999) },
  { title: "max ms", digits: 1, read: (m) => ms(m.latencyUs.max) },
  { title: "added p99 ms", digits: 2, read: (_, round, variant) => ofServer(variant, addedMs(round, variant)) },
  { title: "server µs/req", digits: 0, read: (m, _, variant) => ofServer(variant, m.serverUs) },
];

function addedMs(round: Round, variant: Variant): number {
  return ms(addedP99Us(round, variant)) ?? Number.NaN; // NaN: no plain Envoy to compare with
}

export function printRounds(rounds: readonly Round[], variants: readonly Variant[]): string {
  const rate = figure(rounds.map((round) => round.rate));
  return [
    "Saturation, closed loop: median (min-max) over rounds",
    section(rounds, variants, "closed", SATURATION),
    `Open loop at ${spread(rate, 0)} requests a second, half of what Go saturates at`,
    section(rounds, variants, "open", OPEN),
    machineUse(rounds),
  ].join("\n");
}

/** A machine that others use too gives figures that mean little, and failures that are nobody's fault. */
function machineUse(rounds: readonly Round[]): string {
  const measured = rounds.flatMap(({ closed, open }) => [...Object.values(closed), ...Object.values(open)]);
  const percent = figure(measured.map(({ othersShare }) => 100 * othersShare));
  const warning =
    (percent?.median ?? 0) > 100 * DISTURBED_SHARE ? " That is too much: MEASURE AGAIN on a quiet one." : "";
  return `Other programs took ${spread(percent, 0)} % of the machine meanwhile.${warning}\n`;
}

function section(
  rounds: readonly Round[],
  variants: readonly Variant[],
  kind: "closed" | "open",
  columns: readonly Column[],
): string {
  const rows = variants.map((variant) => [
    TITLES[variant],
    ...columns.map((column) => {
      const values = rounds.map((round) => {
        const measured = round[kind][variant];
        return measured === undefined ? undefined : column.read(measured, round, variant);
      });
      return spread(figure(values), column.digits);
    }),
    String(failuresOf(rounds, variant, kind)),
  ]);
  return table([["", ...columns.map((column) => column.title), "failed"], ...rows]);
}

export function printMemory(memory: ReadonlyMap<Variant, Memory>): string {
  const rows = [...memory].map(([variant, { idleMib, peakMib, streamsMax, failures }]) => [
    TITLES[variant],
    ...[idleMib, peakMib, streamsMax, failures].map((value) => value.toFixed(0)),
  ]);
  return table([["Memory, 1 KB bodies held", "idle MiB", "peak MiB", "streams", "failed"], ...rows]);
}

export function printJudged(ours: Variant, judged: readonly Judged[]): string {
  const rows = judged.map(({ what, figure: found, must, moonshot, higherIsBetter, verdict }) => {
    const than = higherIsBetter ? "≥" : "≤";
    const digits = must >= 100 || must === 0 ? 0 : 2;
    return [what, spread(found, digits), `${than} ${must}`, `${than} ${moonshot}`, verdict];
  });
  return table([[TITLES[ours], "median (min-max)", "must", "moonshot", "verdict"], ...rows]);
}

/** Columns as wide as their widest cell; the first one is text, the others are numbers. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  return `${rows.map((row) => line(row).trimEnd()).join("\n")}\n`;
}

/** Median, and the spread in brackets where there is one. */
function spread(found: Figure | undefined, digits: number): string {
  if (found === undefined) return "-";
  const text = (value: number) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const [middle, low, high] = [text(found.median), text(found.min), text(found.max)];
  return low === high ? middle : `${middle} (${low}-${high})`;
}
