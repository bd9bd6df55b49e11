/** The page about /metrics: whatever the server tells of itself, made from the same code. */
import { countRequest, countsFamilies, newCounts } from "../../daemon/counts.ts";
import { queueFamilies as durableQueueFamilies } from "../../daemon/queue.ts";
import { COUNTER_NAMES } from "../../engine/runtime/counter-names.ts";
import type { Family } from "../../engine/runtime/exposition.ts";
import { generationFamilies } from "../../engine/runtime/generations.ts";
import { newMetrics } from "../../engine/runtime/metrics.ts";
import { newProcessMetrics } from "../../engine/runtime/process-metrics.ts";
import { spoolFamilies } from "../../engine/runtime/spools.ts";
import { queueFamilies } from "../../engine/runtime/system-pool.ts";
import { serverFamilies } from "../../extproc/processes.ts";
import { newTraffic } from "../../extproc/traffic.ts";

export function metricsPage(): string {
  const rows = allFamilies().map(
    ({ name, type, help, samples }) => `| \`${name}\` | ${type} | ${labelsOf(samples)} | ${help} |`,
  );
  return `# Metrics

What \`/metrics\` of the admin port shows, in Prometheus' text format. With \`--processes\` each series has the label
\`server\` too: the number of its process. A server at rest: received = passed + changed + refused + faulted + abandoned, and of each target
offered = sent + dropped + queued.

| name | type | labels | meaning |
|---|---|---|---|
${rows.join("\n")}
`;
}

/** One of everything there is, with samples to read labels from. */
export function allFamilies(): Family[] {
  const metrics = newMetrics();
  metrics.messages.received("", "request");
  metrics.pipelines.observe("", 1);
  metrics.processes.observe("", 1);
  for (const [counter, { labels }] of Object.entries(COUNTER_NAMES)) {
    metrics.counters.add(counter, "|".repeat(labels.length - 1), 1);
  }
  const own = newProcessMetrics("");
  metrics.add(newTraffic().families);
  metrics.add(() => queueFamilies([{ name: "", events: 0, bytes: 0, down: false }]));
  const spool = { folder: "", target: "", depth: 0, appending: 0, bytes: 0, deadLetters: 0, oldestAtMs: undefined };
  metrics.add(() => spoolFamilies([spool]));
  metrics.add(() => generationFamilies({ number: 1, sinceMs: 0, text: "", oldStreams: 0 }));
  metrics.add(() => serverFamilies(true, 0));
  metrics.add(daemonFamilies);
  metrics.add(own.families);
  const families = metrics.families();
  own.stop();
  return families;
}

function daemonFamilies(): Family[] {
  const counts = newCounts();
  countRequest(counts, 200);
  const problems = { tornTails: 0, segmentsSetAside: 0, entriesLost: 0, diskFailures: 0 };
  const files = { bytes: 0, segments: 1, deadLetters: 0, full: false, problems };
  const state = { depth: 0, inFlight: 0, waiting: 0, oldestAtMs: undefined, ...files };
  return [...countsFamilies(counts), ...durableQueueFamilies(state, 0)];
}

function labelsOf(samples: Family["samples"]): string {
  const names = new Set(samples.flatMap(({ labels }) => labels.map(([name]) => name)));
  return [...names].map((name) => `\`${name}\``).join(", ");
}
