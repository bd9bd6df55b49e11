/** What is compared: what a user would put in front of an upstream for the work, each started from its own sources. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DebianNginx, debianNginx } from "../../tools/debian-nginx.ts";
import { buildGo } from "../../tools/go-build.ts";
import { type BenchProxy, startBenchEnvoy } from "./envoy.ts";
import { type NginxVariant, startBenchNginx } from "./nginx.ts";
import { type Running, scratchFolder, startProcess } from "./processes.ts";
import type { Expected, Work } from "./work.ts";

export const VARIANTS = ["none", "lua", "go", "grpc-js", "native", "nginx", "nginx-njs", "nginx-hand"] as const;
export type Variant = (typeof VARIANTS)[number];

export const TITLES: { readonly [variant in Variant]: string } = {
  none: "Envoy, no filter",
  lua: "Envoy + Lua",
  go: "ext_proc in Go",
  "grpc-js": "agglo on grpc-js",
  native: "agglo, own transport",
  nginx: "nginx, no script",
  "nginx-njs": "nginx + agglo's njs",
  "nginx-hand": "nginx + njs by hand",
};

export function hasServer(variant: Variant): boolean {
  return variant === "go" || variant === "grpc-js" || variant === "native";
}

/** The variants that can be started here, and why the others cannot. */
export type Variants = {
  there: Variant[];
  leftOut: Map<Variant, string>;
  goServer: string;
  nginx: DebianNginx | undefined;
};

export const BINGE = fileURLToPath(new URL("../../cli/binge.ts", import.meta.url));
export const GO_MODULE = fileURLToPath(new URL("../peers/go/", import.meta.url));

export async function findVariants(wanted: readonly Variant[]): Promise<Variants> {
  const found: Variants = { there: [], leftOut: new Map(), goServer: "", nginx: undefined };
  for (const variant of wanted) {
    const missing = await whyMissing(variant, found);
    if (missing === undefined) found.there.push(variant);
    else found.leftOut.set(variant, missing);
  }
  return found;
}

async function whyMissing(variant: Variant, found: Variants): Promise<string | undefined> {
  if (isNginx(variant)) return await whyNoNginx(found);
  if (variant !== "go") return undefined;
  const built = await buildGo(GO_MODULE, "extproc", "bench");
  if ("missing" in built) return built.missing;
  found.goServer = built.file;
  return undefined;
}

/** The other nginx that can be had, a wheel, is built for size: its figures say nothing. */
async function whyNoNginx(found: Variants): Promise<string | undefined> {
  if (found.nginx !== undefined) return undefined;
  const debian = await debianNginx();
  if ("missing" in debian) return debian.missing;
  found.nginx = debian;
  return undefined;
}

function isNginx(variant: Variant): variant is NginxVariant {
  return variant.startsWith("nginx");
}

/** One variant at one work, ready for traffic: a proxy of its own and, where it has one, its server. */
export type Stack = {
  proxy: BenchProxy;
  server: Running | undefined;
  /** what the client must get of every request */
  expect: Expected;
  stop(): Promise<void>;
};

export type StackOptions = {
  upstream: string;
  /** Envoy ends ext_proc streams with END_STREAM; default: as Envoy does by itself, with a reset */
  gracefulClose?: boolean;
  /** a file for Envoy's access log (bench/rig/envoy.ts) */
  accessLog?: number;
  /** a module that our own server loads first */
  preload?: string;
};

export async function startStack(
  { goServer, nginx }: Variants,
  variant: Variant,
  work: Work,
  options: StackOptions,
): Promise<Stack> {
  const expect = variant === "none" || variant === "nginx" ? work.untouched : work.done;
  if (isNginx(variant) && nginx !== undefined) {
    const proxy = await startBenchNginx(nginx, variant, work, options.upstream);
    return { proxy, server: undefined, expect, stop: () => proxy.stop() };
  }
  const { preload, gracefulClose = false, ...envoy } = options;
  const command = await serverCommand(variant, work, goServer, preload);
  const started = command === undefined ? undefined : await startProcess(command.file, command.args, listeningAddress);
  const filter = started === undefined ? (variant === "lua" ? "lua" : "none") : { server: started.found };
  const proxy = await startBenchEnvoy({ config: work.config, filter, gracefulClose, ...envoy });
  return {
    proxy,
    server: started?.running,
    expect,
    stop: async () => {
      await Promise.all([proxy.stop(), started?.running.stop()]);
    },
  };
}

/** undefined: the variant needs no server. */
async function serverCommand(variant: Variant, work: Work, goServer: string, preload: string | undefined) {
  if (!hasServer(variant)) return undefined;
  if (variant === "go") return { file: goServer, args: ["127.0.0.1:0", work.name] };
  const config = join(scratchFolder(), "agglo.json");
  await writeFile(config, work.config);
  const args = [BINGE, "extproc", "--config", config, "--listen", "127.0.0.1:0", "--transport", variant];
  return { file: process.execPath, args: preload === undefined ? args : ["--import", preload, ...args] };
}

const UPSTREAM = fileURLToPath(new URL("upstream.ts", import.meta.url));

/** The upstream, which answers after `delayMs`. */
export async function startUpstream(delayMs: number): Promise<Running & { address: string }> {
  const { running, found } = await startProcess(process.execPath, [UPSTREAM, String(delayMs)], listeningAddress);
  return { ...running, address: found };
}

/** Our server logs "ext_proc on HOST:PORT", the others print "listening HOST:PORT". */
export function listeningAddress(said: string): string | undefined {
  return /(?:listening|ext_proc on) (127\.0\.0\.1:\d+)/.exec(said)?.[1];
}
