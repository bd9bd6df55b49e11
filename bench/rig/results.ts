/** Results on disk: what was measured, with the versions of everything and the machine, but no host's name. */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { goVersion } from "../../tools/go-build.ts";
import { envoyPath, k6Path } from "../../tools/programs.ts";
import type { Inside } from "./inside.ts";
import type { LoaderName } from "./load.ts";
import type { Memory } from "./memory.ts";
import type { Round } from "./rounds.ts";
import type { Scenario, Subject } from "./scenarios.ts";
import { GO_MODULE, type Variant } from "./variants.ts";

export type SubjectResult = Omit<Subject, "work"> & { work: string };
export type ScenarioResult = {
  name: string;
  title: string;
  subjects: SubjectResult[];
  /** the open loads, in the order of the report */
  loads: { name: string; title: string }[];
  rounds: Round[];
};

export type Measurements = {
  load: LoaderName;
  /** why variants are not in it */
  leftOut: { [variant: string]: string };
  scenarios: ScenarioResult[];
  memory: { [variant in Variant]?: Memory };
  inside: { rate: number; variants: { [variant in Variant]?: Inside } };
};

export type Results = Measurements & {
  date: string;
  machine: { cpu: string; cores: number; memoryGib: number; kernel: string };
  versions: { [program: string]: string };
};

export const RESULTS_FOLDER = fileURLToPath(new URL("../results/", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export function newScenarioResult({ name, title, subjects, open }: Scenario): ScenarioResult {
  const plain = subjects.map((subject) => ({ ...subject, work: subject.work.name }));
  return {
    name,
    title,
    subjects: plain,
    loads: open.map((load) => ({ name: load.name, title: load.title })),
    rounds: [],
  };
}

export async function withCircumstances<T extends object>(measured: T, load: LoaderName) {
  return { date: new Date().toISOString(), machine: machine(), versions: await versions(load), ...measured };
}

/** Writes `results/PREFIXDATE-MACHINE.json`; gives its path. */
export async function writeResults(prefix: string, results: { date: string }): Promise<string> {
  const file = join(RESULTS_FOLDER, `${prefix}${results.date.slice(0, 10)}-${machineSlug()}.json`);
  await mkdir(RESULTS_FOLDER, { recursive: true });
  await writeFile(file, `${JSON.stringify(results, rounded, 1)}\n`);
  return file;
}

// Nothing here is known to five digits.
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

/** File name of the newest whole run; undefined: there is none. */
export async function newestResults(): Promise<string | undefined> {
  const names = await readdir(RESULTS_FOLDER);
  return names
    .filter((name) => /^\d{4}-\d\d-\d\d-.*\.json$/.test(name))
    .sort()
    .at(-1);
}

export async function readResults(name: string): Promise<Results> {
  return JSON.parse(await readFile(join(RESULTS_FOLDER, name), "utf8")) as Results;
}

function machine(): Results["machine"] {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
  };
}

function machineSlug(): string {
  const model = (cpus()[0]?.model ?? "unknown").toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return `${model.replace(/^-|-$/g, "")}-${cpus().length}-cores`;
}

async function versions(loader: LoaderName): Promise<Results["versions"]> {
  const module = await readFile(join(GO_MODULE, "go.mod"), "utf8");
  const ofModule = (path: string) => module.split(`${path} v`)[1]?.split(/\s/)[0] ?? "unknown";
  const go = await goVersion();
  return {
    agglo: await commit(),
    node: process.version,
    envoy: (await firstLine(await envoyPath(), ["--version"])).split("version: ").at(-1) ?? "unknown",
    "@grpc/grpc-js": await packageVersion("@grpc/grpc-js"),
    ...(go !== undefined && {
      go,
      "grpc-go": ofModule("google.golang.org/grpc"),
      "go-control-plane": ofModule("github.com/envoyproxy/go-control-plane/envoy"),
    }),
    load: loader === "k6" ? await firstLine(await k6Path(), ["version"]) : "bench/peers/go/load",
  };
}

/** The commit, marked when the checkout differs from it. */
async function commit(): Promise<string> {
  const git = ["-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"];
  return await firstLine("git", git).catch(() => "unknown"); // not a checkout
}

async function firstLine(file: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(file, args);
  return stdout.trim().split("\n")[0]?.trim() ?? "";
}

async function packageVersion(name: string): Promise<string> {
  const text = await readFile(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
