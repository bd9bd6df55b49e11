/** What is compared: the servers behind Envoy's ext_proc filter, and Envoy without it. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { buildGo } from "../../tools/go-build.ts";
import { type BenchEnvoy, startBenchEnvoy } from "./envoy.ts";
import { type Running, scratchFolder, startProcess } from "./processes.ts";
import { AGGLO_CONFIG } from "./work.ts";

export const VARIANTS = ["none", "go", "grpc-js", "native"] as const;
export type Variant = (typeof VARIANTS)[number];

export const TITLES: { readonly [variant in Variant]: string } = {
  none: "Envoy, no filter",
  go: "ext_proc in Go",
  "grpc-js": "agglo on grpc-js",
  native: "agglo, own transport",
};

/** How to start each server there is; why the others are left out. */
export type Servers = {
  commands: Map<Variant, { file: string; args: string[] } | undefined>;
  leftOut: Map<Variant, string>;
};

const BINGE = fileURLToPath(new URL("../../cli/binge.ts", import.meta.url));
export const GO_MODULE = fileURLToPath(new URL("../peers/go/", import.meta.url));

export async function findServers(wanted: readonly Variant[]): Promise<Servers> {
  const config = join(scratchFolder(), "agglo.json");
  await writeFile(config, AGGLO_CONFIG);
  const servers: Servers = { commands: new Map(), leftOut: new Map() };
  const { commands, leftOut } = servers;
  const { stdout: help } = await promisify(execFile)(process.execPath, [BINGE, "--help"]);
  const hasChoice = help.includes("--transport");
  const ours = [BINGE, "extproc", "--config", config, "--listen", "127.0.0.1:0"];
  for (const variant of wanted) {
    if (variant === "none") commands.set(variant, undefined);
    if (variant === "grpc-js" || (variant === "native" && hasChoice)) {
      const transport = hasChoice ? ["--transport", variant] : [];
      commands.set(variant, { file: process.execPath, args: [...ours, ...transport] });
    }
    if (variant === "native" && !hasChoice) leftOut.set(variant, "binge extproc knows no --transport yet");
    if (variant === "go") {
      const built = await buildGo(GO_MODULE, "extproc", "bench");
      if ("file" in built) commands.set(variant, { file: built.file, args: ["127.0.0.1:0"] });
      else leftOut.set(variant, built.missing);
    }
  }
  return servers;
}

/** One variant at work: its server, and an Envoy of its own in front. */
export type Stack = {
  variant: Variant;
  envoy: BenchEnvoy;
  server: Running | undefined;
  /** what the upstream must say of every request */
  expect: "original" | "changed";
  stop(): Promise<void>;
};

export async function startStack(
  servers: Servers,
  variant: Variant,
  options: { upstream: string; gracefulClose: boolean },
): Promise<Stack> {
  const command = servers.commands.get(variant);
  const started = command === undefined ? undefined : await startProcess(command.file, command.args, listeningAddress);
  const envoy = await startBenchEnvoy({ server: started?.found, ...options });
  return {
    variant,
    envoy,
    server: started?.running,
    expect: command === undefined ? "original" : "changed",
    stop: async () => {
      await Promise.all([envoy.stop(), started?.running.stop()]);
    },
  };
}

const UPSTREAM = fileURLToPath(new URL("upstream.ts", import.meta.url));

/** The upstream, which answers after `delayMs`. */
export async function startUpstream(delayMs: number): Promise<Running & { address: string }> {
  const { running, found } = await startProcess(process.execPath, [UPSTREAM, String(delayMs)], listeningAddress);
  return { ...running, address: found };
}

/** Our server logs "ext_proc on HOST:PORT", the others print "listening HOST:PORT". */
function listeningAddress(said: string): string | undefined {
  return /(?:listening|ext_proc on) (127\.0\.0\.1:\d+)/.exec(said)?.[1];
}
