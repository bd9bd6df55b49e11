/** One daemon: its door for events, the generations of its configuration, and the way out. */
import type { AdminPage } from "../engine/runtime/admin.ts";
import type { Candidate } from "../engine/runtime/generations.ts";
import { type HostOptions, type HostView, startHost } from "../engine/runtime/host.ts";
import { checkpointsPage } from "./checkpoints.ts";
import { countsFamilies, newCounts } from "./counts.ts";
import { type DoorOptions, openDoor } from "./door.ts";
import { newRequests, type RequestOptions } from "./requests.ts";
import { runAtOnce } from "./stateless.ts";

export type ServeOptions = HostOptions &
  DoorOptions &
  Pick<RequestOptions, "path" | "token" | "bodyBytesMax" | "inProgressMax">;

export type Serving = HostView & {
  address: string;
  /** what the admin port has beside what every server has */
  pages: { readonly [path: string]: AdminPage };
  /** Answers what has come, then ends. */
  drain(): Promise<void>;
};

/** Of the time there is, for requests; the systems have the rest. */
const REQUEST_SHARE = 0.75;

/** Rejects with a StartError, or with an Error that names the address nobody can listen on. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const host = await startHost({ ...options, tees: "direct", load: () => withoutCommands(options) });
  const counts = newCounts();
  let leaving = false;
  const take = runAtOnce(host.generations, counts);
  const onRequest = newRequests({ ...options, take, counts, budget: host.standing.budget, isLeaving: () => leaving });
  const door = await openDoor(options, onRequest).catch(async (error: unknown) => {
    await host.close(0);
    throw error;
  });
  host.metrics.add(() => countsFamilies(counts));
  return {
    ...host.view,
    address: door.address,
    pages: { "/checkpoints": checkpointsPage(host.generations) },
    async drain() {
      leaving = true;
      host.leave();
      const endMs = Date.now() + options.drainMs;
      await door.drain(REQUEST_SHARE * options.drainMs);
      await host.close(Math.max(0, endMs - Date.now()));
    },
  };
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
