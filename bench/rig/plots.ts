/** The plots of RESULTS.md, as SVG without a background: colours that are told apart on white and on black. */
import { type EChartsOption, init } from "echarts";
import { figure } from "./figures.ts";
import type { Percentiles } from "./load.ts";
import type { Measured } from "./measure.ts";
import type { ScenarioResult } from "./results.ts";
import { HALF } from "./scenarios.ts";
import { hasServer, TITLES, type Variant } from "./variants.ts";

const COLOURS: { readonly [variant in Variant]: string } = {
  none: "#8b929a",
  lua: "#b8860b",
  go: "#1e96b8",
  "grpc-js": "#cc5a2a",
  native: "#2b9c4c",
  nginx: "#9468d0",
  "nginx-njs": "#d04a98",
  "nginx-hand": "#5a80e0",
};
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "roundRect", "emptyCircle", "emptyRect", "emptyTriangle"];
const INK = "#7a8490";
const LINES = "#7a849055";
const SIZE = { width: 860, height: 460 };

/** File name and SVG, of the scenario with all variants. */
export function plots(core: ScenarioResult): [name: string, svg: string][] {
  return [
    [
      "latency-by-percentile.svg",
      render("Latency of a 1 KB rewrite at half of what Go saturates at", latencyByPercentile(core)),
    ],
    ["cpu-per-request.svg", render("CPU per request of a 1 KB rewrite at saturation, µs", cpuPerRequest(core))],
    ["p99-by-rate.svg", render("p99 of a 1 KB rewrite by rate", p99ByRate(core))],
  ];
}

function render(title: string, option: EChartsOption): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, ...SIZE });
  chart.setOption({
    animation: false,
    textStyle: { color: INK, fontSize: 13, fontFamily: "sans-serif" },
    title: { text: title, left: "center", textStyle: { color: INK, fontSize: 15 } },
    legend: { top: 36, itemGap: 30, textStyle: { color: INK } }, // text is wider than it is taken for
    grid,
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // Its style sheet is for a pointer, which an image in a page has not.
  return `${svg.replace(/<style\b[\s\S]*?<\/style>\n?/, "").replace(/<svg [^>]*>/, `$&\n<title>${title}</title>`)}\n`;
}

const axis = { axisLine: { lineStyle: { color: INK } }, axisLabel: { color: INK }, nameTextStyle: { color: INK } };
const grid = { left: 70, right: 30, top: 110, bottom: 50 };

const milliseconds = {
  ...axis,
  type: "log" as const,
  name: "ms, logarithmic",
  splitLine: { lineStyle: { color: LINES } },
};

const PERCENTILES: [keyof Percentiles, string][] = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p999", "p99.9"],
  ["max", "max"],
];

function latencyByPercentile(core: ScenarioResult): EChartsOption {
  const lines = core.subjects.map((subject, i) => ({
    ...lineOf(subject.variant, i),
    data: PERCENTILES.map(([percentile]) => latencyMs(core, HALF.name, subject.name, percentile)),
  }));
  return {
    xAxis: { ...axis, type: "category", data: PERCENTILES.map(([, title]) => title) },
    yAxis: milliseconds,
    series: lines,
  };
}

function p99ByRate(core: ScenarioResult): EChartsOption {
  const rateOf = (load: string) => figure(core.rounds.map(({ open }) => open[load]?.rate))?.median ?? 0;
  const lines = core.subjects.map((subject, i) => ({
    ...lineOf(subject.variant, i),
    data: core.loads.map(({ name }) => [rateOf(name), latencyMs(core, name, subject.name, "p99") ?? null]),
  }));
  return {
    xAxis: { ...axis, type: "value", name: "req/s", nameLocation: "middle", nameGap: 28, splitLine: { show: false } },
    yAxis: milliseconds,
    series: lines,
  };
}

function lineOf(variant: Variant, i: number) {
  const colour = { color: COLOURS[variant] };
  const symbol = { symbol: SYMBOLS[i % SYMBOLS.length] as string, symbolSize: 8 };
  return {
    ...{ type: "line" as const, name: TITLES[variant], ...symbol, itemStyle: colour },
    lineStyle: { ...colour, width: variant === "native" ? 3 : 1.5 },
  };
}

function cpuPerRequest(core: ScenarioResult): EChartsOption {
  const subjects = [...core.subjects].reverse(); // the first one on top
  const bars = (name: string, colour: string, read: (m: Measured, variant: Variant) => number) => ({
    ...{ type: "bar" as const, name, stack: "cpu", itemStyle: { color: colour }, barMaxWidth: 26 },
    label: {
      show: true,
      color: "#ffffff",
      formatter: ({ value }: { value: unknown }) => (Number(value) < 4 ? "" : `${value}`),
    },
    data: subjects.map((subject) => {
      const measured = core.rounds.flatMap(({ closed }) => closed[subject.name] ?? []);
      return Math.round(figure(measured.map((m) => read(m, subject.variant)))?.median ?? 0);
    }),
  });
  return {
    grid: { ...grid, left: 160 },
    xAxis: { ...axis, type: "value", splitLine: { lineStyle: { color: LINES } } },
    yAxis: { ...axis, type: "category", data: subjects.map(({ title }) => title) },
    series: [
      bars("proxy", "#5a80e0", (m) => m.proxyUs),
      bars("server", "#2b9c4c", (m, variant) => (hasServer(variant) ? m.serverUs : 0)),
    ],
  };
}

function latencyMs(
  { rounds }: ScenarioResult,
  load: string,
  subject: string,
  percentile: keyof Percentiles,
): number | undefined {
  const values = rounds.map(({ open }) => open[load]?.measured[subject]?.latencyUs[percentile]);
  const found = figure(values)?.median;
  return found === undefined ? undefined : Math.max(1, found) / 1000; // 0 is nowhere on a logarithmic axis
}
