/** What goes up and down, beside the counters: copies that wait, targets that are down, memory that is taken. */
import { escapeLabel, snakeCase } from "./counters.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { TargetGauges } from "./tee-queue.ts";

export type GaugeRow = { name: string; labels: { readonly [name: string]: string }; value: number };

/** Prometheus' text format: `agglo_<name>{…} value`. Rows of one name stand together. */
export function prometheusGauges(rows: readonly GaugeRow[]): string {
  let text = "";
  let last = "";
  for (const { name, labels, value } of rows) {
    const metric = `agglo_${snakeCase(name)}`;
    if (metric !== last) text += `# TYPE ${metric} gauge\n`;
    last = metric;
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
    text += pairs.length === 0 ? `${metric} ${value}\n` : `${metric}{${pairs.join(",")}} ${value}\n`;
  }
  return text;
}

/** By the names of targets, as the counters are: two systems of one name are one row. */
export function teeGauges(targets: readonly TargetGauges[]): GaugeRow[] {
  const byName = new Map<string, TargetGauges>();
  for (const lane of targets) {
    const other = byName.get(lane.target) ?? { target: lane.target, events: 0, bytes: 0, down: false };
    const events = other.events + lane.events;
    const bytes = other.bytes + lane.bytes;
    byName.set(lane.target, { target: lane.target, events, bytes, down: other.down || lane.down });
  }
  const rows = (name: string, value: (lane: TargetGauges) => number): GaugeRow[] =>
    [...byName.values()].map((lane) => ({ name, labels: { target: lane.target }, value: value(lane) }));
  return [
    ...rows("teeQueuedEvents", (lane) => lane.events),
    ...rows("teeQueuedBytes", (lane) => lane.bytes),
    ...rows("teeTargetDown", (lane) => (lane.down ? 1 : 0)),
  ];
}

export function memoryGauges(budget: MemoryBudget): GaugeRow[] {
  const { bytesMax, uses } = budget.gauges();
  return [
    { name: "memoryBytesMax", labels: {}, value: bytesMax },
    ...uses.map(({ use, bytes }) => ({ name: "memoryBytes", labels: { use }, value: bytes })),
  ];
}
