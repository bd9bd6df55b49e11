/**
 * The spools of a process, shared by the configurations that name their folders: a reload that points a tee elsewhere sends
 * what its folder holds there. One that nobody names any more keeps what it holds.
 */
import type { Family } from "./exposition.ts";
import { family } from "./metrics.ts";
import {
  closeSpool,
  endSpool,
  offerToSpool,
  openSpool,
  type Spool,
  type SpoolOptions,
  type SpoolRoute,
  type SpoolState,
  spoolState,
} from "./spool.ts";
import type { Queued } from "./system-pool.ts";

/** What one configuration holds. */
export type SpoolLease = {
  /** Takes a copy and returns at once. */
  offer(folder: string, id: string, payload: string): void;
  /** The first step of giving all back: those that nobody else holds give out no more. */
  end(): void;
  /** The second, when their queues have settled what they had. Never rejects. */
  close(): Promise<void>;
};

export type Spools = {
  /** Opens what is not open yet: all of them, or sentences about those that cannot be, and then none is held. */
  acquire(routes: readonly SpoolRoute[]): Promise<SpoolLease | { errors: string[] }>;
  /** copies on disk, by their target's name; they take no memory */
  queued(): Queued[];
  families(): Family[];
};

type Held = { spool: Spool; holders: number };

export function newSpools(options: SpoolOptions): Spools {
  const held = new Map<string, Held>();
  return {
    acquire: (routes) => acquire(held, routes, options),
    queued: () => states(held).map(({ target, depth }) => ({ name: target, events: depth, bytes: 0, down: false })),
    families: () => spoolFamilies(states(held)),
  };
}

function states(held: ReadonlyMap<string, Held>): SpoolState[] {
  return [...held.values()].map(({ spool }) => spoolState(spool));
}

async function acquire(
  held: Map<string, Held>,
  routes: readonly SpoolRoute[],
  options: SpoolOptions,
): Promise<SpoolLease | { errors: string[] }> {
  const mine: Held[] = [];
  const errors: string[] = [];
  for (const route of routes) {
    const folder = route.sending.spool;
    const known = held.get(folder);
    if (known !== undefined) {
      known.holders++;
      mine.push(known);
      continue;
    }
    const spool = await openSpool(folder, route, options);
    if (typeof spool === "string") {
      errors.push(`spool of tee "${route.sending.tee}": ${spool}`);
      continue;
    }
    const opened = { spool, holders: 1 };
    held.set(folder, opened);
    mine.push(opened);
  }
  if (errors.length === 0) for (const [i, one] of mine.entries()) one.spool.route = routes[i] as SpoolRoute;
  let unused: Spool[] = [];
  const end = () => {
    unused = giveBack(held, mine);
    for (const spool of unused) endSpool(spool);
  };
  const close = async () => void (await Promise.all(unused.map(closeSpool)));
  if (errors.length > 0) {
    end();
    await close();
    return { errors };
  }
  const byFolder = new Map(mine.map(({ spool }) => [spool.folder, spool]));
  return { offer: (folder, id, payload) => offerToSpool(byFolder.get(folder) as Spool, id, payload), end, close };
}

/** Those that nobody holds any more. */
function giveBack(held: Map<string, Held>, mine: readonly Held[]): Spool[] {
  const unused: Spool[] = [];
  for (const one of mine) {
    one.holders--;
    if (one.holders > 0) continue;
    held.delete(one.spool.folder);
    unused.push(one.spool);
  }
  return unused;
}

export function spoolFamilies(spools: readonly SpoolState[]): Family[] {
  const gauge = (name: string, help: string, value: (spool: SpoolState) => number) =>
    family(
      "gauge",
      name,
      help,
      spools.map((spool) => [[["spool", spool.folder]], value(spool)] as const),
    );
  return [
    gauge("agglo_spool_writing_events", "Copies on their way to a spool's disk.", ({ appending }) => appending),
    gauge("agglo_spool_bytes", "What a spool takes of its disk.", ({ bytes }) => bytes),
    gauge("agglo_spool_dead_letters", "Copies that their target refused for good.", ({ deadLetters }) => deadLetters),
    gauge(
      "agglo_spool_oldest_timestamp_seconds",
      "When the oldest copy that waits was made, in seconds since the Unix epoch; 0: none waits.",
      ({ oldestAtMs }) => (oldestAtMs ?? 0) / 1000,
    ),
  ];
}
