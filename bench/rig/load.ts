/** The load: our own generator in Go, or k6 where Go is missing and to check the one by the other. */
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { buildGo } from "../../tools/go-build.ts";
import { k6Path } from "../../tools/programs.ts";
import { runToEnd, scratchFolder } from "./processes.ts";
import { GO_MODULE } from "./variants.ts";
import type { Expected, Request } from "./work.ts";

/** Open loop with a `rate` (a second), closed loop without; ends after `seconds` or after so many `requests`. */
export type Load = {
  target: string;
  work: Request;
  expect: Expected;
  connections: number;
  rate?: number;
  seconds?: number;
  requests?: number;
  /** every so many-th request has this body in place of the work's; it is to be answered alike */
  large?: { body: string; every: number };
};

export type Percentiles = { p50: number; p90: number; p99: number; p999: number; max: number };

export type Loaded = {
  requests: number;
  /** anything but the expected status and body, requests that could not be sent included */
  failures: number;
  reasons: { [reason: string]: number };
  seconds: number;
  latencyUs: Percentiles;
  /** of the large requests of a mixed load; they are not in latencyUs */
  largeUs?: Percentiles;
  /** how long after they were due requests left, in the open loop: the generator's own part of the latency; not of k6 */
  lateUs?: Percentiles;
};

export const LOADERS = ["go", "k6"] as const;
export type LoaderName = (typeof LOADERS)[number];
export type Loader = { name: LoaderName; run(load: Load): Promise<Loaded> };

/**
 * The generator in Go takes 7 µs of CPU per request where k6 takes 60 to 400 (of the two cores that the proxy and the
 * server need), and its open loop has no coordinated omission.
 */
export async function findLoader(wanted: LoaderName | undefined, say: (line: string) => void): Promise<Loader> {
  const built = wanted === "k6" ? { missing: "k6 is asked for" } : await buildGo(GO_MODULE, "load", "bench");
  if ("file" in built) return { name: "go", run: (load) => runGo(built.file, scratchFolder(), load) };
  say(`load comes from k6, which takes much of two cores itself: ${built.missing}`);
  const k6 = await k6Path();
  return { name: "k6", run: (load) => runK6(k6, scratchFolder(), load) };
}

/** Requests are given up after 15 s at the latest. */
const DRAIN_MS = 30_000;
/** Slower than this and a run of so many requests is ended. */
const SLOWEST_PER_SECOND = 300;

function timeoutMs({ seconds, requests }: Load): number {
  return DRAIN_MS + 1000 * (seconds ?? (requests ?? 0) / SLOWEST_PER_SECOND);
}

/** The texts of a load as files, where both generators read them; of its own, since loads may run side by side. */
function writeFiles(folder: string, { work, expect, large }: Load) {
  const write = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  return {
    expect: write("expect", expect.body),
    body: work.body === undefined ? "" : write("body", work.body),
    largeBody: large === undefined ? "" : write("large-body", large.body),
  };
}

async function runGo(file: string, folder: string, load: Load): Promise<Loaded> {
  const { work, expect, large } = load;
  const files = writeFiles(folder, load);
  const flags = {
    ...{ target: load.target, method: work.method, path: work.path, "content-type": work.contentType },
    ...{ body: files.body, "large-body": files.largeBody, "large-every": large?.every ?? 0 },
    ...{ status: expect.status, expect: files.expect, connections: load.connections },
    ...{ rate: load.rate ?? 0, seconds: load.seconds ?? 0, requests: load.requests ?? 0 },
  };
  const args = Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
  const { code, stdout } = await runToEnd(file, args, timeoutMs(load));
  if (code !== 0) throw new Error(`the load generator ended with ${code ?? "a signal"}`);
  return JSON.parse(stdout) as Loaded;
}

// Not as a URL: knip would follow it, and ask for a package named k6.
const K6_SCRIPT = join(import.meta.dirname, "k6.js");

async function runK6(k6: string, folder: string, load: Load): Promise<Loaded> {
  const { work, expect, large, target, connections, rate, seconds, requests } = load;
  const summary = join(folder, "summary.json");
  const { method, path, contentType } = work;
  const of = { method, path, contentType, status: expect.status, largeEvery: large?.every ?? 0 };
  const given = { ...writeFiles(folder, load), summary };
  const env = Object.entries(given).flatMap(([name, file]) => ["-e", `${name}=${file}`]);
  env.push("-e", `load=${JSON.stringify({ target, connections, rate, seconds, requests, ...of })}`);
  const args = ["run", "--no-usage-report", "--quiet", "--no-color", ...env, K6_SCRIPT];
  const { code } = await runToEnd(k6, args, timeoutMs(load));
  if (code !== 0) throw new Error(`k6 ended with ${code ?? "a signal"}`);
  return JSON.parse(await readFile(summary, "utf8")) as Loaded;
}
