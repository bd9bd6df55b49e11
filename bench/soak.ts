/**
 * `npm run soak [-- --minutes N]`: mixed traffic for half an hour through a real Envoy and two server processes, with reloads.
 * Exit 1 when anything fails, is left over at the end, or memory grows (soak/flatness.ts). More in README.md.
 */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCommand, say } from "./rig/command.ts";
import { startBenchEnvoy } from "./rig/envoy.ts";
import { findLoader, type Loader } from "./rig/load.ts";
import { type Running, scratchFolder, startProcess } from "./rig/processes.ts";
import { withCircumstances, writeResults } from "./rig/results.ts";
import { BINGE, listeningAddress } from "./rig/variants.ts";
import { runClients } from "./soak/clients.ts";
import { leftovers } from "./soak/leftovers.ts";
import { judgeProcesses, sampleMemory } from "./soak/memory.ts";
import { isPassed, printSoak, type Soak } from "./soak/report.ts";
import { configuration, type Steady, steadyTraffic } from "./soak/traffic.ts";

const MINUTES = 30;
const MINUTES_MAX = 24 * 60;
const PROCESSES = 2;
/** At most, of each kind: a second in which nothing moves is none that fails. */
const CONNECTIONS = 100;
const RELOAD_EVERY_MS = 20_000;
/** Does not count: code is compiled, heaps and pools find their size. */
const WARM_UP_SHARE = 1 / 6;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { minutes: { type: "string", default: String(MINUTES) } } });
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= MINUTES_MAX)) throw new Error(`--minutes is a number up to ${MINUTES_MAX}`);
  const loader = await findLoader("go", say);
  const stack = await startStack();
  say(`${minutes} minutes; Ctrl-C ends everything`);
  const soak = await run(minutes, loader, stack);
  const file = await writeResults("soak-", await withCircumstances(soak, loader.name));
  const text = printSoak(soak);
  await writeFile(file.replace(/json$/, "txt"), text);
  process.stdout.write(`${text}\n${file}\n`);
  return isPassed(soak) ? 0 : 1;
}

/** HOST:PORT of the proxy and of the server's admin interface. */
type Stack = {
  proxy: string;
  admin: string;
  pids: { [name: string]: number };
  /** Replaces the file of the configuration. */
  write(version: number): Promise<void>;
};

async function startStack(): Promise<Stack> {
  const upstream = await startListening(new URL("soak/upstream.ts", import.meta.url));
  const endpoint = await startListening(new URL("rig/upstream.ts", import.meta.url)); // answers whatever it gets
  const folder = scratchFolder();
  const file = join(folder, "agglo.json");
  const write = async (version: number) => {
    await writeFile(`${file}.new`, configuration(version, endpoint.address));
    await rename(`${file}.new`, file);
  };
  await write(0);
  const socket = `unix:${join(folder, "agglo.sock")}`;
  const server = await startServer(file, socket);
  const proxy = await startBenchEnvoy({
    config: configuration(0, endpoint.address),
    filter: { server: Array.from({ length: PROCESSES }, (_, i) => (i === 0 ? socket : `${socket}.${i}`)) },
    upstream: upstream.address,
    gracefulClose: false,
  });
  const pids = { ...server.pids, Envoy: proxy.pid };
  return { proxy: proxy.address, admin: server.admin, pids, write };
}

async function startServer(file: string, socket: string) {
  const listen = ["--listen", socket, "--admin", "127.0.0.1:0", "--processes", String(PROCESSES)];
  const args = [BINGE, "extproc", "--config", file, ...listen];
  const { running, found } = await startProcess(process.execPath, args, readServer);
  return { admin: found.admin, pids: { "agglo, main process": running.pid, ...found.pids } };
}

/** undefined: not everything is said yet */
function readServer(said: string): { admin: string; pids: { [name: string]: number } } | undefined {
  const admin = /admin on ([\d.:]+)/.exec(said)?.[1];
  const lines = said.split("\n").filter((line) => line.includes('"ext_proc on'));
  if (admin === undefined || lines.length < PROCESSES) return undefined;
  const logged = lines.map((line) => JSON.parse(line) as { process: number; pid: number });
  return { admin, pids: Object.fromEntries(logged.map((each) => [`agglo, server ${each.process}`, each.pid])) };
}

async function startListening(script: URL): Promise<Running & { address: string }> {
  const { running, found } = await startProcess(process.execPath, [fileURLToPath(script)], listeningAddress);
  return { ...running, address: found };
}

async function run(minutes: number, loader: Loader, { proxy, admin, pids, write }: Stack): Promise<Soak> {
  const seconds = 60 * minutes;
  const until = performance.now() + 1000 * seconds;
  const [steady, clients, samples, reloads] = await Promise.all([
    Promise.all(steadyTraffic().map((kind) => load(loader, proxy, kind, seconds))),
    runClients(proxy, until),
    sampleMemory(pids, admin, until),
    reload(admin, write, until),
  ]);
  const traffic = { ...Object.fromEntries(steady), ...clients };
  const memory = judgeProcesses(samples, WARM_UP_SHARE * seconds);
  return { minutes, reloads, traffic, memory, leftovers: await leftovers(admin) };
}

async function load(loader: Loader, target: string, { name, perSecond, request, expect }: Steady, seconds: number) {
  const open = { rate: perSecond, connections: CONNECTIONS, seconds };
  const { requests, failures, reasons, latencyUs } = await loader.run({ target, work: request, expect, ...open });
  return [name, { requests, failures, reasons, latencyUs }] as const;
}

/** Another configuration now and then, which does the same to the traffic. */
async function reload(admin: string, write: Stack["write"], until: number): Promise<Soak["reloads"]> {
  const outcomes: Soak["reloads"] = {};
  for (let version = 1; performance.now() + RELOAD_EVERY_MS < until; version++) {
    await delay(RELOAD_EVERY_MS);
    await write(version);
    const answer = await fetch(`http://${admin}/-/reload`, { method: "POST" });
    const { outcome } = (await answer.json()) as { outcome: string };
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return outcomes;
}

runCommand("soak", () => main(process.argv.slice(2)));
