/** How the process itself is: memory, CPU, and how late its event loop is. Names as Prometheus' own libraries have them. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Family, Sample } from "./exposition.ts";
import { family } from "./metrics.ts";

export type ProcessMetrics = { families(): Family[]; stop(): void };

const RESOLUTION_MS = 20;
const WINDOW_MS = 10_000;
const QUANTILES = [0.5, 0.9, 0.99];

/** `version` is agglo's. */
export function newProcessMetrics(version: string): ProcessMetrics {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let samples = delaySamples(delay);
  // The last whole window, whoever asks how often: what happened at the start would hide what happens now.
  const turn = setInterval(() => {
    samples = delaySamples(delay);
    delay.reset();
  }, WINDOW_MS);
  turn.unref();
  const startSeconds = Date.now() / 1000 - process.uptime();
  return {
    families: () => [...gauges(version, startSeconds), loopDelay(samples)],
    stop() {
      clearInterval(turn);
      delay.disable();
    },
  };
}

function gauges(version: string, startSeconds: number): Family[] {
  const { rss, heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const info: Sample["labels"] = [
    ["version", version],
    ["node", process.version],
  ];
  return [
    family("gauge", "agglo_build_info", "What runs here.", [[info, 1]]),
    family("gauge", "process_resident_memory_bytes", "Resident memory.", rss),
    family("gauge", "nodejs_heap_size_used_bytes", "JavaScript heap in use.", heapUsed),
    family("gauge", "nodejs_external_memory_bytes", "Memory of buffers.", external),
    family("counter", "process_cpu_seconds_total", "CPU time, user and system.", (user + system) / 1e6),
    family("gauge", "process_start_time_seconds", "Start, in seconds since the Unix epoch.", startSeconds),
  ];
}

function loopDelay(samples: readonly Sample[]): Family {
  const help = `How late timers of the event loop were, over the last whole ${WINDOW_MS / 1000} seconds.`;
  return { name: "agglo_event_loop_delay_seconds", help, type: "gauge", samples };
}

// The histogram holds the whole interval between two ticks, in nanoseconds; 0 and a huge minimum while it is empty.
function delaySamples(delay: ReturnType<typeof monitorEventLoopDelay>): Sample[] {
  const late = (ns: number): number => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
  const samples = QUANTILES.map((quantile) => sample(String(quantile), late(delay.percentile(quantile * 100))));
  return [...samples, sample("1", late(delay.max))];
}

function sample(quantile: string, value: number): Sample {
  return { suffix: "", labels: [["quantile", quantile]], value };
}
