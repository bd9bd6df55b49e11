/**
 * Checkers and servers written in Go, built once into .tools/bin/ by the Go that is on PATH: the module proxy has their sources and no
 * binaries. Go writes into a folder of this process, and the file is renamed when it is whole.
 *
 *   const h2spec = await goProgramPath("h2spec");   // rejects with MissingProgram: one sentence, exit 69
 */
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MissingProgram } from "./missing-program.ts";
import { runProgram } from "./run-program.ts";

/** Module path and version, as `go install` takes them. */
const MODULES = {
  h2spec: "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible",
  grpcurl: "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
  "grpc-health-probe": "github.com/grpc-ecosystem/grpc-health-probe@v0.4.61",
  "nats-server": "github.com/nats-io/nats-server/v2@v2.15.2",
  versitygw: "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
} as const;

export type GoProgram = keyof typeof MODULES;

const BIN = fileURLToPath(new URL("../.tools/bin/", import.meta.url));
const BUILD_TIMEOUT_MS = 10 * 60_000; // the first time, with an empty build cache
const VERSION_TIMEOUT_MS = 30_000;

/** Path of the program's executable, built if need be. Rejects with MissingProgram. */
export async function goProgramPath(name: GoProgram): Promise<string> {
  const module = MODULES[name];
  const version = versionOf(name);
  const file = fileOf(name);
  if (await isThere(file)) return file;
  if (!(await hasGo())) {
    throw new MissingProgram(`${name} ${version} is built with Go, which is not on PATH: install Go 1.24 or newer.`);
  }
  await mkdir(BIN, { recursive: true });
  const scratch = await mkdtemp(join(BIN, `.building-${name}-`));
  try {
    process.stderr.write(`building ${name} ${version} (once) …\n`);
    const env = { ...goEnvironment(), GOBIN: scratch };
    const { code, output } = await runProgram("go", ["install", "-ldflags=-s -w", module], env, BUILD_TIMEOUT_MS);
    if (code !== 0) {
      const reason = output.trim().split("\n").at(-1) ?? "it said nothing";
      throw new MissingProgram(
        `building ${name} ${version} failed (${reason.slice(0, 200)}): make \`go install\` work.`,
      );
    }
    await rename(join(scratch, name), file); // another process may have been faster: its file is as good
    return file;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Why tests of these programs cannot run here; undefined: they can, if need be after building. In CI a missing Go is a
 * failure, not a reason.
 */
export async function whyNoGoPrograms(...names: readonly GoProgram[]): Promise<string | undefined> {
  if (process.env.CI !== undefined && process.env.CI !== "") return undefined;
  const there = await Promise.all(names.map((name) => isThere(fileOf(name))));
  if (there.every(Boolean) || (await hasGo())) return undefined;
  return `skipped: Go is not on PATH, so ${names.join(", ")} cannot be built`;
}

function versionOf(name: GoProgram): string {
  return MODULES[name].slice(MODULES[name].indexOf("@") + 1);
}

function fileOf(name: GoProgram): string {
  return join(BIN, `${name}-${versionOf(name)}`);
}

async function hasGo(): Promise<boolean> {
  return (await runProgram("go", ["version"], goEnvironment(), VERSION_TIMEOUT_MS)).code === 0;
}

// local: Go must not fetch another Go.
function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "" };
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
