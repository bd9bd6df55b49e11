/**
 * The original's command line (agglo-behaviour 6.1), in Go's spelling (`-x v`, `-x=v`, `--x`), as verbs and options of ours:
 * `binge -config f.json -runType stateless-daemon` becomes `binge serve --config f.json …`.
 */
import { statSync } from "node:fs";
import { Ending, Exit } from "./exit.ts";

export type Translation = {
  verb: "run" | "serve";
  args: string[];
  /** flags that do nothing any more, and what does */
  warnings: string[];
};

type Flag = "text" | "number" | "switch";

const FLAGS = {
  config: "text",
  runType: "text",
  outfile: "text",
  daemonPort: "number",
  daemonPath: "text",
  maintenancePort: "number",
  maintenancePath: "text",
  maxConnections: "number",
  numThreads: "number",
  stateDbPath: "text",
  exporter: "text",
  force: "switch",
  cpuprofile: "text",
} as const satisfies { [name: string]: Flag };

type Given = { -readonly [name in keyof typeof FLAGS]?: string };

/** Whether a command line begins like the original's: with a flag, where ours have a verb. */
export function isOriginal(first: string | undefined): boolean {
  return first?.startsWith("-") === true && first !== "-" && first !== "--";
}

/** Throws an Ending with the sentence that says what is wrong. */
export function translate(args: readonly string[]): Translation {
  const given = readFlags(args);
  const { config, runType = "standalone" } = given;
  if (config === undefined || config === "") throw usage("-config is missing");
  switch (runType) {
    case "standalone": {
      // The original's event may stand on any number of lines.
      const args = ["--config", config, "--format", "json", ...outputOf(given)];
      return { verb: "run", args, warnings: warningsOf(given, ["outfile"]) };
    }
    case "stateless-daemon":
      return { verb: "serve", args: daemonArgs(config, given), warnings: warningsOf(given, DAEMON) };
    case "persistent-daemon":
      return {
        verb: "serve",
        args: [...daemonArgs(config, given), ...queueArgs(given)],
        warnings: warningsOf(given, [...DAEMON, "numThreads", "stateDbPath"]),
      };
    case "lambda":
      throw usage(`-runType lambda: "binge lambda --config ${config} --out FILE.zip" makes what runs there`);
    default:
      throw usage(`-runType is one of standalone, lambda, stateless-daemon, persistent-daemon, not "${runType}"`);
  }
}

// One line after the other, as Go's package flag reads them.
function readFlags(args: readonly string[]): Given {
  const given: Given = {};
  for (let i = 0; i < args.length; i++) {
    const [, flag = "", assigned] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(args[i] as string) ?? [];
    if (!isFlag(flag)) throw usage(`there is no flag "${args[i]}"; there are ${list(Object.keys(FLAGS))}`);
    const kind = FLAGS[flag];
    const value = assigned ?? (kind === "switch" ? "true" : args[++i]);
    if (value === undefined) throw usage(`-${flag} needs a value`);
    if (kind === "number" && !/^\d{1,9}$/.test(value)) throw usage(`-${flag} is a number, not "${value}"`);
    given[flag] = value;
  }
  return given;
}

function isFlag(name: string): name is keyof typeof FLAGS {
  return Object.hasOwn(FLAGS, name);
}

function list(names: readonly string[]): string {
  return names.map((name) => `-${name}`).join(", ");
}

function usage(sentence: string): Ending {
  return new Ending(Exit.usage, `binge: ${sentence}; see binge --help`);
}

function outputOf({ outfile }: Given): string[] {
  return outfile === undefined || outfile === "/dev/stdout" ? [] : ["--output", outfile];
}

const DAEMON = ["daemonPort", "daemonPath", "maintenancePort", "maintenancePath", "maxConnections"] as const;

// The original listens on every address, and runs what commands the file says.
function daemonArgs(config: string, given: Given): string[] {
  const { daemonPort = "8080", daemonPath = "/binge", maintenancePort = "8081" } = given;
  const args = ["--config", config, "--listen", `0.0.0.0:${daemonPort}`, "--path", daemonPath];
  args.push("--admin", `0.0.0.0:${maintenancePort}`, "--maintenance-path", given.maintenancePath ?? "/maintenance");
  if (given.maxConnections !== undefined) args.push("--in-flight", given.maxConnections);
  args.push("--allow-spawn");
  return args;
}

const STATE_PATH = "/tmp/bingeDb";

function queueArgs({ stateDbPath = STATE_PATH, numThreads }: Given): string[] {
  if (isFile(stateDbPath)) {
    throw new Ending(
      Exit.config,
      `binge: -stateDbPath ${stateDbPath} is a file, a queue of the original: start the original on it once more until its ` +
        "GET /maintenance/queue is empty, then name a folder that is not there yet",
    );
  }
  return ["--durable", stateDbPath, ...(numThreads === undefined ? [] : ["--workers", numThreads])];
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

const INSTEAD: { readonly [flag in keyof typeof FLAGS]?: string } = {
  exporter:
    "metrics are at /metrics of the admin port, and spans go where the OpenTelemetry SDK sends them that node --import loads",
  force: "a queue opens again after a crash by itself",
  cpuprofile: "node --cpu-prof writes a profile",
  numThreads: "events run as they come",
  stateDbPath: "only a persistent-daemon keeps events",
  outfile: "POST …?output=1 answers with the final events",
};

/** Of what was given and means nothing here; the ports of a daemon that is none are passed over, as the original does. */
function warningsOf(given: Given, used: readonly (keyof Given)[]): string[] {
  const idle = (Object.keys(given) as (keyof Given)[]).filter(
    (flag) => !used.includes(flag) && INSTEAD[flag] !== undefined,
  );
  const said = idle.filter((flag) => !(flag === "exporter" && given.exporter === "none") && given[flag] !== "false");
  return said.map((flag) => `-${flag} does nothing here: ${INSTEAD[flag]}`);
}
