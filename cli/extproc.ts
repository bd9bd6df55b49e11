/** `binge extproc`: the ext_proc server for Envoy. */
import { childOf } from "../extproc/child.ts";
import { TRANSPORTS, type TransportName } from "../extproc/transports.ts";
import { choice, count, readArguments, requiredStrings } from "./arguments.ts";
import { BINDING_HELP, BINDING_OPTIONS, bindingOf } from "./binding.ts";
import { PROCESSES_MAX } from "./endpoints.ts";
import { Ending, Exit } from "./exit.ts";
import { runPrimary } from "./extproc-primary.ts";
import { runExtproc } from "./extproc-server.ts";
import { SERVER_OPTIONS, type ServerSettings, serverSettings } from "./server-settings.ts";

export const EXTPROC_HELP = `binge extproc --config FILE --listen ADDR… [--admin ADDR] [--request …] [--response …]
  Serves Envoy's ext_proc protocol with the routes of FILE.
  --listen ADDR    127.0.0.1:50051, [::1]:50051 or unix:/path; may stand several times
  --tls-cert FILE --tls-key FILE    PEM: listeners speak TLS; --tls-client-ca FILE: clients need a certificate it signed
  --admin ADDR     /livez, /readyz, /metrics, /config and POST /-/reload (127.0.0.1:9464)
  --processes N    N server processes with an endpoint each: ports from the given one on; of unix:/path the others are
                   /path.1, /path.2 …; one that ends is replaced, counts and joins in mem: are kept for all of them
  --drain-timeout S  seconds that SIGTERM may take (20): health checks hear NOT_SERVING, then open exchanges end, then
                   mirrored events are sent; what is left is cut and counted
  --log-format json|text, --log-level info|warn|error
  --transport NAME native (our own HTTP/2, the default) or grpc-js
  --threads N      threads for bodies that take long, so that they hold up no others; 0: none. Default: one less than
                   there are cores, 1 to 4
  --memory SIZE    what it may hold for others, at least 16MiB (256MiB); copies that wait take a quarter at most
  ${BINDING_HELP}
  --allow-spawn    processes may run commands for what clients send; without it such a file is refused
  SIGHUP, POST /-/reload and a change of FILE, or of a file that it or --tls-… names, reload: what is wrong is said and
  changes nothing, streams that are open keep what they began with; a second change waits for them, --drain-timeout long.`;

const OPTIONS = {
  ...SERVER_OPTIONS,
  ...BINDING_OPTIONS,
  listen: { type: "string", multiple: true },
  processes: { type: "string" },
  transport: { type: "string" },
} as const;

export type Settings = ServerSettings & {
  bind: ReturnType<typeof bindingOf>;
  addresses: string[];
  processes: number;
  transport: TransportName;
};

function readSettings(args: readonly string[]): Settings {
  const parsed = readArguments("extproc", args, OPTIONS, false);
  const settings: Settings = {
    ...serverSettings("extproc", parsed),
    bind: bindingOf(parsed),
    addresses: requiredStrings("extproc", parsed, "listen"),
    processes: count("extproc", parsed, "processes", 1, PROCESSES_MAX),
    transport: choice("extproc", parsed, "transport", TRANSPORTS, "native"),
  };
  if (settings.tls !== undefined && settings.transport !== "native") {
    throw new Ending(Exit.usage, "binge extproc: TLS is there with --transport native only");
  }
  return settings;
}

export async function extproc(args: readonly string[]): Promise<number> {
  const settings = readSettings(args);
  const child = childOf(process);
  if (child === undefined && settings.processes > 1) return runPrimary(settings, args);
  return runExtproc(settings, child);
}
