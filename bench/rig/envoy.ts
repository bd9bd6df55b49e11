/** Envoys of a benchmark: the generated configuration, with the filter, with Lua in its place or with neither. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { loadText } from "../../engine/runtime/configuration.ts";
import { envoyBootstrap } from "../../envoy/bootstrap.ts";
import { EXT_PROC_CLUSTER } from "../../envoy/options.ts";
import { envoyPath } from "../../tools/programs.ts";
import { type Running, scratchFolder, startProcess } from "./processes.ts";

/** What traffic goes through: an Envoy or an nginx. */
export type BenchProxy = Running & {
  /** HOST:PORT it listens on */
  address: string;
  /** a counter or gauge of Envoy's cluster with the ext_proc server; 0 when there is none */
  extProcStat(name: string): Promise<number>;
};

export type EnvoyChoice = {
  /** configuration of agglo, whose routes and modes are Envoy's */
  config: string;
  /** addresses of the ext_proc server, one per process; or what is in place of the filter */
  filter: { server: string | readonly string[] } | "lua" | "none";
  upstream: string;
  gracefulClose: boolean;
  /** descriptor of the file its access log goes to; undefined: formatted as users have it, but no disk comes into the figures */
  accessLog?: number;
};

export async function startBenchEnvoy(choice: EnvoyChoice): Promise<BenchProxy> {
  const folder = scratchFolder();
  const adminFile = join(folder, "admin");
  await writeFile(join(folder, "envoy.yaml"), configuration(choice));
  const args = ["-c", join(folder, "envoy.yaml"), "--admin-address-path", adminFile, ...ONE_WORKER];
  const ready = () => readyAdmin(adminFile);
  const { running, found: admin } = await startProcess(await envoyPath(), args, ready, choice.accessLog ?? "ignore");
  const address = await listenerAddress(admin);
  return { ...running, address, extProcStat: (name) => stat(admin, `cluster.${EXT_PROC_CLUSTER}.${name}`) };
}

// One worker, so that on two cores the server has one to itself; it also means one connection to the server.
const ONE_WORKER = ["--disable-hot-restart", "--concurrency", "1", "-l", "warning"];

function configuration({ config, filter, upstream, gracefulClose }: EnvoyChoice): string {
  const { plan } = loadText(config, "bench");
  if (plan === undefined) throw new Error("the benchmark's own configuration does not compile: see binge lint");
  const listen = typeof filter === "string" ? "127.0.0.1:1" : filter.server;
  const generated = envoyBootstrap(plan.routes, { listen, upstream, port: 0, adminPort: 0, gracefulClose });
  return typeof filter === "string" ? withoutExtProc(generated, filter === "lua" ? [luaFilter()] : []) : generated;
}

type Named = { name: string };
type Manager = {
  http_filters: Named[];
  route_config: { virtual_hosts: { routes: { typed_per_filter_config?: object }[] }[] };
};
/** What is looked at of the generated configuration. */
type Bootstrap = {
  static_resources: {
    listeners: { filter_chains: { filters: { typed_config: Manager }[] }[] }[];
    clusters: Named[];
  };
};

/** The same configuration less ext_proc: its routes, buffers and access log cost the baseline what they cost the others. */
function withoutExtProc(generated: string, instead: readonly Named[]): string {
  const bootstrap = parse(generated) as Bootstrap;
  const { listeners, clusters } = bootstrap.static_resources;
  const manager = listeners[0]?.filter_chains[0]?.filters[0]?.typed_config as Manager; // there is one: it has just been made
  const router = manager.http_filters.filter(({ name }) => name === "envoy.filters.http.router");
  manager.http_filters = [...instead, ...router];
  bootstrap.static_resources.clusters = clusters.filter(({ name }) => name !== EXT_PROC_CLUSTER);
  for (const { routes } of manager.route_config.virtual_hosts) {
    for (const route of routes) delete route.typed_per_filter_config;
  }
  return JSON.stringify(bootstrap, undefined, 2); // which is YAML
}

const LUA_SCRIPT = fileURLToPath(new URL("../peers/lua/rewrite.lua", import.meta.url));

function luaFilter(): Named & { typed_config: object } {
  return {
    name: "envoy.filters.http.lua",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
      default_source_code: { filename: LUA_SCRIPT },
    },
  };
}

async function readyAdmin(file: string): Promise<string | undefined> {
  const admin = (await readFile(file, "utf8").catch(() => "")).trim();
  if (admin === "") return undefined;
  const ready = await fetch(`http://${admin}/ready`).catch(() => undefined);
  return ready?.status === 200 ? admin : undefined;
}

async function listenerAddress(admin: string): Promise<string> {
  const text = await (await fetch(`http://${admin}/listeners`)).text(); // "agglo::127.0.0.1:PORT"
  const address = /::(127\.0\.0\.1:\d+)/.exec(text)?.[1];
  if (address === undefined) throw new Error(`Envoy has no listener: ${text}`);
  return address;
}

async function stat(admin: string, name: string): Promise<number> {
  const text = await (await fetch(`http://${admin}/stats?filter=^${name.replaceAll(".", "\\.")}$`)).text();
  return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
}
