/** `binge extproc` as a process of its own, with several server processes, behind a real Envoy. */
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBinge } from "../../../cli/testing.ts";
import { loadConfig } from "../../../engine/config/load.ts";
import { re2Regexps } from "../../../engine/runtime/regexps.ts";
import { readExposition } from "../../../engine/runtime/testing/exposition-reader.ts";
import { findSystem } from "../../../engine/systems/registry.ts";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { transportUnderTest } from "../../../tools/start/stack.ts";
import { startUpstream, type Upstream } from "../../../tools/start/upstream.ts";

export type Servers = {
  envoy: RunningEnvoy;
  upstream: Upstream;
  /** of the server processes that serve now, by their number */
  pids(): number[];
  /** values of /metrics by series */
  metrics(): Promise<Map<string, number>>;
  /** how many of them Envoy thinks healthy */
  healthy(): Promise<number>;
  /** POST /-/reload */
  reload(): Promise<{ status: number; outcome: string; message: string }>;
  /** Replaces the configuration's file, at once. */
  write(config: object): Promise<void>;
  /** everything that the servers have logged */
  log(): { [key: string]: unknown }[];
  /** the main process */
  server: ReturnType<typeof startBinge>;
  stop(): Promise<void>;
};

/** `more`: arguments of `binge extproc` besides. */
export async function startServers(config: object, processes: number, more: string[] = []): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), "agglo-servers-"));
  const file = join(folder, "config.json");
  const write = async (changed: object) => {
    await writeFile(`${file}.new`, JSON.stringify(changed));
    await rename(`${file}.new`, file);
  };
  await write(config);
  const socket = `unix:${join(folder, "agglo.sock")}`;
  const several = ["--processes", String(processes), "--transport", transportUnderTest()];
  const args = ["extproc", "--config", file, "--listen", socket, "--admin", "127.0.0.1:0", ...several, ...more];
  const server = startBinge(args, folder);
  let output = await server.said("admin on");
  server.child.stderr?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const log = () =>
    output
      .split("\n")
      .slice(0, -1) // the last one may still be on its way
      .map((line) => JSON.parse(line) as Line);
  const admin = `http://${/admin on ([\d.:]+)/.exec(output)?.[1]}`;
  const upstream = await startUpstream();
  const { plan } = loadConfig(JSON.stringify(config), { file, regexps: re2Regexps(), systemForm: findSystem });
  const listen = Array.from({ length: processes }, (_, i) => (i === 0 ? socket : `${socket}.${i}`));
  const envoy = await startEnvoy(
    envoyBootstrap(plan?.routes ?? [], { listen, upstream: upstream.address, port: 0, adminPort: 0 }),
  );
  return {
    envoy,
    upstream,
    server,
    log,
    write,
    pids: () => pidsOf(log(), processes),
    metrics: async () => readExposition(await (await fetch(`${admin}/metrics`)).text()),
    async healthy() {
      const stats = await fetch(`http://${envoy.admin}/stats?filter=cluster.agglo_ext_proc.membership_healthy`);
      return Number(/membership_healthy: (\d+)/.exec(await stats.text())?.[1]);
    },
    async reload() {
      const answer = await fetch(`${admin}/-/reload`, { method: "POST" });
      return { status: answer.status, ...((await answer.json()) as { outcome: string; message: string }) };
    },
    async stop() {
      await envoy.stop();
      server.child.kill("SIGTERM");
      await server.ended;
      await upstream.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Line = { [key: string]: unknown };

/** Each process says where it serves when it does: the last one to say so is the one there is. */
function pidsOf(lines: readonly Line[], processes: number): number[] {
  const pids = new Array<number>(processes).fill(0);
  for (const line of lines) {
    if (typeof line.process === "number" && String(line.msg).startsWith("ext_proc on"))
      pids[line.process] = Number(line.pid);
  }
  return pids;
}
