/** `binge envoy`: the Envoy configuration that a file's routes need, complete or as parts to paste. */
import { parseAddress } from "../envoy/address.ts";
import { envoyBootstrap } from "../envoy/bootstrap.ts";
import { envoyFilterOnly } from "../envoy/filter-only.ts";
import { type Arguments, optionalString, port, readArguments, requiredString } from "./arguments.ts";
import { BINDING_HELP, BINDING_OPTIONS, bindingOf } from "./binding.ts";
import { requireConfiguration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";

export const ENVOY_HELP = `binge envoy --config FILE [--listen ADDR] [--upstream ADDR] [--port N] [--admin-port N] [--filter-only] [--request …] [--response …]
  Prints an Envoy bootstrap for the routes of FILE.
  --listen ADDR    where the ext_proc server listens (127.0.0.1:50051 or unix:/path)
  --upstream ADDR  where the traffic goes (127.0.0.1:8080)
  --port N         Envoy's own port (10000)
  --filter-only    only what to paste into a configuration of your own
  ${BINDING_HELP}`;

export async function envoy(args: readonly string[]): Promise<number> {
  const parsed = readArguments("envoy", args, OPTIONS, false);
  const file = requiredString("envoy", parsed, "config");
  const configuration = requireConfiguration(file, (text) => process.stderr.write(text), { bind: bindingOf(parsed) });
  const options = {
    listen: address(parsed, "listen", "127.0.0.1:50051"),
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
  upstream: { type: "string" },
  port: { type: "string" },
  "admin-port": { type: "string" },
  "filter-only": { type: "boolean" },
  ...BINDING_OPTIONS,
} as const;

function address(parsed: Arguments, name: string, fallback: string): string {
  const text = optionalString(parsed, name) ?? fallback;
  if (parseAddress(text) !== undefined) return text;
  throw new Ending(Exit.usage, `binge envoy: --${name} is HOST:PORT, [IPv6]:PORT or unix:/path, not "${text}"`);
}
