/** One ext_proc server process: its listeners, the generations of its configuration, and the way out. */
import { setTimeout as delay } from "node:timers/promises";
import type { Family } from "../engine/runtime/exposition.ts";
import { type Candidate, generationFamilies, type Reload, startGenerations } from "../engine/runtime/generations.ts";
import { memoryFamilies } from "../engine/runtime/memory-metrics.ts";
import type { Pool } from "../engine/runtime/pool.ts";
import { poolFamilies } from "../engine/runtime/pool-metrics.ts";
import { newProcessMetrics } from "../engine/runtime/process-metrics.ts";
import { newStanding, type RuntimeOptions } from "../engine/runtime/standing.ts";
import { queueFamilies } from "../engine/runtime/system-pool.ts";
import { acceptExchanges } from "./server.ts";
import { newTraffic } from "./traffic.ts";
import type { Listening, Transport } from "./transport.ts";

export type ServeOptions = RuntimeOptions & {
  transport: Transport;
  /** as Transport's `listen` takes them */
  addresses: readonly string[];
  /** of the configuration, for messages */
  file: string;
  load(): Candidate;
  /** agglo's, for the metrics */
  version: string;
  /** how long leaving may take, all of it */
  drainMs: number;
};

export type Serving = {
  addresses: string[];
  isReady(): boolean;
  metrics(): Family[];
  /** the text of the configuration in use, secrets covered */
  configuration(): string;
  /** Reads the configuration anew. Never rejects. */
  reload(): Promise<Reload>;
  /** Leaves without losing an exchange. */
  drain(): Promise<void>;
};

/** Rejects with a StartError, or with an Error that names the address nobody can listen on. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { file, load, drainMs } = options;
  const standing = newStanding(options);
  const generations = await startGenerations({ standing, file, load, drainMs });
  const traffic = newTraffic();
  const accept = traffic.watch(acceptExchanges(generations));
  const doors: Listening[] = [];
  try {
    for (const address of options.addresses) doors.push(await options.transport.listen(address, accept));
  } catch (error) {
    await Promise.all(doors.map((door) => door.close()));
    await generations.close(0);
    throw error;
  }
  const { metrics } = standing;
  const process = newProcessMetrics(options.version);
  metrics.add(traffic.families);
  metrics.add(process.families);
  metrics.add(() => memoryFamilies(standing.budget));
  if (options.pool !== undefined) metrics.add(() => poolFamilies(options.pool as Pool));
  metrics.add(() => [...queueFamilies(standing.systems.queued()), ...generationFamilies(generations.state())]);
  let ready = true;
  return {
    addresses: doors.map(({ address }) => address),
    isReady: () => ready,
    metrics: () => metrics.families(),
    configuration: () => standing.secrets.mask(generations.state().text),
    reload: () => generations.reload(),
    async drain() {
      ready = false;
      const endMs = Date.now() + drainMs;
      await leave(doors, endMs);
      await generations.close(Math.max(0, endMs - Date.now()));
      process.stop();
    },
  };
}

/**
 * Envoy's generated health check asks every second, and a tenth later at most: after two of them, one of which may be slow
 * on a busy machine, it has stopped sending (facts 17.3).
 */
const NOTICE_MS = 2500;

/** Of the time there is, for noticing and for exchanges that are open; copies that wait for their targets have the rest. */
const NOTICE_SHARE = 0.25;
const EXCHANGE_SHARE = 0.75;

// Two steps: first nobody sends us anything new, then what is under way ends.
async function leave(doors: readonly Listening[], endMs: number): Promise<void> {
  for (const door of doors) door.setServing(false);
  await delay(Math.min(NOTICE_MS, NOTICE_SHARE * (endMs - Date.now())));
  const leftMs = EXCHANGE_SHARE * (endMs - Date.now());
  await Promise.all(doors.map((door) => door.drain(leftMs)));
}
