/**
 * `npm run bench`: what a request costs, by size, work, body mode and rate, with agglo and with what a user would choose in
 * its place. What is compared, and how: bench/README.md; results: bench/RESULTS.md.
 *
 *   npm run bench                                  everything, a quarter of an hour; writes bench/results and RESULTS.md
 *   npm run bench -- --quick                       at most 4 minutes: 1 KB rewrite against Go and grpc-js; writes nothing
 *   npm run bench -- --only works,mixed            these scenarios of everything; writes nothing
 *   npm run bench -- --requests 1000000            so many through ours, twice: none may fail
 *   npm run bench -- --report                      RESULTS.md and plots anew from the newest results
 *   … --rounds 5   --variants none,go,native   --load k6 (k6 in place of our generator)
 *
 * Exit 1 when a "must" is missed by more than the spread, or a request of a long run failed; 2 wrong arguments, 69 a program
 * is missing.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runCommand, say } from "./rig/command.ts";
import { figure } from "./rig/figures.ts";
import { lookInside } from "./rig/inside.ts";
import { judge } from "./rig/judge.ts";
import { findLoader, LOADERS, type LoaderName } from "./rig/load.ts";
import { printLong, runLong } from "./rig/long-run.ts";
import type { Bench } from "./rig/measure.ts";
import { measureMemories } from "./rig/memory.ts";
import { plots } from "./rig/plots.ts";
import { page, printJudged, printScenarios } from "./rig/report.ts";
import {
  type Measurements,
  newestResults,
  newScenarioResult,
  RESULTS_FOLDER,
  type Results,
  readResults,
  withCircumstances,
  writeResults,
} from "./rig/results.ts";
import { type Progress, plannedSeconds, runRounds } from "./rig/rounds.ts";
import { fullScenarios, HALF, narrowed, quickScenarios, type Scenario } from "./rig/scenarios.ts";
import { newestTees } from "./rig/tee-report.ts";
import { findVariants, hasServer, startUpstream, VARIANTS, type Variant, type Variants } from "./rig/variants.ts";
import { coreOf } from "./rig/words.ts";

const ROUNDS = 3;
const QUICK_ROUNDS = 4;

type Options = {
  quick: boolean;
  report: boolean;
  only: string[];
  requests: number;
  rounds: number;
  variants: Variant[];
  load: LoaderName | undefined;
};

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      report: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      requests: { type: "string", default: "0" },
      rounds: { type: "string", default: "" },
      variants: { type: "string", default: VARIANTS.join(",") },
      load: { type: "string" },
    },
  });
  const { quick, report } = values;
  const scenarios = fullScenarios().map(({ name }) => name);
  return {
    ...{ quick, report, requests: count("requests", values.requests) },
    rounds: values.rounds === "" ? (quick ? QUICK_ROUNDS : ROUNDS) : count("rounds", values.rounds),
    only: values.only === "" ? [] : chosen("only", values.only, scenarios),
    variants: chosen("variants", values.variants, VARIANTS),
    load: values.load === undefined ? undefined : chosen("load", values.load, LOADERS)[0],
  };
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new Error(`--${option} is a count, not "${text}"`);
}

/** In the order of `known`, whatever order they are named in. */
function chosen<Name extends string>(option: string, text: string, known: readonly Name[]): Name[] {
  const named = text.split(",");
  const unknown = named.find((name) => !known.some((one) => one === name));
  if (unknown !== undefined) throw new Error(`--${option} is of ${known.join(", ")}, not "${unknown}"`);
  return known.filter((name) => named.includes(name));
}

async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(args);
  } catch (error) {
    say(`bench: ${error instanceof Error ? error.message : error}`);
    return 2;
  }
  if (options.report) return await reportNewest();
  const loader = await findLoader(options.load, say);
  const variants = await findVariants(options.variants);
  for (const [variant, why] of variants.leftOut) say(`left out: ${variant}, because ${why}`);
  const bench = { loader, upstream: await startUpstream(0) };
  return options.requests > 0 ? longRun(bench, variants, options) : compare(bench, variants, options);
}

async function compare(bench: Bench, variants: Variants, options: Options): Promise<number> {
  const whole = !options.quick && options.only.length === 0;
  const all = options.quick ? quickScenarios() : fullScenarios();
  const wanted = whole || options.quick ? all : all.filter(({ name }) => options.only.includes(name));
  const scenarios = narrowed(wanted, variants.there);
  const measured: Measurements = {
    load: bench.loader.name,
    leftOut: Object.fromEntries(variants.leftOut),
    scenarios: [],
    memory: {},
    inside: { rate: 0, variants: {} },
  };
  const progress = newProgress(scenarios, options.rounds);
  for (const scenario of scenarios) {
    const result = newScenarioResult(scenario);
    measured.scenarios.push(result);
    await runRounds(bench, variants, scenario, options.rounds, result.rounds, progress);
  }
  if (whole) await measureRest(bench, variants, measured);
  process.stdout.write(`\n${printScenarios(measured.scenarios)}`);
  const judged = judge(measured.scenarios, measured.memory);
  process.stdout.write(printJudged(judged));
  if (whole) {
    const results = await withCircumstances(measured, bench.loader.name);
    say(await writeResults("", results));
    await reportNewest();
  }
  return judged.some(({ verdict }) => verdict === "missed") ? 1 : 0;
}

/** What comes once, and not in rounds. */
async function measureRest(bench: Bench, variants: Variants, measured: Measurements): Promise<void> {
  measured.memory = await measureMemories(bench, variants, say);
  const rates = coreOf(measured)?.rounds.map(({ open }) => open[HALF.name]?.rate) ?? [];
  measured.inside.rate = figure(rates)?.median ?? 0;
  for (const variant of variants.there.filter(hasServer)) {
    say(`inside ${variant}`);
    measured.inside.variants[variant] = await lookInside(bench, variants, variant, measured.inside.rate);
  }
}

/** Each line with how much is done, and how long the rest will take at the pace so far. */
function newProgress(scenarios: readonly Scenario[], rounds: number): Progress {
  const total = scenarios.reduce((sum, scenario) => sum + plannedSeconds(scenario, rounds), 0);
  const started = performance.now();
  let done = 0;
  return (line, seconds) => {
    done += seconds;
    if (line === "") return;
    const elapsed = (performance.now() - started) / 1000;
    const left = Math.round((elapsed / done) * (total - done));
    const minutes = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    say(`${String(Math.round((100 * done) / total)).padStart(3)} %, ${minutes} left  ${line}`);
  };
}

const PAGE = join(import.meta.dirname, "RESULTS.md");

async function reportNewest(): Promise<number> {
  const name = await newestResults();
  if (name === undefined) {
    say("bench: there are no results yet: npm run bench");
    return 2;
  }
  const results: Results = await readResults(name);
  await writeFile(PAGE, page(results, `results/${name}`, await newestTees()));
  const core = coreOf(results);
  for (const [file, svg] of core === undefined ? [] : plots(core)) await writeFile(join(RESULTS_FOLDER, file), svg);
  say(PAGE);
  return 0;
}

async function longRun(bench: Bench, variants: Variants, { requests }: Options): Promise<number> {
  const variant = (["native", "grpc-js"] as const).find((ours) => variants.there.includes(ours));
  if (variant === undefined) {
    say("bench: --requests is for ours, which is not among the variants");
    return 2;
  }
  say(`${requests} requests through ${variant}, twice`);
  const runs = await runLong(bench, variants, variant, requests);
  const file = await writeResults("requests-", await withCircumstances({ runs }, bench.loader.name));
  process.stdout.write(`${printLong(runs)}\n${file}\n`);
  return runs.every((run) => run.failures === 0 && run.requests === requests) ? 0 : 1;
}

runCommand("bench", () => main(process.argv.slice(2)));
