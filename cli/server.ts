/** What every verb that serves has in common: log, files and their changes, pool, admin port, signals, the way out. */
import { type Admin, type Administered, startAdmin } from "../engine/runtime/admin.ts";
import { exposition } from "../engine/runtime/exposition.ts";
import type { HostOptions, HostView } from "../engine/runtime/host.ts";
import type { TlsOptions } from "../engine/runtime/listen.ts";
import { openPool, type Pool, type PoolOptions } from "../engine/runtime/pool.ts";
import { StartError } from "../engine/runtime/runtime.ts";
import type { Log } from "../engine/runtime/standing.ts";
import { Ending, Exit } from "./exit.ts";
import { describeBug, newLog } from "./log.ts";
import type { ServerSettings } from "./server-settings.ts";
import { newSource, type Source, type SourceOptions } from "./source.ts";
import { version } from "./version.ts";

export type Served = HostView & {
  /** Leaves without losing what it has begun. */
  drain(): Promise<void>;
};

/** What files say of a door: asked whenever it is needed, for a reload may change it. */
export type DoorSettings = {
  /** undefined: plain text */
  tls: (() => TlsOptions) | undefined;
  /** what a client has to show; undefined: nothing */
  token(): string | undefined;
};

/** What one verb serves, and how. */
export type Service<One extends Served> = {
  verb: string;
  settings: ServerSettings;
  source: Pick<SourceOptions, "read" | "token" | "applied">;
  /** stand in every line of the log */
  logFields: { [name: string]: string | number };
  /** false: somebody else has the admin port */
  hasAdmin: boolean;
  /** of the pool, where its own do not suit */
  poolLimits: PoolOptions["limits"];
  /** Rejects with a StartError, or with an Error of its door. */
  start(host: HostOptions, door: DoorSettings, onBug: (error: unknown) => void): Promise<One>;
  /** for operators, once it serves */
  describe(serving: One): string[];
  /** what the admin port has of this service alone */
  administered(serving: One): Partial<Administered>;
  ready(serving: One): void;
  /** another reason to end */
  orphaned: Promise<void> | undefined;
};

/** Serves until it is told to end; the exit code. */
export async function runServer<One extends Served>(service: Service<One>): Promise<number> {
  const { settings } = service;
  const log = newLog(settings.logFormat, settings.logLevel, service.logFields);
  let reload = async (): Promise<unknown> => undefined; // a file that changes while we start is read in time
  const onChange = (): void => void reload();
  const source = newSource({ ...service.source, file: settings.file, tls: settings.tls, log, onChange });
  const pool = poolOf(service, log);
  const serving = await start(service, source, log, pool);
  reload = serving.reload;
  const admin = service.hasAdmin ? await openAdmin(service, serving) : undefined;
  const ended = Promise.race([terminated(), crashed(log), ...(service.orphaned ? [service.orphaned] : [])]);
  // From here on we can be known of: a SIGTERM right after the lines below is one to drain for.
  process.on("SIGHUP", () => void serving.reload());
  for (const line of service.describe(serving)) log("info", line);
  if (admin !== undefined) log("info", `admin on ${admin.address}`);
  service.ready(serving);
  const end = await ended;
  log("info", "draining");
  source.close();
  await serving.drain();
  await pool?.close();
  await admin?.close();
  if (process.connected) process.disconnect(); // a child's way to its primary keeps it alive
  return end === "crashed" ? Exit.bug : Exit.ok;
}

function poolOf({ settings: { threads }, poolLimits }: Service<Served>, log: Log): Pool | undefined {
  if (threads === 0) return undefined;
  return openPool({
    limits: { ...poolLimits, ...(threads === undefined ? {} : { threadsMax: threads }) },
    onCrash: (error) => log("error", `a thread of the pool ended: ${error.stack ?? error.message}`),
  });
}

async function start<One extends Served>(
  service: Service<One>,
  source: Source,
  log: Log,
  pool: Pool | undefined,
): Promise<One> {
  const { file, allowSpawn, drainMs, memoryBytes, tls } = service.settings;
  const pooled = pool === undefined ? {} : { pool };
  const host = { file, load: source.load, drainMs, log, allowSpawn, memoryBytes, version: version(), ...pooled };
  const onBug = (error: unknown): void => log("error", describeBug(error));
  try {
    const door = { tls: tls === undefined ? undefined : source.tls, token: source.token };
    return await service.start(host, door, onBug);
  } catch (error) {
    source.close();
    if (!(error instanceof StartError)) throw unavailable(service.verb, error);
    throw new Ending(error.configuration ? Exit.config : Exit.unavailable, error.message);
  }
}

async function openAdmin<One extends Served>(service: Service<One>, serving: One): Promise<Admin | undefined> {
  const { admin } = service.settings;
  if (admin === undefined) return undefined;
  try {
    return await startAdmin(admin, {
      isReady: serving.isReady,
      metrics: async () => exposition(serving.metrics()),
      configuration: async () => serving.configuration(),
      reload: serving.reload,
      ...service.administered(serving),
    });
  } catch (error) {
    await serving.drain();
    throw unavailable(service.verb, error);
  }
}

export function unavailable(verb: string, error: unknown): Ending {
  return new Ending(Exit.unavailable, `binge ${verb}: ${error instanceof Error ? error.message : String(error)}`);
}

/** A bug that no call can be blamed for: what is open ends as well as it can, and a supervisor starts us anew. */
function crashed(log: Log): Promise<"crashed"> {
  return new Promise((resolve) => {
    process.once("uncaughtException", (error) => {
      log("error", describeBug(error));
      resolve("crashed");
    });
  });
}

/**
 * Told to end. SIGTERM may come again, and does: from a supervisor that tells every process, and from our own primary. It
 * changes nothing; a second SIGINT, from somebody at a terminal, ends at once.
 */
export function terminated(): Promise<void> {
  return new Promise((resolve) => {
    process.on("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
}
