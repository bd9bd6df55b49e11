/** How the process itself is: memory, CPU, and how late its event loop is. Names as Prometheus' own libraries have them. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapSpaceStatistics } from "node:v8";
import type { Family, Sample } from "./exposition.ts";
import { family } from "./metrics.ts";

export type ProcessMetrics = { families(): Family[]; stop(): void };

const RESOLUTION_MS = 20;
const WINDOW_MS = 10_000;

/** `version` is agglo's. */
export function newProcessMetrics(version: string): ProcessMetrics {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let lag = lagOf(delay);
  // The last whole window, whoever asks how often: what happened at the start would hide what happens now.
  const turn = setInterval(() => {
    lag = lagOf(delay);
    delay.reset();
  }, WINDOW_MS);
  turn.unref();
  const startSeconds = Date.now() / 1000 - process.uptime();
  return {
    families: () => [...gauges(version, startSeconds), ...lagFamilies(lag)],
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
    family(
      "gauge",
      "nodejs_young_generation_bytes",
      "What V8 keeps new objects in; it sizes that by itself.",
      youngBytes(),
    ),
    family("gauge", "nodejs_external_memory_bytes", "Memory of buffers.", external),
    family("counter", "process_cpu_seconds_total", "CPU time, user and system.", (user + system) / 1e6),
    family("gauge", "process_start_time_seconds", "Start, in seconds since the Unix epoch.", startSeconds),
  ];
}

/** Both halves of it. */
function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.physical_space_size ?? 0;
}

type Lag = { p50: number; p90: number; p99: number; max: number };

function lagFamilies(lag: Lag): Family[] {
  const over = `over the last whole ${WINDOW_MS / 1000} seconds`;
  return [
    family(
      "gauge",
      "nodejs_eventloop_lag_p50_seconds",
      `How late timers of the event loop were, median ${over}.`,
      lag.p50,
    ),
    family("gauge", "nodejs_eventloop_lag_p90_seconds", `The same, 90 % were less late, ${over}.`, lag.p90),
    family("gauge", "nodejs_eventloop_lag_p99_seconds", `The same, 99 % were less late, ${over}.`, lag.p99),
    family("gauge", "nodejs_eventloop_lag_max_seconds", `The same, the latest ${over}.`, lag.max),
  ];
}

// The histogram holds the whole interval between two ticks, in nanoseconds.
function lagOf(delay: ReturnType<typeof monitorEventLoopDelay>): Lag {
  const late = (ns: number): number => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
  return {
    p50: late(delay.percentile(50)),
    p90: late(delay.percentile(90)),
    p99: late(delay.percentile(99)),
    max: late(delay.max),
  };
}
