/**
 * `npm run bench:njs`: what agglo's bundle costs inside nginx, beside a function written by hand that does the same, beside
 * proxying alone, and beside the way through Envoy. 1 KB of JSON, three processes, Debian 12's nginx 1.22.1 with njs 0.7.9.
 *
 *   npm run bench:njs               about 2 minutes
 *   npm run bench:njs -- --quick    half a minute, for a look
 *
 * Exit 1 when the bundle takes more than 1.5 times the worker's CPU of the function by hand in every round, or a request
 * fails; 69 where a program is missing.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MissingProgram } from "../tools/missing-program.ts";
import { cpuUs } from "./rig/accounting.ts";
import { type BenchEnvoy, startBenchEnvoy } from "./rig/envoy.ts";
import { type Figure, figure } from "./rig/figures.ts";
import { findLoader, type Loaded, type Loader } from "./rig/load.ts";
import { NGINX_VARIANTS, NJS_CONFIG, startBenchNginx } from "./rig/nginx.ts";
import { type Running, scratchFolder, startProcess, stopEverything } from "./rig/processes.ts";
import { writeResults } from "./rig/results.ts";
import { startUpstream } from "./rig/variants.ts";

/** Something that takes the load, and the processes whose CPU it costs. */
type Way = { name: string; address: string; expect: "original" | "changed"; pids: number[]; stop(): Promise<void> };
type Measured = Loaded & { perSecond: number; cpuUs: number };
type Round = { rate: number; closed: { [way: string]: Measured }; open: { [way: string]: Measured } };
type Times = { rounds: number; warmup: number; closed: number; open: number };

const FULL: Times = { rounds: 5, warmup: 1, closed: 4, open: 5 };
const QUICK: Times = { rounds: 3, warmup: 0.5, closed: 1.5, open: 1.5 };
const CONNECTIONS = 16;
const MUST = 1.5;
const ENVOY = "Envoy and binge extproc";

async function main(args: readonly string[]): Promise<number> {
  const times = args.includes("--quick") ? QUICK : FULL;
  const loader = await findLoader(undefined, say);
  const upstream = await startUpstream(0);
  const ways: Way[] = [];
  try {
    for (const variant of NGINX_VARIANTS) {
      const { worker, ...own } = await startBenchNginx(variant, upstream.address);
      ways.push({ name: variant, pids: [worker], ...own });
    }
    ways.push(await startEnvoyWay(upstream.address));
    const rounds: Round[] = [];
    for (let i = 1; i <= times.rounds; i++)
      rounds.push(await runRound(loader, ways, times, `round ${i}/${times.rounds}`));
    return await report(loader, ways, rounds, times);
  } finally {
    await Promise.all(ways.map((way) => way.stop()));
    await stopEverything();
  }
}

async function startEnvoyWay(upstream: string): Promise<Way> {
  const config = join(scratchFolder(), "agglo.json");
  writeFileSync(config, NJS_CONFIG);
  const binge = fileURLToPath(new URL("../cli/binge.ts", import.meta.url));
  const args = [binge, "extproc", "--config", config, "--listen", "127.0.0.1:0"];
  const server: { running: Running; found: string } = await startProcess(process.execPath, args, listening);
  const envoy: BenchEnvoy = await startBenchEnvoy({ server: server.found, upstream, gracefulClose: false });
  return {
    name: ENVOY,
    address: envoy.address,
    expect: "changed",
    pids: [envoy.pid, server.running.pid],
    stop: async () => {
      await Promise.all([envoy.stop(), server.running.stop()]);
    },
  };
}

function listening(said: string): string | undefined {
  return /ext_proc on (127\.0\.0\.1:\d+)/.exec(said)?.[1];
}

async function runRound(loader: Loader, ways: readonly Way[], times: Times, title: string): Promise<Round> {
  const round: Round = { rate: 0, closed: {}, open: {} };
  for (const way of shuffled(ways)) {
    const measured = await measure(loader, way, times.warmup, times.closed);
    round.closed[way.name] = measured;
    say(
      `${title}  saturation ${way.name.padEnd(24)} ${measured.perSecond.toFixed(0)} req/s, ${measured.cpuUs.toFixed(1)} us`,
    );
  }
  const ours = round.closed.agglo as Measured; // agglo is among the ways
  round.rate = Math.round(ours.perSecond / 2);
  for (const way of shuffled(ways)) {
    const measured = await measure(loader, way, times.warmup, times.open, round.rate);
    round.open[way.name] = measured;
    say(`${title}  at ${round.rate}/s  ${way.name.padEnd(24)} p99 ${(measured.latencyUs.p99 / 1000).toFixed(2)} ms`);
  }
  return round;
}

async function measure(loader: Loader, way: Way, warmup: number, seconds: number, rate?: number): Promise<Measured> {
  const load = { target: way.address, expect: way.expect, connections: rate === undefined ? CONNECTIONS : 500 };
  const whole = rate === undefined ? load : { ...load, rate };
  await loader.run({ ...whole, seconds: warmup });
  const before = used(way);
  const loaded = await loader.run({ ...whole, seconds });
  const done = loaded.requests - loaded.failures;
  return { ...loaded, perSecond: done / loaded.seconds, cpuUs: (used(way) - before) / loaded.requests };
}

function used(way: Way): number {
  return way.pids.reduce((sum, pid) => sum + cpuUs(pid), 0);
}

function shuffled<T>(list: readonly T[]): T[] {
  return [...list]
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

async function report(loader: Loader, ways: readonly Way[], rounds: readonly Round[], times: Times): Promise<number> {
  const over = (read: (round: Round) => number | undefined) => figure(rounds.map(read));
  const lines = ["", "                          req/s   CPU us/req           p50 ms   p99 ms at half of agglo's rate"];
  for (const { name } of ways) {
    const figures = [
      over(({ closed }) => closed[name]?.perSecond)
        ?.median.toFixed(0)
        .padStart(7),
      shown(over(({ closed }) => closed[name]?.cpuUs)).padEnd(20),
      over(({ open }) => (open[name]?.latencyUs.p50 ?? 0) / 1000)
        ?.median.toFixed(2)
        .padStart(6),
      over(({ open }) => (open[name]?.latencyUs.p99 ?? 0) / 1000)
        ?.median.toFixed(2)
        .padStart(8),
    ];
    lines.push(`${name.padEnd(24)} ${figures.join("  ")}`);
  }
  const ratio = over(({ closed }) => (closed.agglo?.cpuUs ?? 0) / (closed["by hand"]?.cpuUs ?? 0));
  // Of ours: what the way through Envoy cannot take at this rate shows in its line.
  const own = rounds.flatMap(({ closed, open }) => [closed.agglo, open.agglo]);
  const failed = own.reduce((sum, measured) => sum + (measured?.failures ?? 0), 0);
  for (const { name } of ways) {
    const reasons = rounds.flatMap(({ closed, open }) => [
      ...Object.entries(closed[name]?.reasons ?? {}).map(([reason, count]) => `saturation: ${count} ${reason}`),
      ...Object.entries(open[name]?.reasons ?? {}).map(([reason, count]) => `open loop: ${count} ${reason}`),
    ]);
    if (reasons.length > 0) lines.push(`failed  ${name}: ${reasons.join("; ")}`);
  }
  lines.push(
    "",
    `agglo's worker CPU / by hand: ${shown(ratio)}, must be at most ${MUST}; failed requests of ours: ${failed}`,
  );
  process.stdout.write(`${lines.join("\n")}\n`);
  if (times === FULL) say(await writeResults("njs", loader.name, { times, ratio, rounds }));
  return failed > 0 || (ratio?.min ?? 0) > MUST ? 1 : 0;
}

function shown(found: Figure | undefined): string {
  return found === undefined ? "-" : `${found.median.toFixed(2)} (${found.min.toFixed(2)} to ${found.max.toFixed(2)})`;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`); // stdout is for the table
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const missing = error instanceof MissingProgram;
    process.stderr.write(
      missing ? `${error.message}\n` : `bench:njs: ${error instanceof Error ? error.stack : error}\n`,
    );
    process.exit(missing ? error.exitCode : 70);
  },
);
