/** The load: our own generator in Go, or k6 where Go is missing and to check the one by the other. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildGo } from "../../tools/go-build.ts";
import { k6Path } from "../../tools/programs.ts";
import { runToEnd, scratchFolder } from "./processes.ts";
import { GO_MODULE } from "./variants.ts";
import { BODY, PATH } from "./work.ts";

/** Open loop with a `rate` (a second), closed loop without; ends after `seconds` or after so many `requests`. */
export type Load = {
  target: string;
  expect: string;
  connections: number;
  rate?: number;
  seconds?: number;
  requests?: number;
};

export type Percentiles = { p50: number; p90: number; p99: number; p999: number; max: number };

export type Loaded = {
  requests: number;
  /** anything but a 200 with the expected body, requests that could not be sent included */
  failures: number;
  reasons: { [reason: string]: number };
  seconds: number;
  latencyUs: Percentiles;
  /** how long after they were due requests left, in the open loop: the generator's own part of the latency; not of k6 */
  lateUs?: Percentiles;
};

export type Loader = { name: "go" | "k6"; run(load: Load): Promise<Loaded> };

/**
 * The generator in Go takes 7 µs of CPU per request where k6 takes 60 to 400 (of the two cores that the proxy and the
 * server need), and its open loop has no coordinated omission.
 */
export async function findLoader(wanted: string | undefined, say: (line: string) => void): Promise<Loader> {
  const folder = scratchFolder();
  const bodyFile = join(folder, "body.json");
  await writeFile(bodyFile, BODY);
  const built = wanted === "k6" ? { missing: "k6 is asked for" } : await buildGo(GO_MODULE, "load", "bench");
  if ("file" in built) return { name: "go", run: (load) => runGo(built.file, bodyFile, load) };
  say(`load comes from k6, which takes much of two cores itself: ${built.missing}`);
  const k6 = await k6Path();
  return { name: "k6", run: (load) => runK6(k6, folder, bodyFile, load) };
}

/** Requests are given up after 15 s at the latest. */
const DRAIN_MS = 30_000;
/** Slower than this and a run of so many requests is ended. */
const SLOWEST_PER_SECOND = 300;

function timeoutMs({ seconds, requests }: Load): number {
  return DRAIN_MS + 1000 * (seconds ?? (requests ?? 0) / SLOWEST_PER_SECOND);
}

async function runGo(file: string, bodyFile: string, load: Load): Promise<Loaded> {
  const args = ["-target", load.target, "-path", PATH, "-body", bodyFile, "-expect", load.expect];
  args.push("-connections", String(load.connections));
  if (load.rate !== undefined) args.push("-rate", String(load.rate));
  if (load.seconds !== undefined) args.push("-seconds", String(load.seconds));
  if (load.requests !== undefined) args.push("-requests", String(load.requests));
  const { code, stdout } = await runToEnd(file, args, timeoutMs(load));
  if (code !== 0) throw new Error(`the load generator ended with ${code ?? "a signal"}`);
  return JSON.parse(stdout) as Loaded;
}

// Not as a URL: knip would follow it, and ask for a package named k6.
const K6_SCRIPT = join(import.meta.dirname, "k6.js");

async function runK6(k6: string, folder: string, bodyFile: string, load: Load): Promise<Loaded> {
  const summary = join(folder, "summary.json");
  const given = { target: load.target, path: PATH, body: bodyFile, expect: load.expect, load: JSON.stringify(load) };
  const env = Object.entries(given).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const args = ["run", "--no-usage-report", "--quiet", "--no-color", ...env, "-e", `summary=${summary}`, K6_SCRIPT];
  const { code } = await runToEnd(k6, args, timeoutMs(load));
  if (code !== 0) throw new Error(`k6 ended with ${code ?? "a signal"}`);
  return JSON.parse(await readFile(summary, "utf8")) as Loaded;
}
