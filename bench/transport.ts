/**
 * `npm run bench:transport`: what the transport of the ext_proc server costs. A real Envoy with the generated
 * configuration, the same 1 KB POST that gains one field, and behind it in turn: nothing, a server in Go, ours on
 * grpc-js, ours on its own transport. What is compared, and against which targets: bench/README.md.
 *
 *   npm run bench:transport                           at most 8 minutes
 *   npm run bench:transport -- --quick                at most 2 minutes, without memory
 *   npm run bench:transport -- --requests 1000000     so many through ours, twice: none may fail
 *   npm run bench:transport -- --memory               only the memory at 1,000 open exchanges
 *   … --variants none,go,grpc-js,native               only these      … --load k6     k6 makes the load
 *
 * Exit 1 when a "must" is missed by more than the spread, or a request of a long run failed; 2 wrong arguments, 69 a program
 * is missing.
 */
import { parseArgs } from "node:util";
import { MissingProgram } from "../tools/missing-program.ts";
import { judge, type Round } from "./rig/figures.ts";
import { findLoader } from "./rig/load.ts";
import { printLong, runLong } from "./rig/long-run.ts";
import type { Bench } from "./rig/measure.ts";
import { printJudged, printMemory, printRounds } from "./rig/print.ts";
import { stopEverything } from "./rig/processes.ts";
import { writeResults } from "./rig/results.ts";
import { type Plan, runMemory, runRounds } from "./rig/rounds.ts";
import { findServers, type Servers, startUpstream, VARIANTS, type Variant } from "./rig/variants.ts";

const DEFAULT: Plan = {
  rounds: 5,
  firstWarmupSeconds: 3,
  closed: { warmupSeconds: 1, seconds: 5 },
  open: { warmupSeconds: 1, seconds: 8 },
};
const QUICK: Plan = {
  rounds: 3,
  firstWarmupSeconds: 2,
  closed: { warmupSeconds: 0.5, seconds: 2.5 },
  open: { warmupSeconds: 0.5, seconds: 3.5 },
};
/** Of the closed loop, as in ../shared/design/performance.md. */
const CONNECTIONS = 16;

type Options = { quick: boolean; memory: boolean; requests: number; variants: Variant[]; load: string | undefined };
type Machinery = { options: Options; bench: Bench & { upstream: { address: string } }; servers: Servers };

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      memory: { type: "boolean", default: false },
      requests: { type: "string", default: "0" },
      variants: { type: "string", default: VARIANTS.join(",") },
      load: { type: "string" },
    },
  });
  const named = values.variants.split(",");
  const variants = VARIANTS.filter((variant) => named.includes(variant));
  const requests = Number(values.requests);
  if (!Number.isInteger(requests) || requests < 0) throw new Error(`--requests is a count, not "${values.requests}"`);
  if (variants.length !== named.length) throw new Error(`--variants are some of ${VARIANTS.join(",")}`);
  if (![undefined, "go", "k6"].includes(values.load)) throw new Error(`--load is go or k6, not "${values.load}"`);
  return { quick: values.quick, memory: values.memory, requests, variants, load: values.load };
}

async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(args);
  } catch (error) {
    say(`bench:transport: ${error instanceof Error ? error.message : error}`);
    return 2;
  }
  const loader = await findLoader(options.load, say);
  const servers = await findServers(options.variants);
  for (const [variant, why] of servers.leftOut) say(`left out: ${variant}, because ${why}`);
  try {
    const bench = { loader, upstream: await startUpstream(0), connections: CONNECTIONS };
    const machinery = { options, bench, servers };
    if (options.requests > 0) return await longRun(machinery);
    return options.memory ? await memoryOnly(machinery) : await compare(machinery);
  } finally {
    await stopEverything();
  }
}

async function compare({ options, bench, servers }: Machinery): Promise<number> {
  const rounds: Round[] = [];
  const plan = options.quick ? QUICK : DEFAULT;
  await runRounds(bench, servers, plan, rounds, say);
  const memory = options.quick ? new Map() : await runMemory(bench, servers, say);
  const ours = ourBest(servers);
  const judged = ours === undefined ? [] : judge(rounds, ours, memory.get(ours)?.peakMib);
  const results = { plan, rounds, memory: Object.fromEntries(memory), ours, judged };
  const name = options.quick ? "transport-quick" : "transport";
  const file = await writeResults(name, bench.loader.name, results);
  process.stdout.write(`\n${printRounds(rounds, [...servers.commands.keys()])}\n`);
  if (memory.size > 0) process.stdout.write(`${printMemory(memory)}\n`);
  if (ours !== undefined) process.stdout.write(`${printJudged(ours, judged)}\n`);
  process.stdout.write(`${file}\n`);
  if (ours !== "native") return 0; // grpc-js is the fallback: nobody promised it anything
  return judged.some(({ verdict }) => verdict === "missed") ? 1 : 0;
}

async function memoryOnly({ bench, servers }: Machinery): Promise<number> {
  const memory = await runMemory(bench, servers, say);
  process.stdout.write(`\n${printMemory(memory)}`);
  return 0;
}

async function longRun({ options, bench, servers }: Machinery): Promise<number> {
  const variant = ourBest(servers) ?? [...servers.commands.keys()].at(-1) ?? "none";
  say(`${options.requests} requests through ${variant}, twice`);
  const runs = await runLong(bench, servers, variant, options.requests);
  const file = await writeResults("transport-requests", bench.loader.name, { runs });
  process.stdout.write(`${printLong(runs)}\n${file}\n`);
  return runs.every((run) => run.failures === 0 && run.requests === options.requests) ? 0 : 1;
}

function ourBest({ commands }: Servers): Variant | undefined {
  return (["native", "grpc-js"] as const).find((variant) => commands.has(variant));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`); // stdout is for the tables
}

// Ctrl-C reaches the children too, so that what waits for them fails; that is no error then.
const interruption = new AbortController();

function interrupted(): void {
  interruption.abort();
  void stopEverything().finally(() => process.exit(130));
}

process.once("SIGINT", interrupted);
process.once("SIGTERM", interrupted);
main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (interruption.signal.aborted) return;
    const missing = error instanceof MissingProgram;
    const text = missing ? error.message : `bench:transport: ${error instanceof Error ? error.stack : error}`;
    process.stderr.write(`${text}\n`);
    process.exit(missing ? error.exitCode : 70);
  },
);
