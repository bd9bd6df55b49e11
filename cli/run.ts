/** `binge run`: events in, one JSON line per final event out. */
import { type Stats, statSync } from "node:fs";
import { newObject, setOwn } from "../engine/core/event/json.ts";
import { type LinkedSection, treat } from "../engine/core/routes/section.ts";
import { failureText, finalText, type Runner, readEvent, runEvent } from "../engine/runtime/run-text.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { type Arguments, choice, optionalString, readArguments, requiredString } from "./arguments.ts";
import { type Configuration, requireConfiguration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";
import { followFile, readInput, statInput } from "./input/bytes.ts";
import { FORMATS, type FormatName, guessFormat, READERS } from "./input/format.ts";
import type { Found } from "./input/found.ts";
import { type Output, openOutput } from "./output.ts";
import { newProgress, type Progress } from "./progress.ts";
import { startOrEnd } from "./start.ts";
import { type Stop, stopOnSignal } from "./stop.ts";

export const RUN_HELP = `binge run --config FILE [--pipeline NAME | --route NAME] [--input FILE [--follow]] [--output FILE]
  Runs every event of the input through the pipelines and prints each final event as one line of JSON, in order.
  --pipeline NAME  only this pipeline; without it every one, each on the event as it came in
  --route NAME     the request section of this route instead, as a proxy would
  --input FILE     instead of standard input; --output FILE, truncated, instead of standard output
  --follow         of NDJSON: all of FILE, then each new line until SIGINT or SIGTERM; a file that is truncated or
                   replaced by another, as logs are, is read from its beginning
  --format NAME    ndjson; json: objects in a row or arrays of them, over any number of lines; csv: a header line names
                   the fields, values stay text; yaml: a stream of documents. Else by FILE's ending (.ndjson .jsonl
                   .json .csv .yaml .yml), else ndjson
  A failing event goes to stderr with its line number and stops no other. Exit 0: all went well (a traffic filter or
  continuation that ends a pipeline is no failure); 1: some events failed; 65: the input cannot be understood from some
  line on; 66: there is no such input; 69: a system is out of reach; 73, 74: the output cannot be created or written;
  130, 143: ended by SIGINT, SIGTERM before the end of the input. Who closes the output (| head) ends it quietly.`;

const OPTIONS = {
  config: { type: "string" },
  pipeline: { type: "string" },
  route: { type: "string" },
  input: { type: "string" },
  follow: { type: "boolean" },
  output: { type: "string" },
  format: { type: "string" },
} as const;

/** Treats one event: what to print, and whether it went well. */
type Treat = (text: string, complain: (why: string) => void) => Promise<string[]>;

type Settings = {
  input: string | undefined;
  follow: boolean;
  output: string | undefined;
  format: FormatName;
};

export async function run(args: readonly string[]): Promise<number> {
  const parsed = readArguments("run", args, OPTIONS, false);
  const settings = readSettings(parsed);
  const configuration = requireConfiguration(requiredString("run", parsed, "config"), (text) =>
    process.stderr.write(text),
  );
  const progress = progressOf(settings);
  const runtime = await startOrEnd(configuration, {
    log: (level, message) => progress.say(`${level}: ${message}\n`),
    allowSpawn: true,
    tees: "direct",
  });
  try {
    const treatEvent = treatmentOf(parsed, configuration, runtime);
    return await runEvents(settings, treatEvent, openOutput(settings.output), progress);
  } finally {
    progress.end();
    await runtime.close(10_000);
  }
}

function readSettings(parsed: Arguments): Settings {
  const input = optionalString(parsed, "input");
  const format = choice("run", parsed, "format", FORMATS, guessFormat(input));
  const follow = parsed.values.follow === true;
  if (follow && input === undefined) throw new Ending(Exit.usage, "binge run: --follow needs --input FILE");
  if (follow && format !== "ndjson") throw new Ending(Exit.usage, `binge run: --follow reads ndjson, not ${format}`);
  return { input, follow, output: optionalString(parsed, "output"), format };
}

/** Looks at the input and the output before either is touched. */
function progressOf({ input, follow, output }: Settings): Progress {
  const from = statInput(input);
  if (output !== undefined && from.isFile() && isFile(output, from)) {
    const why = "is the input, and writing would empty it; name another --output";
    throw new Ending(Exit.usage, `binge run: ${output} ${why}`);
  }
  const isPlain = input !== undefined && !follow;
  return newProgress(isPlain ? from.size : 0, output !== undefined || !process.stdout.isTTY);
}

function isFile(path: string, { ino, dev }: Stats): boolean {
  try {
    const there = statSync(path);
    return there.ino === ino && there.dev === dev;
  } catch {
    return false; // opening it says what is wrong
  }
}

function treatmentOf(parsed: Arguments, configuration: Configuration, runtime: Runtime): Treat {
  const route = optionalString(parsed, "route");
  const pipeline = optionalString(parsed, "pipeline");
  if (route !== undefined && pipeline !== undefined) {
    throw new Ending(Exit.usage, "binge run: --pipeline and --route exclude each other");
  }
  if (route !== undefined) {
    const section = runtime.routes.find((known) => known.plan.name === route)?.request;
    if (section === undefined)
      throw new Ending(Exit.usage, `binge run: no route with a request section is called "${route}"`);
    return (text, complain) => throughRoute(section, text, complain);
  }
  const chosen = runtime.pipelines.filter((known) => pipeline === undefined || known.name === pipeline);
  if (chosen.length === 0 && pipeline !== undefined) {
    const names = configuration.plan.pipelines.map((known) => known.name).join(", ");
    throw new Ending(Exit.usage, `binge run: no pipeline is called "${pipeline}"; there are ${names}`);
  }
  return (text, complain) => throughPipelines({ pipelines: chosen, ports: runtime.ports }, text, complain);
}

async function throughPipelines(runner: Runner, text: string, complain: (why: string) => void): Promise<string[]> {
  const event = readEvent(text);
  if ("unreadable" in event) {
    complain(event.unreadable);
    return [];
  }
  const { finals, failures } = await runEvent(runner, event, "", 0);
  for (const failure of failures) complain(failureText(failure));
  return finals.map(finalText);
}

async function throughRoute(section: LinkedSection, text: string, complain: (why: string) => void): Promise<string[]> {
  const http = newObject();
  setOwn(http, "direction", "request");
  const verdict = await treat(section, text, section.plan.readsHttp ? http : undefined, "application/json");
  if (verdict.kind === "refused") complain(`refused by ${verdict.process} with ${verdict.reply?.status ?? ""}`);
  else if (verdict.kind === "faulted") complain(`${verdict.reason}: ${verdict.detail}`);
  else return [verdict.text ?? text];
  return [];
}

async function runEvents(settings: Settings, treatEvent: Treat, output: Output, progress: Progress): Promise<number> {
  const stop = stopOnSignal();
  let failed = false;
  const complain = (place: string, why: string) => {
    failed = true;
    progress.say(`${place}: ${why}\n`);
  };
  for await (const found of events(settings, stop, progress)) {
    if ("fault" in found) {
      complain(found.place, found.fault);
      continue;
    }
    const lines = await treatEvent(found.text, (why) => complain(found.place, why));
    if (lines.length > 0 && !(await output.write(`${lines.join("\n")}\n`))) break;
    if (stop.signal.aborted) break;
  }
  await output.close();
  if (stop.signal.aborted && !settings.follow) return stop.exitCode();
  return failed ? Exit.findings : Exit.ok;
}

/** Ends where the input does, and where a signal says so: a line that is not finished then is left out. */
async function* events(settings: Settings, { signal }: Stop, progress: Progress): AsyncIterable<Found> {
  const { input, follow, format } = settings;
  const read = READERS[format];
  try {
    if (!follow) yield* read(counted(readInput(input, signal), progress));
    else for await (const bytes of followFile(input as string, signal)) yield* read(bytes); // readSettings has seen to it
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function* counted(bytes: AsyncIterable<Uint8Array>, progress: Progress): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    yield chunk;
    progress.advance(chunk.byteLength);
  }
}
