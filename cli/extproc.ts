/** `binge extproc`: the ext_proc server for Envoy. */
import { exposition } from "../engine/runtime/exposition.ts";
import { newFileWatch } from "../engine/runtime/file-watch.ts";
import type { Candidate, Reload } from "../engine/runtime/generations.ts";
import { StartError } from "../engine/runtime/runtime.ts";
import type { Log } from "../engine/runtime/standing.ts";
import { type Admin, startAdmin } from "../extproc/admin.ts";
import type { TlsOptions } from "../extproc/grpc/server.ts";
import { type Serving, serve } from "../extproc/serve.ts";
import { newTransport, TRANSPORTS, type TransportName } from "../extproc/transports.ts";
import { choice, count, optionalString, readArguments, requiredString, requiredStrings } from "./arguments.ts";
import { readCandidate } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel, newLog } from "./log.ts";
import { readTls, type TlsFiles, tlsFiles } from "./tls.ts";
import { version } from "./version.ts";

export const EXTPROC_HELP = `binge extproc --config FILE --listen ADDR… [--admin ADDR]
  Serves Envoy's ext_proc protocol with the routes of FILE.
  --listen ADDR    127.0.0.1:50051, [::1]:50051 or unix:/path; may stand several times
  --tls-cert FILE --tls-key FILE    PEM: listeners speak TLS; --tls-client-ca FILE: clients need a certificate it signed
  --admin ADDR     /livez, /readyz, /metrics, /config and POST /-/reload (127.0.0.1:9464)
  --drain-timeout S  seconds that SIGTERM may take (20): health checks hear NOT_SERVING, then open exchanges end, then
                   mirrored events are sent; what is left is cut and counted
  --log-format json|text, --log-level info|warn|error
  --transport NAME native (our own HTTP/2, the default) or grpc-js
  --allow-spawn    processes may run commands for what clients send; without it such a file is refused
  SIGHUP, POST /-/reload and a change of FILE, or of a file that it or --tls-… names, reload: what is wrong is said and
  changes nothing, streams that are open keep what they began with.`;

const OPTIONS = {
  config: { type: "string" },
  listen: { type: "string", multiple: true },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "tls-client-ca": { type: "string" },
  admin: { type: "string" },
  "drain-timeout": { type: "string" },
  "log-format": { type: "string" },
  "log-level": { type: "string" },
  transport: { type: "string" },
  "allow-spawn": { type: "boolean" },
} as const;

type Settings = {
  file: string;
  addresses: string[];
  tls: TlsFiles | undefined;
  admin: string | undefined;
  drainMs: number;
  logFormat: LogFormat;
  logLevel: LogLevel;
  transport: TransportName;
  allowSpawn: boolean;
};

const DRAIN_SECONDS = 20;
const DRAIN_SECONDS_MAX = 3600;

function readSettings(args: readonly string[]): Settings {
  const parsed = readArguments("extproc", args, OPTIONS, false);
  const settings: Settings = {
    file: requiredString("extproc", parsed, "config"),
    addresses: requiredStrings("extproc", parsed, "listen"),
    tls: tlsFiles("extproc", parsed),
    admin: optionalString(parsed, "admin"),
    drainMs: 1000 * count("extproc", parsed, "drain-timeout", DRAIN_SECONDS, DRAIN_SECONDS_MAX),
    logFormat: choice("extproc", parsed, "log-format", LOG_FORMATS, "json"),
    logLevel: choice("extproc", parsed, "log-level", LOG_LEVELS, "info"),
    transport: choice("extproc", parsed, "transport", TRANSPORTS, "native"),
    allowSpawn: parsed.values["allow-spawn"] === true,
  };
  if (settings.tls !== undefined && settings.transport !== "native") {
    throw new Ending(Exit.usage, "binge extproc: TLS is there with --transport native only");
  }
  return settings;
}

export async function extproc(args: readonly string[]): Promise<number> {
  const settings = readSettings(args);
  const log = newLog(settings.logFormat, settings.logLevel, {});
  let reload = async (): Promise<unknown> => undefined; // a file that changes while we start is read in time
  const source = newSource(settings, log, () => void reload());
  const serving = await start(settings, source, log);
  reload = serving.reload;
  const admin = await startAdminOf(settings, serving);
  const ended = terminated(); // before anybody can know of us: a SIGTERM right after the line below is one to drain for
  process.on("SIGHUP", () => void serving.reload());
  for (const address of serving.addresses) log("info", `ext_proc on ${address}, ${source.describe()}`);
  if (admin !== undefined) log("info", `admin on ${admin.address}`);
  await ended;
  log("info", "draining");
  source.close();
  await serving.drain();
  await admin?.close();
  return Exit.ok;
}

/** The files that a server's configuration is made of. */
type Source = {
  load(): Candidate;
  /** the certificates in use */
  tls(): TlsOptions;
  describe(): string;
  close(): void;
};

/** How often files are looked at for changes. */
const WATCH_MS = 1000;

function newSource(settings: Settings, log: Log, onChange: () => void): Source {
  const watch = newFileWatch(WATCH_MS, onChange);
  let tls: TlsOptions | undefined;
  let described = "";
  return {
    load() {
      const files = settings.tls === undefined ? [] : [settings.tls.cert, settings.tls.key];
      if (settings.tls?.clientCa !== undefined) files.push(settings.tls.clientCa);
      const candidate = readCandidate(
        settings.file,
        (line) => log("warn", line),
        (path) => files.push(path),
      );
      watch.set([settings.file, ...files]); // also where something is wrong: it may be what is mended
      if ("complaints" in candidate) return candidate;
      const read = settings.tls === undefined ? undefined : readTls(settings.tls, Date.now());
      if (read !== undefined && "error" in read) return { complaints: read.error };
      const applied = (): void => {
        tls = read?.tls;
        described = describe(candidate.plan.routes);
      };
      return { ...candidate, applied };
    },
    tls() {
      if (tls === undefined) throw new Error("TLS is used that was not asked for"); // our own bug
      return tls;
    },
    describe: () => described,
    close: () => watch.close(),
  };
}

function describe(routes: readonly { name: string }[] | undefined): string {
  if (routes === undefined) return 'no traffic is bound and all of it passes: add an "http" section to bind pipelines';
  return `routes ${routes.map((route) => route.name).join(", ")}`;
}

async function start(settings: Settings, source: Source, log: Log): Promise<Serving> {
  const onBug = (error: unknown): void => {
    log("error", `a bug of ours: ${error instanceof Error ? error.stack : String(error)}`);
  };
  const { file, addresses, allowSpawn, drainMs } = settings;
  const transport = newTransport(settings.transport, onBug, settings.tls === undefined ? undefined : source.tls);
  try {
    return await serve({ transport, addresses, file, load: source.load, drainMs, log, allowSpawn, version: version() });
  } catch (error) {
    source.close();
    if (!(error instanceof StartError)) throw unavailable(error);
    throw new Ending(error.configuration ? Exit.config : Exit.unavailable, error.message);
  }
}

async function startAdminOf({ admin }: Settings, serving: Serving): Promise<Admin | undefined> {
  if (admin === undefined) return undefined;
  try {
    return await startAdmin(admin, {
      isReady: serving.isReady,
      metrics: async () => exposition(serving.metrics()),
      configuration: async () => serving.configuration(),
      reload: (): Promise<Reload> => serving.reload(),
    });
  } catch (error) {
    await serving.drain();
    throw unavailable(error);
  }
}

function unavailable(error: unknown): Ending {
  return new Ending(Exit.unavailable, `binge extproc: ${error instanceof Error ? error.message : String(error)}`);
}

function terminated(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
}
