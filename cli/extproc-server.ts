/** `binge extproc`, one process of it: configuration, certificates, listeners, signals. */
import { messageBytesMax } from "../engine/core/routes/needs.ts";
import { type Admin, startAdmin } from "../engine/runtime/admin.ts";
import { exposition } from "../engine/runtime/exposition.ts";
import { newFileWatch } from "../engine/runtime/file-watch.ts";
import type { Candidate } from "../engine/runtime/generations.ts";
import type { TlsOptions } from "../engine/runtime/listen.ts";
import { openPool, type Pool } from "../engine/runtime/pool.ts";
import { StartError } from "../engine/runtime/runtime.ts";
import type { Log } from "../engine/runtime/standing.ts";
import type { Child } from "../extproc/child.ts";
import { type Serving, serve } from "../extproc/serve.ts";
import { newTransport } from "../extproc/transports.ts";
import { describeBinding } from "./binding.ts";
import { readCandidate } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";
import type { Settings } from "./extproc.ts";
import { describeBug, newLog } from "./log.ts";
import { readTls, type TlsFiles } from "./tls.ts";
import { version } from "./version.ts";

/** Serves until it is told to end. `child`: it is one of several, and somebody else has the admin port. */
export async function runServer(settings: Settings, child: Child | undefined): Promise<number> {
  const log = newLog(settings.logFormat, settings.logLevel, child === undefined ? {} : { process: child.index });
  let reload = async (): Promise<unknown> => undefined; // a file that changes while we start is read in time
  const source = newSource(settings, log, () => void reload());
  const pool = poolOf(settings, log);
  const serving = await start(settings, source, log, child, pool);
  reload = serving.reload;
  const admin = child === undefined ? await openAdmin(settings, serving) : undefined;
  const ended = Promise.race([terminated(), crashed(log), ...(child === undefined ? [] : [child.orphaned])]);
  // From here on we can be known of: a SIGTERM right after the lines below is one to drain for.
  process.on("SIGHUP", () => void serving.reload());
  for (const address of serving.addresses) log("info", `ext_proc on ${address}, ${source.describe()}`);
  if (admin !== undefined) log("info", `admin on ${admin.address}`);
  child?.ready(serving);
  const end = await ended;
  log("info", "draining");
  source.close();
  await serving.drain();
  await pool?.close();
  await admin?.close();
  if (process.connected) process.disconnect(); // a child's way to its primary keeps it alive
  return end === "crashed" ? Exit.bug : Exit.ok;
}

/** The files that a server's configuration is made of. */
type Source = {
  load(): Candidate;
  /** the certificates in use */
  tls(): TlsOptions;
  /** of the largest message that the routes in use may bring */
  bytesMax(): number;
  describe(): string;
  close(): void;
};

/** How often files are looked at for changes. */
const WATCH_MS = 1000;

function newSource(settings: Settings, log: Log, onChange: () => void): Source {
  const watch = newFileWatch(WATCH_MS, onChange);
  let tls: TlsOptions | undefined;
  let described = "";
  let bytesMax = 0;
  return {
    load() {
      watch.reset();
      for (const file of [settings.file, ...namesOf(settings.tls)]) watch.add(file);
      const candidate = readCandidate(settings.file, { bind: settings.bind, onFile: watch.add }, (line) =>
        log("warn", line),
      );
      if ("complaints" in candidate) return candidate;
      for (const file of secretFiles(candidate.plan.secrets)) watch.add(file); // read when the plan is put to work
      const read = settings.tls === undefined ? undefined : readTls(settings.tls, Date.now());
      if (read !== undefined && "error" in read) return { complaints: read.error };
      const applied = (): void => {
        tls = read?.tls;
        described = describeBinding(candidate.plan);
        bytesMax = messageBytesMax(candidate.plan.routes ?? []);
      };
      return { ...candidate, applied };
    },
    tls() {
      if (tls === undefined) throw new Error("TLS is used that was not asked for"); // our own bug
      return tls;
    },
    bytesMax: () => bytesMax,
    describe: () => described,
    close: () => watch.close(),
  };
}

function namesOf(tls: TlsFiles | undefined): string[] {
  if (tls === undefined) return [];
  return tls.clientCa === undefined ? [tls.cert, tls.key] : [tls.cert, tls.key, tls.clientCa];
}

/** Of references like `${file:/run/secrets/key}`. */
function secretFiles(references: readonly string[]): string[] {
  return references.flatMap((reference) => /^\$\{file:([^}]+)\}$/.exec(reference)?.slice(1) ?? []);
}

function poolOf({ threads }: Settings, log: Log): Pool | undefined {
  if (threads === 0) return undefined;
  return openPool({
    limits: threads === undefined ? {} : { threadsMax: threads },
    onCrash: (error) => log("error", `a thread of the pool ended: ${error.stack ?? error.message}`),
  });
}

async function start(
  settings: Settings,
  source: Source,
  log: Log,
  child: Child | undefined,
  pool: Pool | undefined,
): Promise<Serving> {
  const onBug = (error: unknown): void => log("error", describeBug(error));
  const { file, allowSpawn, drainMs, memoryBytes } = settings;
  const pooled = pool === undefined ? {} : { pool };
  const options = { file, load: source.load, drainMs, log, allowSpawn, memoryBytes, version: version(), ...pooled };
  const of =
    child === undefined ? { addresses: settings.addresses } : { addresses: child.addresses, stores: child.stores };
  const secure = settings.tls === undefined ? {} : { tls: source.tls };
  const transport = newTransport(settings.transport, { onBug, bytesMax: source.bytesMax, ...secure });
  try {
    return await serve({ ...options, ...of, transport });
  } catch (error) {
    source.close();
    if (!(error instanceof StartError)) throw unavailable(error);
    throw new Ending(error.configuration ? Exit.config : Exit.unavailable, error.message);
  }
}

async function openAdmin({ admin }: Settings, serving: Serving): Promise<Admin | undefined> {
  if (admin === undefined) return undefined;
  try {
    return await startAdmin(admin, {
      isReady: serving.isReady,
      metrics: async () => exposition(serving.metrics()),
      configuration: async () => serving.configuration(),
      reload: serving.reload,
    });
  } catch (error) {
    await serving.drain();
    throw unavailable(error);
  }
}

export function unavailable(error: unknown): Ending {
  return new Ending(Exit.unavailable, `binge extproc: ${error instanceof Error ? error.message : String(error)}`);
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
