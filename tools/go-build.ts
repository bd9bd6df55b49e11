/** Builds a Go program of this checkout into .tools/bin/. Go keeps what it built: a second time takes a moment. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgram } from "./run-program.ts";

/** The program's path, or the sentence that says why there is none. */
export type GoBuilt = { file: string } | { missing: string };

const BIN = fileURLToPath(new URL("../.tools/bin/", import.meta.url));
const BUILD_TIMEOUT_MS = 10 * 60_000; // the first time fetches modules and compiles gRPC
const VERSION_TIMEOUT_MS = 30_000;

/** Version of the Go that is on PATH, like "go1.26.8"; undefined without one. */
export async function goVersion(): Promise<string | undefined> {
  const { code, output } = await runProgram("go", ["env", "GOVERSION"], goEnvironment(), VERSION_TIMEOUT_MS);
  return code === 0 ? output.trim() : undefined;
}

/** Builds the package `./NAME` of the Go module in `module` as `.tools/bin/PREFIX-NAME`. Never rejects for want of Go. */
export async function buildGo(module: string, name: string, prefix: string): Promise<GoBuilt> {
  if ((await goVersion()) === undefined) return { missing: "Go is not on PATH" };
  await mkdir(BIN, { recursive: true });
  const file = join(BIN, `${prefix}-${name}`);
  // -mod=readonly: go.mod and go.sum say what is built, whatever newer versions there are.
  const args = ["-C", module, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", file, `./${name}`];
  const { code, output } = await runProgram("go", args, goEnvironment(), BUILD_TIMEOUT_MS);
  return code === 0 ? { file } : { missing: `go build of ${name} fails: ${output.trim().split("\n").at(-1)}` };
}

// local: Go must not fetch another Go.
function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "" };
}
