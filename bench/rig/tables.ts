/** The tables of a benchmark, for a terminal and for a page. */
import { addedUs, type Figure, figure, measuredOf } from "./figures.ts";
import type { Inside } from "./inside.ts";
import type { Judged } from "./judge.ts";
import type { Measured } from "./measure.ts";
import type { Memory } from "./memory.ts";
import type { ScenarioResult, SubjectResult } from "./results.ts";
import { hasServer, TITLES, type Variant } from "./variants.ts";

/** The first row has the titles, the first cell of each its name; the others are numbers. */
export type Table = string[][];

type Column<Of> = { title: string; digits: number; read(of: Of): number | undefined };

const ms = (us: number | undefined) => (us === undefined ? undefined : us / 1000);

function saturationColumns(subject: SubjectResult): Column<Measured>[] {
  const ofServer = (value: number) => (hasServer(subject.variant) ? value : undefined);
  return [
    { title: "req/s", digits: 0, read: (m) => m.perSecond },
    { title: "p50 ms", digits: 2, read: (m) => ms(m.latencyUs.p50) },
    { title: "p99 ms", digits: 1, read: (m) => ms(m.latencyUs.p99) },
    { title: "server µs/req", digits: 0, read: (m) => ofServer(m.serverUs) },
    { title: "proxy µs/req", digits: 0, read: (m) => m.proxyUs },
    { title: "server MiB", digits: 0, read: (m) => ofServer(m.serverMib) },
    { title: "proxy MiB", digits: 0, read: (m) => m.proxyMib },
  ];
}

/** Closed loop. */
export function saturationTable({ subjects, rounds }: ScenarioResult): Table {
  const rows = subjects.map((subject) => {
    const measured = rounds.map(({ closed }) => closed[subject.name]);
    const columns = saturationColumns(subject);
    const cells = columns.map(({ digits, read }) => spread(figure(measured.map((m) => m && read(m))), digits));
    return [subject.title, ...cells, failed(measured)];
  });
  return [["", ...titles(subjects, saturationColumns), "failed"], ...rows];
}

const OPEN: Column<Measured>[] = [
  { title: "p50 ms", digits: 2, read: (m) => ms(m.latencyUs.p50) },
  { title: "p90 ms", digits: 2, read: (m) => ms(m.latencyUs.p90) },
  { title: "p99 ms", digits: 2, read: (m) => ms(m.latencyUs.p99) },
  { title: "p99.9 ms", digits: 1, read: (m) => ms(m.latencyUs.p999) },
  { title: "max ms", digits: 1, read: (m) => ms(m.latencyUs.max) },
];

/** What added latency counts from. */
const PLAIN: readonly Variant[] = ["none", "nginx"];

/** Open loop at one load. */
export function openTable({ subjects, rounds }: ScenarioResult, load: string): Table {
  const rows = subjects.map((subject) => {
    const measured = rounds.map(({ open }) => open[load]?.measured[subject.name]);
    const cells = OPEN.map(({ digits, read }) => spread(figure(measured.map((m) => m && read(m))), digits));
    const added = (percentile: "p50" | "p99") =>
      PLAIN.includes(subject.variant)
        ? "-"
        : spread(figure(rounds.map((round) => ms(addedUs(round, load, subject, percentile)))), 2);
    const cpu = hasServer(subject.variant) ? spread(figure(measured.map((m) => m?.serverUs)), 0) : "-";
    return [subject.title, ...cells, added("p50"), added("p99"), cpu, failed(measured)];
  });
  const more = ["added p50 ms", "added p99 ms", "server µs/req", "failed"];
  return [["", ...OPEN.map(({ title }) => title), ...more], ...rows];
}

/** Requests a second of an open load, as they were over the rounds. */
export function rateText({ rounds }: ScenarioResult, load: string): string {
  return spread(figure(rounds.map(({ open }) => open[load]?.rate)), 0);
}

export function memoryTable(memory: { readonly [variant in Variant]?: Memory }): Table {
  const rows = Object.entries(memory).map(([variant, { idleMib, peakMib, streamsMax, failures }]) => [
    TITLES[variant as Variant],
    ...[idleMib, peakMib, streamsMax, failures].map((value) => value.toFixed(0)),
  ]);
  return [["", "idle MiB", "peak MiB", "streams", "failed"], ...rows];
}

export function insideTable(inside: { readonly [variant in Variant]?: Inside }): Table {
  const us = (value: number | undefined) => (value === undefined ? "-" : plain(value, 0));
  const rows = Object.entries(inside).map(([variant, { requestHeadersUs, requestBodyUs, vitals, requests }]) => [
    TITLES[variant as Variant],
    ...[requestHeadersUs.p50, requestHeadersUs.p99, requestBodyUs.p50, requestBodyUs.p99].map(us),
    ...[vitals?.loopDelayUs.p50, vitals?.loopDelayUs.p99, vitals?.loopDelayUs.max].map(us),
    vitals === undefined ? "-" : plain((1000 * vitals.gc.count) / requests, 2),
    vitals === undefined ? "-" : plain(vitals.gc.totalMs / vitals.gc.count, 2),
    vitals === undefined ? "-" : plain(vitals.gc.maxMs, 1),
  ]);
  const phases = ["headers p50 µs", "p99", "body p50 µs", "p99"];
  const vitals = ["loop delay p50 µs", "p99", "max", "GCs per 1,000 requests", "mean pause ms", "longest ms"];
  return [["", ...phases, ...vitals], ...rows];
}

export function judgedTable(judged: readonly Judged[]): Table {
  const rows = judged.map(({ what, figure: found, must, moonshot, higherIsBetter, verdict }) => {
    const than = higherIsBetter ? "≥" : "≤";
    const digits = must >= 100 || must === 0 ? 0 : 2;
    return [what, spread(found, digits), `${than} ${must}`, `${than} ${moonshot}`, verdict];
  });
  return [["", "median (min-max)", "must", "moonshot", "verdict"], ...rows];
}

/** How much of the machine others had while this was measured. */
export function othersPercent(scenarios: readonly ScenarioResult[]): Figure | undefined {
  const measured = scenarios.flatMap(({ subjects, rounds }) =>
    subjects.flatMap(({ name }) => measuredOf(rounds, name)),
  );
  return figure(measured.map(({ othersShare }) => 100 * othersShare));
}

function titles<Of>(subjects: readonly SubjectResult[], columns: (subject: SubjectResult) => Column<Of>[]): string[] {
  const [first] = subjects;
  return first === undefined ? [] : columns(first).map(({ title }) => title);
}

function failed(measured: readonly (Measured | undefined)[]): string {
  return plain(
    measured.reduce((sum, m) => sum + (m?.failures ?? 0), 0),
    0,
  );
}

/** Median, and the spread in brackets where there is one. */
export function spread(found: Figure | undefined, digits: number): string {
  if (found === undefined) return "-";
  const [middle, low, high] = [found.median, found.min, found.max].map((value) => plain(value, digits));
  return low === high ? (middle as string) : `${middle} (${low}-${high})`;
}

export function plain(value: number, digits: number): string {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Columns as wide as their widest cell. */
export function terminalTable(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  return `${table.map((row) => line(row).trimEnd()).join("\n")}\n`;
}

export function markdownTable([head = [], ...rows]: Table): string {
  const rule = head.map((_, i) => (i === 0 ? "---" : "--:"));
  return [head, rule, ...rows].map((row) => `| ${row.join(" | ")} |\n`).join("");
}
