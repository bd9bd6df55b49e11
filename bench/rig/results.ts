/** Results on disk: what was measured, with the versions of everything and the machine, but no host's name. */
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { goVersion } from "../../tools/go-build.ts";
import { envoyPath, k6Path } from "../../tools/programs.ts";
import { GO_MODULE } from "./variants.ts";

const FOLDER = fileURLToPath(new URL("../results/", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Writes `results/NAME-DATE-MACHINE.json`; gives its path. */
export async function writeResults(name: string, loader: "go" | "k6", measured: object): Promise<string> {
  const date = new Date().toISOString();
  const file = join(FOLDER, `${name}-${date.slice(0, 10)}-${machineSlug()}.json`);
  const whole = { date, machine: machine(), versions: await versions(loader), ...measured };
  await mkdir(FOLDER, { recursive: true });
  await writeFile(file, `${JSON.stringify(whole, undefined, 2)}\n`);
  return file;
}

function machine(): object {
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

async function versions(loader: "go" | "k6"): Promise<object> {
  const module = await readFile(join(GO_MODULE, "go.mod"), "utf8");
  const ofModule = (path: string) => module.split(`${path} v`)[1]?.split(/\s/)[0];
  const go = await goVersion();
  return {
    agglo: await commit(),
    node: process.version,
    envoy: (await firstLine(await envoyPath(), ["--version"])).split("version: ").at(-1),
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
