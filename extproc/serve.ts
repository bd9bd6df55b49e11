/** One ext_proc server process: its listeners, the generations of its configuration, and the way out. */
import { setTimeout as delay } from "node:timers/promises";
import { type HostOptions, type HostView, startHost } from "../engine/runtime/host.ts";
import { memoryForReads } from "./message-state.ts";
import { acceptExchanges } from "./server.ts";
import { newTraffic } from "./traffic.ts";
import type { Listening, Transport } from "./transport.ts";

export type ServeOptions = HostOptions & {
  transport: Transport;
  /** as Transport's `listen` takes them */
  addresses: readonly string[];
};

export type Serving = HostView & {
  addresses: string[];
  /** Leaves without losing an exchange. */
  drain(): Promise<void>;
};

/** Rejects with a StartError, or with an Error that names the address nobody can listen on. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const host = await startHost(options);
  const traffic = newTraffic();
  const accept = traffic.watch(acceptExchanges(host.generations));
  const memory = memoryForReads(host.standing.budget);
  const doors: Listening[] = [];
  try {
    for (const address of options.addresses) doors.push(await options.transport.listen(address, accept, memory));
  } catch (error) {
    await Promise.all(doors.map((door) => door.close()));
    await host.close(0);
    throw error;
  }
  host.metrics.add(traffic.families);
  return {
    ...host.view,
    addresses: doors.map(({ address }) => address),
    async drain() {
      host.leave();
      const endMs = Date.now() + options.drainMs;
      await leave(doors, endMs);
      await host.close(Math.max(0, endMs - Date.now()));
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
