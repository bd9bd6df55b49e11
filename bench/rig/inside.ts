/**
 * What a server looks like from inside, in a run of its own: what ext_proc's phases took by Envoy's access log, and, of our
 * server, event-loop delay and garbage collection. Both cost something, so no other figure comes from here.
 */
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Bench } from "./measure.ts";
import { scratchFolder } from "./processes.ts";
import { type Stack, startStack, type Variant, type Variants } from "./variants.ts";
import type { Vitals } from "./vitals.ts";
import { rewrite } from "./work.ts";

/** Microseconds. */
export type Phase = { p50: number; p90: number; p99: number; max: number };

export type Inside = {
  requests: number;
  /** as Envoy measured them: sent to the server until its answer was in */
  requestHeadersUs: Phase;
  requestBodyUs: Phase;
  /** of our own servers only */
  vitals?: Vitals;
};

const VITALS_MODULE = join(import.meta.dirname, "vitals.ts");
const WARMUP_SECONDS = 1;
const SECONDS = 3;
const CONNECTIONS = 1000;

/** How one variant rewrites 1 KB at `rate` requests a second. */
export async function lookInside(bench: Bench, variants: Variants, variant: Variant, rate: number): Promise<Inside> {
  const folder = scratchFolder();
  const logFile = join(folder, "access.log");
  const vitalsFile = join(folder, "vitals.json");
  const accessLog = openSync(logFile, "a");
  const ours = variant !== "go";
  const work = rewrite(1024);
  process.env.AGGLO_VITALS = vitalsFile; // the server inherits it
  const options = { upstream: bench.upstream.address, accessLog, ...(ours && { preload: VITALS_MODULE }) };
  const stack = await startStack(variants, variant, work, options);
  try {
    const load = { target: stack.proxy.address, work, expect: stack.expect, connections: CONNECTIONS, rate };
    await bench.loader.run({ ...load, seconds: WARMUP_SECONDS });
    if (ours) await takeVitals(stack, vitalsFile); // of the warm-up
    const { requests } = await bench.loader.run({ ...load, seconds: SECONDS });
    const vitals = ours ? { vitals: await takeVitals(stack, vitalsFile) } : {};
    await stack.stop(); // Envoy writes the rest of its log
    return { requests, ...phases(readFileSync(logFile, "utf8"), requests), ...vitals };
  } finally {
    await stack.stop();
    closeSync(accessLog);
  }
}

async function takeVitals({ server }: Stack, file: string): Promise<Vitals> {
  rmSync(file, { force: true });
  process.kill(server?.pid as number, "SIGUSR2"); // ours has one
  while (!existsSync(file)) await delay(10);
  return JSON.parse(readFileSync(file, "utf8")) as Vitals;
}

type LogLine = { request_headers_us: number | string | null; request_body_us: number | string | null };

/** Of the last `requests` lines. */
function phases(log: string, requests: number): Pick<Inside, "requestHeadersUs" | "requestBodyUs"> {
  const lines = log.trim().split("\n").slice(-requests);
  const parsed = lines.map((line) => JSON.parse(line) as LogLine);
  return {
    requestHeadersUs: phase(parsed.map((line) => Number(line.request_headers_us))),
    requestBodyUs: phase(parsed.map((line) => Number(line.request_body_us))),
  };
}

function phase(values: readonly number[]): Phase {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
