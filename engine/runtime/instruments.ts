/**
 * The Instruments port over counters: of latencies their sum and number, from which averages and rates follow. Histograms
 * and traces come with the exporters.
 */
import type { Counters, Instruments, Span } from "../core/ports.ts";

const NO_SPAN: Span = { end: () => undefined };

export function countingInstruments(counters: Counters): Instruments {
  return {
    nowNs: () => Number(process.hrtime.bigint()),
    latency(kind, name, ns) {
      counters.add(`${kind}LatencyNs`, name, ns);
      counters.add(`${kind}LatencyRuns`, name, 1);
    },
    ended: (kind, name, succeeded) => counters.add(`${kind}Runs`, `${name}|${succeeded ? "success" : "failure"}`, 1),
    span: () => NO_SPAN,
  };
}
