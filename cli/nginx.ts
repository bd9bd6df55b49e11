/** `binge nginx`: a file's routes as a bundle for njs and the nginx configuration around it. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { printDiagnostics } from "../engine/config/print.ts";
import { hasErrors } from "../engine/core/diagnostic.ts";
import { httpConfig, type NginxOptions, nginxConf, proxyConfig } from "../nginx/config.ts";
import { explain } from "../nginx/explain.ts";
import { serverConfig } from "../nginx/locations.ts";
import { bundledOf, environmentOf, teesOf } from "../nginx/parts.ts";
import { findTargetRefusals } from "../nginx/refusals.ts";
import { findTarget, TARGETS, type Target } from "../nginx/targets.ts";
import { bundle } from "../njs/bundle.ts";
import { type Arguments, optionalString, port, readArguments, requiredString } from "./arguments.ts";
import { type Configuration, requireConfiguration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";

export const NGINX_HELP = `binge nginx --config FILE --target NAME --out DIR [--upstream ADDR] [--port N] [--module PATH]
  Writes the routes of FILE for nginx: agglo.js for njs, and the configuration around it, ready to start.
  --target NAME    ${TARGETS.map((target) => target.name).join(", ")}
  --upstream ADDR  where the traffic goes (127.0.0.1:8080)
  --port N         nginx's own port (10000)
  --module PATH    of ngx_http_js_module.so, where njs is not built in
binge nginx --explain [--target NAME]
  What each process can do there.`;

const OPTIONS = {
  config: { type: "string" },
  target: { type: "string" },
  out: { type: "string" },
  upstream: { type: "string" },
  port: { type: "string" },
  module: { type: "string" },
  explain: { type: "boolean" },
} as const;

export async function nginx(args: readonly string[]): Promise<number> {
  const parsed = readArguments("nginx", args, OPTIONS, false);
  if (parsed.values.explain === true) {
    const name = optionalString(parsed, "target");
    process.stdout.write(explain(name === undefined ? TARGETS : [targetOf(name)]));
    return Exit.ok;
  }
  const target = targetOf(requiredString("nginx", parsed, "target"));
  const out = requiredString("nginx", parsed, "out");
  const configuration = requireConfiguration(requiredString("nginx", parsed, "config"), (text) =>
    process.stderr.write(text),
  );
  const refusals = findTargetRefusals(configuration, configuration.plan, target);
  if (refusals.length > 0) process.stderr.write(`${printDiagnostics(refusals, configuration.document, {})}\n`);
  if (hasErrors({ diagnostics: refusals })) return Exit.config;
  const bytes = await writeNginx(out, configuration, nginxOptions(parsed, configuration, target));
  process.stdout.write(`${out}: agglo/agglo.js, ${(bytes / 1024).toFixed(1)} KB for ${target.name}\n`);
  process.stdout.write(`start it: nginx -p ${out} -c nginx.conf\n`);
  return Exit.ok;
}

function targetOf(name: string): Target {
  const target = findTarget(name);
  if (target !== undefined) return target;
  const names = TARGETS.map((known) => known.name).join(", ");
  throw new Ending(Exit.usage, `binge nginx: --target is one of ${names}, not "${name}"`);
}

function nginxOptions(parsed: Arguments, configuration: Configuration, target: Target): NginxOptions {
  const upstream = optionalString(parsed, "upstream") ?? "127.0.0.1:8080";
  if (!/^(?:unix:\/[^\s;{}"'$]+|[A-Za-z0-9._-]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5})$/.test(upstream)) {
    throw new Ending(Exit.usage, `binge nginx: --upstream is HOST:PORT, [IPv6]:PORT or unix:/path, not "${upstream}"`);
  }
  return {
    target,
    upstream,
    port: port("nginx", parsed, "port", 10_000),
    module: optionalString(parsed, "module") ?? "",
    environment: environmentOf(configuration.plan),
    tees: teesOf(configuration, target),
  };
}

/** Writes everything nginx needs into the folder; how large the bundle is, in bytes. */
export async function writeNginx(out: string, configuration: Configuration, options: NginxOptions): Promise<number> {
  const { plan } = configuration;
  const routes = plan.routes ?? [];
  const script = await bundle(bundledOf(plan, options.tees, options.target));
  const copies = options.tees.filter((tee) => tee.way === "log" && !isAbsolute(tee.target)).map((tee) => tee.target);
  for (const folder of ["logs", "tmp", ...copies]) mkdirSync(join(out, folder), { recursive: true });
  writeText(out, "agglo/agglo.js", script);
  writeText(out, "agglo/http.conf", httpConfig(routes, options));
  writeText(out, "agglo/server.conf", serverConfig(routes, options.tees, options.target.zones));
  // Both are the user's from then on.
  if (!existsSync(join(out, "agglo/proxy.conf"))) writeText(out, "agglo/proxy.conf", proxyConfig());
  writeText(out, "nginx.conf", nginxConf(options));
  return script.length; // ASCII
}

function writeText(out: string, name: string, text: string): void {
  const file = join(out, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
