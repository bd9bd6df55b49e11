/** Envoys of a benchmark: the generated configuration, with the filter or without, and what they count. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { loadText } from "../../engine/runtime/configuration.ts";
import { envoyBootstrap } from "../../envoy/bootstrap.ts";
import { EXT_PROC_CLUSTER } from "../../envoy/options.ts";
import { envoyPath } from "../../tools/programs.ts";
import { type Running, scratchFolder, startProcess } from "./processes.ts";
import { AGGLO_CONFIG } from "./work.ts";

export type BenchEnvoy = Running & {
  /** HOST:PORT of the listener */
  address: string;
  /** a counter or gauge of the cluster the ext_proc server is in; 0 when there is none */
  extProcStat(name: string): Promise<number>;
};

export type EnvoyChoice = {
  /** address of the ext_proc server; undefined: Envoy without the filter */
  server: string | undefined;
  upstream: string;
  gracefulClose: boolean;
};

export async function startBenchEnvoy(choice: EnvoyChoice): Promise<BenchEnvoy> {
  const folder = scratchFolder();
  const adminFile = join(folder, "admin");
  await writeFile(join(folder, "envoy.yaml"), configuration(choice));
  const args = ["-c", join(folder, "envoy.yaml"), "--admin-address-path", adminFile, ...ONE_WORKER];
  // The access log, which goes to stdout, is formatted as users have it, but no disk comes into the figures.
  const { running, found: admin } = await startProcess(await envoyPath(), args, () => readyAdmin(adminFile), "ignore");
  const address = await listenerAddress(admin);
  return { ...running, address, extProcStat: (name) => stat(admin, `cluster.${EXT_PROC_CLUSTER}.${name}`) };
}

// One worker, so that on two cores the server has one to itself; it also means one connection to the server.
const ONE_WORKER = ["--disable-hot-restart", "--concurrency", "1", "-l", "warning"];

function configuration({ server, upstream, gracefulClose }: EnvoyChoice): string {
  const { plan } = loadText(AGGLO_CONFIG, "bench");
  if (plan === undefined) throw new Error("the benchmark's own configuration does not compile: see binge lint");
  const listen = server ?? "127.0.0.1:1";
  const generated = envoyBootstrap(plan.routes, { listen, upstream, port: 0, adminPort: 0, gracefulClose });
  return server === undefined ? withoutFilter(generated) : generated;
}

/** The same configuration less ext_proc: its routes, buffers and access log cost the baseline what they cost the others. */
function withoutFilter(generated: string): string {
  const document = parseDocument(generated);
  const manager = ["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config"];
  remove(document, [...manager, "http_filters", 0], "envoy.filters.http.ext_proc");
  remove(document, ["static_resources", "clusters", 0], EXT_PROC_CLUSTER);
  const routes = [...manager, "route_config", "virtual_hosts", 0, "routes"];
  for (let i = 0; document.hasIn([...routes, i]); i++) document.deleteIn([...routes, i, "typed_per_filter_config"]);
  return String(document);
}

function remove(document: ReturnType<typeof parseDocument>, path: (string | number)[], name: string): void {
  const found = document.getIn([...path, "name"]);
  if (found !== name) throw new Error(`the generated configuration has ${String(found)} where ${name} was expected`);
  document.deleteIn(path);
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
