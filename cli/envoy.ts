/** `binge envoy`: the Envoy configuration that a file's routes need, complete or as parts to paste. */
import { parseAddress } from "../envoy/address.ts";
import { envoyBootstrap } from "../envoy/bootstrap.ts";
import { envoyFilterOnly } from "../envoy/filter-only.ts";
import type { EnvoyTls } from "../envoy/options.ts";
import { type Arguments, count, optionalString, port, readArguments, requiredString } from "./arguments.ts";
import { BINDING_HELP, BINDING_OPTIONS, bindingOf } from "./binding.ts";
import { requireConfiguration } from "./configuration.ts";
import { endpointsOf, PROCESSES_MAX } from "./endpoints.ts";
import { Ending, Exit } from "./exit.ts";

export const ENVOY_HELP = `binge envoy --config FILE [--listen ADDR] [--upstream ADDR] [--processes N] [--port N] [--admin-port N]
            [--filter-only] [--request …] [--response …]
  Prints an Envoy bootstrap for the routes of FILE.
  --listen ADDR    where the ext_proc server listens (127.0.0.1:50051 or unix:/path)
  --processes N    as "binge extproc" has it: an endpoint each
  --tls-ca FILE --tls-name NAME    Envoy speaks TLS to it: who signed its certificate, and the name in that
  --tls-cert FILE --tls-key FILE   what Envoy shows, where the server asks (--tls-client-ca)
  --upstream ADDR  where the traffic goes (127.0.0.1:8080)
  --port N         Envoy's own port (10000)
  --filter-only    only what to paste into a configuration of your own
  ${BINDING_HELP}`;

export async function envoy(args: readonly string[]): Promise<number> {
  const parsed = readArguments("envoy", args, OPTIONS, false);
  const file = requiredString("envoy", parsed, "config");
  const configuration = requireConfiguration(file, (text) => process.stderr.write(text), { bind: bindingOf(parsed) });
  const processes = count("envoy", parsed, "processes", 1, PROCESSES_MAX);
  const tls = readTls(parsed);
  const options = {
    ...(tls === undefined ? {} : { tls }),
    listen: endpointsOf("envoy", address(parsed, "listen", "127.0.0.1:50051"), processes),
    upstream: address(parsed, "upstream", "127.0.0.1:8080"),
    port: port("envoy", parsed, "port", 10_000),
    adminPort: port("envoy", parsed, "admin-port", 9901),
  };
  const generate = parsed.values["filter-only"] === true ? envoyFilterOnly : envoyBootstrap;
  process.stdout.write(generate(configuration.plan.routes, options));
  return Exit.ok;
}

const OPTIONS = {
  config: { type: "string" },
  listen: { type: "string" },
  processes: { type: "string" },
  "tls-ca": { type: "string" },
  "tls-name": { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  upstream: { type: "string" },
  port: { type: "string" },
  "admin-port": { type: "string" },
  "filter-only": { type: "boolean" },
  ...BINDING_OPTIONS,
} as const;

/** undefined: plain text. The files are Envoy's to read, perhaps elsewhere: they are not looked at. */
function readTls(parsed: Arguments): EnvoyTls | undefined {
  const [ca, serverName, cert, key] = ["tls-ca", "tls-name", "tls-cert", "tls-key"].map((name) =>
    optionalString(parsed, name),
  );
  if (ca === undefined && serverName === undefined && cert === undefined && key === undefined) return undefined;
  if (ca === undefined || serverName === undefined || (cert === undefined) !== (key === undefined)) {
    const needs = "TLS needs --tls-ca and --tls-name, and of --tls-cert and --tls-key both or none";
    throw new Ending(Exit.usage, `binge envoy: ${needs}; see binge --help`);
  }
  return cert === undefined || key === undefined ? { ca, serverName } : { ca, serverName, client: { cert, key } };
}

function address(parsed: Arguments, name: string, fallback: string): string {
  const text = optionalString(parsed, name) ?? fallback;
  if (parseAddress(text) !== undefined) return text;
  throw new Ending(Exit.usage, `binge envoy: --${name} is HOST:PORT, [IPv6]:PORT or unix:/path, not "${text}"`);
}
