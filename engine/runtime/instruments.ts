/** The Instruments port over metrics and OpenTelemetry. */
import type { Instruments } from "../core/ports.ts";
import type { Metrics } from "./metrics.ts";
import { openTelemetrySpans } from "./spans.ts";

export function measuringInstruments(metrics: Metrics): Instruments {
  return {
    nowNs: () => performance.now() * 1e6,
    latency(kind, name, ns) {
      if (kind === "pipeline") metrics.pipelines.observe(name, ns);
      else metrics.processes.observe(name, ns);
    },
    ended: (kind, name, succeeded) =>
      metrics.counters.add(`${kind}Runs`, `${name}|${succeeded ? "success" : "failure"}`, 1),
    span: openTelemetrySpans(),
  };
}
