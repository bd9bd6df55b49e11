/** One daemon: its door for events, the generations of its configuration, and the way out. */
import type { AdminPage } from "../engine/runtime/admin.ts";
import type { Candidate } from "../engine/runtime/generations.ts";
import { type Host, type HostOptions, type HostView, startHost } from "../engine/runtime/host.ts";
import { checkpointsPage } from "./checkpoints.ts";
import { type Counts, countsFamilies, newCounts } from "./counts.ts";
import { type Door, type DoorOptions, openDoor } from "./door.ts";
import { openQueue, type Queue, type QueueOptions } from "./queue.ts";
import { newRequests, type RequestOptions } from "./requests.ts";
import { runAtOnce } from "./stateless.ts";

export type ServeOptions = HostOptions &
  DoorOptions &
  Pick<RequestOptions, "path" | "token" | "bodyBytesMax" | "inProgressMax"> & {
    /** events are kept on disk and run later; undefined: they are run at once */
    queue: Omit<QueueOptions, "payloadBytesMax"> | undefined;
  };

export type Serving = HostView & {
  address: string;
  /** what the admin port has beside what every server has */
  pages: { readonly [path: string]: AdminPage };
  /** Answers what has come, then ends. */
  drain(): Promise<void>;
};

/** Of the time there is, for requests and what a queue has in flight; the systems have the rest. */
const REQUEST_SHARE = 0.4;
const QUEUE_SHARE = 0.4;

/** Rejects with a StartError, or with an Error that names the address nobody can listen on. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { drainMs, onBug } = options;
  const host = await startHost({ ...options, tees: "direct", load: () => withoutCommands(options) });
  const counts = newCounts();
  let leaving = false;
  let queue: Queue | undefined;
  let door: Door;
  try {
    queue = await queueOf(options, host, counts);
    const take = queue?.take ?? runAtOnce(host.generations, counts);
    const isLeaving = () => leaving;
    door = await openDoor(
      options,
      newRequests({ ...options, take, counts, budget: host.standing.budget, isLeaving, onBug }),
    );
  } catch (error) {
    await queue?.close(0);
    await host.close(0);
    throw error;
  }
  host.metrics.add(() => [...countsFamilies(counts), ...(queue?.families() ?? [])]);
  return {
    ...host.view,
    address: door.address,
    pages: {
      "/checkpoints": checkpointsPage(host.generations),
      ...(queue === undefined ? {} : { "/queue": queue.page }),
    },
    async drain() {
      leaving = true;
      host.leave();
      const endMs = Date.now() + drainMs;
      await door.drain(REQUEST_SHARE * drainMs);
      await queue?.close(QUEUE_SHARE * drainMs);
      await host.close(Math.max(0, endMs - Date.now()));
    },
  };
}

async function queueOf(
  { queue, bodyBytesMax, onBug }: ServeOptions,
  host: Host,
  counts: Counts,
): Promise<Queue | undefined> {
  if (queue === undefined) return undefined;
  return openQueue({ ...queue, payloadBytesMax: bodyBytesMax }, host, counts, onBug);
}

// Every pipeline runs for what clients send, so all are asked, not those of routes alone.
function withoutCommands({ load, allowSpawn }: ServeOptions): Candidate {
  const candidate = load();
  if (allowSpawn === true || "complaints" in candidate) return candidate;
  const names = candidate.plan.steps.filter((step) => step.spawns).map((step) => `"${step.name}"`);
  if (names.length === 0) return candidate;
  const list = [...new Set(names)].join(", ");
  return { complaints: `${list} would run commands for what clients send: allow it with --allow-spawn` };
}
