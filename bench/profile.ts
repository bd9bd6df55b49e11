/**
 * `npm run bench:profile`: where the time of a 1 KB rewrite goes, on our own transport, saturated. CPU of each process; our
 * server's functions by V8's profiler; Envoy's by perf and system calls by strace, where those are there. What was found and
 * done about it: bench/PROFILE.md. Exit 69 when a program is missing.
 */
import { existsSync, readFileSync } from "node:fs";
import type { Profiler } from "node:inspector";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { runProgram } from "../tools/run-program.ts";
import { runCommand, say } from "./rig/command.ts";
import { findLoader } from "./rig/load.ts";
import { account, type Measured } from "./rig/measure.ts";
import { scratchFolder } from "./rig/processes.ts";
import { plain, type Table, terminalTable } from "./rig/tables.ts";
import { findVariants, startStack, startUpstream } from "./rig/variants.ts";
import { rewrite } from "./rig/work.ts";

const SECONDS = 6;
const CONNECTIONS = 16;
const TOP = 20;
const TOOL_TIMEOUT_MS = 60_000;

/** What runs while a program watches, and what the program says. */
type Run = () => Promise<Measured>;

async function main(): Promise<number> {
  const folder = scratchFolder();
  const profileFile = join(folder, "server.cpuprofile");
  process.env.AGGLO_PROFILE = profileFile; // the server inherits it
  const bench = { loader: await findLoader(undefined, say), upstream: await startUpstream(0) };
  const work = rewrite(1024);
  const options = { upstream: bench.upstream.address, preload: join(import.meta.dirname, "rig/profiler.ts") };
  const stack = await startStack(await findVariants(["native"]), "native", work, options);
  const load = { target: stack.proxy.address, work, expect: stack.expect, connections: CONNECTIONS };
  await bench.loader.run({ ...load, seconds: 3 }); // so that all of it is compiled
  const run = () => account(bench, stack, { ...load, seconds: SECONDS });
  const server = stack.server?.pid as number; // this variant has one
  const unwatched = await run();
  print("CPU per request, nothing watching", cpuTable(unwatched));
  print("Our server, V8's profiler: self time", await profileServer(server, profileFile, run, unwatched.serverUs));
  print("Envoy, perf: self time", await profileByPerf(stack.proxy.pid, join(folder, "perf.data"), run));
  print("System calls of our server, strace", await countCalls(server, join(folder, "server.strace"), run));
  print("System calls of Envoy, strace", await countCalls(stack.proxy.pid, join(folder, "envoy.strace"), run));
  return 0;
}

function cpuTable({ serverUs, proxyUs, upstreamUs, loaderUs, perSecond }: Measured): Table {
  const rows = { "our server": serverUs, Envoy: proxyUs, upstream: upstreamUs, load: loaderUs };
  const head = [`at ${plain(perSecond, 0)} requests a second`, "µs per request"];
  return [head, ...Object.entries(rows).map(([who, us]) => [who, plain(us, 1)])];
}

/** Shares of `serverUs`, which is what a request takes without the profiler: that doubles it. */
async function profileServer(pid: number, file: string, run: Run, serverUs: number): Promise<Table> {
  process.kill(pid, "SIGUSR2");
  await run();
  process.kill(pid, "SIGUSR2");
  while (!existsSync(file)) await delay(50);
  const { nodes, samples = [] } = JSON.parse(readFileSync(file, "utf8")) as Profiler.Profile;
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  // Samples are counted, not timed: between two of them the profiler may have worked, or another program.
  const counts = new Map<string, number>();
  for (const id of samples) {
    const name = names.get(id) ?? "unknown";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const rows = [...counts].filter(([name]) => name !== "(idle)").sort(([, x], [, y]) => y - x);
  const all = rows.reduce((sum, [, count]) => sum + count, 0);
  const cells = (count: number) => [plain((100 * count) / all, 1), plain((count / all) * serverUs, 2)];
  const shown = rows.slice(0, TOP).map(([name, count]) => [name, ...cells(count)]);
  return [["function", "%", "µs per request"], ...shown, ["all", ...cells(all)]];
}

function nameOf({ functionName, url, lineNumber }: Profiler.Profile["nodes"][number]["callFrame"]): string {
  const file = url.split("/").slice(-2).join("/");
  return url === "" ? functionName || "(native)" : `${functionName || "(anonymous)"} ${file}:${lineNumber + 1}`;
}

/** By library and kernel, and by function where it has a name: Envoy's release build has none of its own. */
async function profileByPerf(pid: number, file: string, run: Run): Promise<Table> {
  const record = ["record", "-q", "-e", "cpu-clock", "-F", "999", "-o", file, "-p", String(pid), "sleep", `${SECONDS}`];
  const [{ proxyUs }, recorded] = await Promise.all([run(), runProgram("perf", record, process.env, TOOL_TIMEOUT_MS)]);
  if (recorded.code !== 0) return [[`left out: ${lastLine(recorded.output)}`]];
  const report = ["report", "-q", "--stdio", "-i", file, "--sort", "dso,symbol"];
  const { output } = await runProgram("perf", report, process.env, TOOL_TIMEOUT_MS);
  const byDso = new Map<string, number>();
  const named: [name: string, percent: number][] = [];
  for (const [, percent, dso = "", symbol = ""] of output.matchAll(/^ +([\d.]+)% +(\S+) +\[.\] (\S+)/gm)) {
    byDso.set(dso, (byDso.get(dso) ?? 0) + Number(percent));
    if (!symbol.startsWith("0x")) named.push([`  ${dso} ${symbol}`, Number(percent)]);
  }
  const rows = [...[...byDso].sort(([, x], [, y]) => y - x), ...named.sort(([, x], [, y]) => y - x).slice(0, TOP)];
  const shown = rows.map(([name, percent]) => [name, plain(percent, 1), plain((percent / 100) * proxyUs, 1)]);
  return [["", "%", "µs per request"], ...shown];
}

/** strace slows what it watches, so that calls are batched less than they would be without: shares rather than counts. */
async function countCalls(pid: number, file: string, run: Run): Promise<Table> {
  const args = ["-s", "INT", `${SECONDS}`, "strace", "-f", "-c", "-o", file, "-p", String(pid)];
  const [{ requests }, { output }] = await Promise.all([
    run(),
    runProgram("timeout", args, process.env, TOOL_TIMEOUT_MS),
  ]);
  if (!existsSync(file)) return [[`left out: ${lastLine(output)}`]];
  const rows = readFileSync(file, "utf8").matchAll(/^ *([\d.]+) +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$/gm);
  const calls = [...rows].map(([, , count = "0", name = ""]) => [name, Number(count)] as const);
  const counted = calls.filter(([name]) => name !== "total").sort(([, a], [, b]) => b - a);
  return [["call", "per request"], ...counted.slice(0, 8).map(([name, count]) => [name, plain(count / requests, 2)])];
}

function lastLine(output: string): string {
  return output.trim().split("\n").at(-1) ?? "it said nothing";
}

function print(title: string, table: Table): void {
  process.stdout.write(`${title}\n${terminalTable(table)}\n`);
}

runCommand("bench:profile", main);
