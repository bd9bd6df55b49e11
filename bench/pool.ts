/**
 * Small messages beside large ones: `npm run bench:pool [-- --quick]`. 1 KB events at a constant rate, one in a hundred a
 * body of 1 MB, in one process: with a pool, without one, and without large bodies, in turn. What counts is how late a
 * small one is done, from when it was due; ratios are taken within a round.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { loadConfig } from "../engine/config/load.ts";
import type { LinkedSection, Verdict } from "../engine/core/routes/section.ts";
import { openPool, type Pool } from "../engine/runtime/pool.ts";
import { re2Regexps } from "../engine/runtime/regexps.ts";
import { type Runtime, startRuntime } from "../engine/runtime/runtime.ts";
import { treatContent } from "../engine/runtime/treat-content.ts";
import { findSystem } from "../engine/systems/registry.ts";

const isQuick = process.argv.includes("--quick");
const ROUNDS = isQuick ? 1 : 5;
const ROUND_MS = isQuick ? 3000 : 8000;
const RATE_PER_SECOND = 1000;
const LARGE_EVERY = 100;
const WARM_UP = 20;

const config = {
  pipelines: [{ name: "cover", processes: [{ name: "mark" }, { name: "cards" }] }],
  processDefinitions: [
    { annotator: { name: "mark", annotations: [{ fieldKey: "priority", value: "high" }] } },
    { redactor: { name: "cards", rules: [{ paths: ["customer.card"], mask: { keepLast: 4 } }] } },
  ],
  http: {
    version: 1,
    routes: [
      { name: "all", match: { paths: ["/**"] }, request: { pipelines: ["cover"], limits: { bodyBytes: 4_194_304 } } },
    ],
  },
};

function body(bytes: number): Uint8Array {
  const items: object[] = [];
  for (let left = bytes - 80; left > 0; left -= 62) {
    items.push({ sku: `sku-${String(items.length).padStart(6, "0")}`, count: 2, price: 19.95, tags: ["a"] });
  }
  return Buffer.from(JSON.stringify({ customer: { name: "Ann Example", card: "4111111111111111" }, items }));
}

const SMALL = body(1000);
const LARGE = body(1_000_000);

async function start(pool: Pool | undefined): Promise<Runtime> {
  const { plan } = loadConfig(JSON.stringify(config), { file: "bench", regexps: re2Regexps(), systemForm: findSystem });
  if (plan === undefined) throw new Error("the benchmark's configuration is wrong");
  return startRuntime(plan, [], { log: console.error, ...(pool === undefined ? {} : { pool }) });
}

function sectionOf(runtime: Runtime): LinkedSection {
  return runtime.routes[0]?.request as LinkedSection;
}

/** `faulted`: large ones that got no other verdict */
type Figures = { p50: number; p99: number; loopP99: number; faulted: number };

async function measure(runtime: Runtime, withLarge: boolean): Promise<Figures> {
  const section = sectionOf(runtime);
  const lateMs: number[] = [];
  const open: Promise<Verdict>[] = [];
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const startMs = performance.now();
  for (let n = 0; ; n++) {
    const dueMs = startMs + (n * 1000) / RATE_PER_SECOND;
    if (dueMs > startMs + ROUND_MS) break;
    // Not a timer: those are a millisecond late by themselves.
    while (performance.now() < dueMs) await new Promise(setImmediate);
    const isLarge = withLarge && n % LARGE_EVERY === 0;
    const verdict = runtime.treat(section, isLarge ? LARGE : SMALL, undefined, "application/json");
    if (isLarge) open.push(Promise.resolve(verdict));
    else lateMs.push(performance.now() - dueMs);
  }
  loop.disable();
  const faulted = (await Promise.all(open)).filter(({ kind }) => kind !== "changed").length;
  lateMs.sort((a, b) => a - b);
  const at = (share: number) => lateMs[Math.floor((lateMs.length - 1) * share)] as number;
  return { p50: at(0.5), p99: at(0.99), loopP99: loop.percentile(99) / 1e6, faulted };
}

const LARGE_CALLS = 100;

/** Milliseconds of the main thread's CPU that a large body takes. */
async function mainMs(runtime: Runtime): Promise<number> {
  const before = process.threadCpuUsage();
  for (let i = 0; i < LARGE_CALLS; i++) await runtime.treat(sectionOf(runtime), LARGE, undefined, "application/json");
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000 / LARGE_CALLS;
}

const CALLS = 20_000;

/** Nanoseconds that the choice between loop and pool adds to a small body: the best round of each, interleaved. */
function choiceNs(runtime: Runtime): number {
  const section = sectionOf(runtime);
  const tiny = Buffer.from("{}");
  const time = (treat: typeof treatContent): number => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < CALLS; i++) void treat(section, tiny, undefined, "application/json"); // nothing here waits
    return Number(process.hrtime.bigint() - start) / CALLS;
  };
  let [direct, chosen] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < 60; round++) {
    direct = Math.min(direct, time(treatContent));
    chosen = Math.min(chosen, time(runtime.treat));
  }
  return chosen - direct;
}

function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[Math.floor(figures.length / 2)] as number;
}

function judge(what: string, figure: number, bound: number): void {
  const met = figure <= bound;
  process.stdout.write(`${met ? "met   " : "MISSED"} ${what}: ${figure.toFixed(2)} (≤ ${bound})\n`);
  if (!met) process.exitCode = 1;
}

async function main(): Promise<void> {
  const pool = openPool({ onCrash: console.error });
  const runtimes = { pool: await start(pool), loop: await start(undefined) };
  await pool.warm();
  for (const runtime of Object.values(runtimes)) {
    for (let i = 0; i < WARM_UP; i++) await runtime.treat(sectionOf(runtime), LARGE, undefined, "application/json");
  }
  process.stdout.write(`Node ${process.version}, ${RATE_PER_SECOND}/s of ${SMALL.length} bytes, `);
  process.stdout.write(`1 in ${LARGE_EVERY} of ${LARGE.length}; how late a small one is, ms\n\n`);
  const ratios: { against: number; alone: number; loop: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const figures = {
      "small ones alone": await measure(runtimes.loop, false),
      "with large ones": await measure(runtimes.loop, true),
      "with large ones, pool": await measure(runtimes.pool, true),
    };
    for (const [name, { p50, p99, loopP99, faulted }] of Object.entries(figures)) {
      const late = `p50 ${p50.toFixed(3)}   p99 ${p99.toFixed(3)}   event loop's delay p99 ${loopP99.toFixed(2)}`;
      process.stdout.write(`${name.padEnd(24)}${late}   large ones faulted: ${faulted}\n`);
    }
    const [alone, without, withPool] = Object.values(figures) as [Figures, Figures, Figures];
    ratios.push({
      against: withPool.p99 / without.p99,
      alone: withPool.p99 / alone.p99,
      loop: withPool.loopP99 / without.loopP99,
    });
  }
  process.stdout.write("\n");
  judge("p99 of small ones, pool against no pool", median(ratios.map(({ against }) => against)), 0.25);
  judge("event loop's delay p99, pool against no pool", median(ratios.map(({ loop }) => loop)), 0.5);
  process.stdout.write(
    `       p99 with the pool against small ones alone: ${median(ratios.map(({ alone }) => alone)).toFixed(2)}\n`,
  );
  const [onLoop, inPool] = [await mainMs(runtimes.loop), await mainMs(runtimes.pool)];
  process.stdout.write(
    `       main thread's CPU for a large body: ${onLoop.toFixed(2)} ms, with the pool ${inPool.toFixed(2)}\n`,
  );
  judge("main thread's CPU for a large body, pool against no pool", inPool / onLoop, 0.25);
  judge("choosing, for a small body, ns", choiceNs(runtimes.pool), 100);
  for (const runtime of Object.values(runtimes)) await runtime.close(0);
  await pool.close();
}

await main();
