/** What every server process has behind its doors, whatever traffic it takes: generations, metrics, readiness, the way out. */
import { setFlagsFromString } from "node:v8";
import type { Family } from "./exposition.ts";
import { type Candidate, type Generations, generationFamilies, type Reload, startGenerations } from "./generations.ts";
import { memoryFamilies } from "./memory-metrics.ts";
import type { Metrics } from "./metrics.ts";
import { poolFamilies } from "./pool-metrics.ts";
import { newProcessMetrics } from "./process-metrics.ts";
import { newStanding, type RuntimeOptions, type Standing } from "./standing.ts";
import { queueFamilies } from "./system-pool.ts";

export type HostOptions = RuntimeOptions & {
  /** of the configuration, for messages */
  file: string;
  load(): Candidate;
  /** agglo's, for the metrics */
  version: string;
  /** how long leaving may take, all of it */
  drainMs: number;
};

export type Host = {
  standing: Standing;
  generations: Generations;
  metrics: Metrics;
  /** what operators see of it */
  view: HostView;
  /** From now on it is not ready. */
  leave(): void;
  /** Gives everything back: systems send what they hold for at most so long. */
  close(timeoutMs: number): Promise<void>;
};

export type HostView = {
  isReady(): boolean;
  metrics(): Family[];
  /** the text of the configuration in use, secrets covered */
  configuration(): string;
  /** Reads the configuration anew. Never rejects. */
  reload(): Promise<Reload>;
};

/**
 * How much of its size V8's heap may grow by before all of it is collected. Bodies of a megabyte and more count in that,
 * not being on the heap: at V8's own few megabytes every other one of them had it collected, which held up everybody else
 * for ten milliseconds (bench/PROFILE.md).
 */
const HEAP_GROWING_PERCENT = 200;

/** Rejects with a StartError. */
export async function startHost(options: HostOptions): Promise<Host> {
  const { file, load, drainMs, pool } = options;
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
  const standing = newStanding(options);
  const generations = await startGenerations({ standing, file, load, drainMs });
  const { metrics } = standing;
  const process = newProcessMetrics(options.version);
  metrics.add(process.families);
  metrics.add(() => memoryFamilies(standing.budget));
  if (pool !== undefined) metrics.add(() => poolFamilies(pool));
  metrics.add(standing.spools.families);
  metrics.add(() => [...queueFamilies(standing.systems.queued()), ...generationFamilies(generations.state())]);
  let ready = true;
  return {
    standing,
    generations,
    metrics,
    view: {
      isReady: () => ready,
      metrics: () => metrics.families(),
      configuration: () => standing.secrets.mask(generations.state().text),
      reload: () => generations.reload(),
    },
    leave() {
      ready = false;
    },
    async close(timeoutMs) {
      await generations.close(timeoutMs);
      process.stop();
    },
  };
}
