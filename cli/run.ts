/** `binge run`: NDJSON events in, one JSON line per final event out. */
import { createInterface } from "node:readline";
import { newObject, setOwn } from "../engine/core/event/json.ts";
import { type LinkedSection, treat } from "../engine/core/routes/section.ts";
import { failureText, finalText, type Runner, readEvent, runEvent } from "../engine/runtime/run-text.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { type Arguments, optionalString, readArguments, requiredString } from "./arguments.ts";
import { type Configuration, requireConfiguration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";
import { startOrEnd } from "./start.ts";

export const RUN_HELP = `binge run --config FILE [--pipeline NAME | --route NAME] < events.ndjson > out.ndjson
  Runs every line, a JSON object, through the pipelines and prints each final event as one line, in order.
  --pipeline NAME  only this pipeline; without it every one, each on the event as it came in
  --route NAME     the request section of this route instead, as a proxy would
  A failing event goes to stderr with its line number; exit 1 at the end when one failed.`;

const OPTIONS = { config: { type: "string" }, pipeline: { type: "string" }, route: { type: "string" } } as const;

/** Treats one line: what to print, and whether it went well. */
type Treat = (text: string, complain: (why: string) => void) => Promise<string[]>;

export async function run(args: readonly string[]): Promise<number> {
  const parsed = readArguments("run", args, OPTIONS, false);
  const configuration = requireConfiguration(requiredString("run", parsed, "config"), (text) =>
    process.stderr.write(text),
  );
  const runtime = await startOrEnd(configuration, {
    log: (level, message) => process.stderr.write(`${level}: ${message}\n`),
    allowSpawn: true,
    tees: "direct",
  });
  try {
    return await runLines(treatmentOf(parsed, configuration, runtime));
  } finally {
    await runtime.close(10_000);
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

async function runLines(treatLine: Treat): Promise<number> {
  let failed = false;
  let number = 0;
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() === "") continue;
    const at = number;
    const lines = await treatLine(line, (why) => {
      failed = true;
      process.stderr.write(`line ${at}: ${why}\n`);
    });
    for (const out of lines) if (!process.stdout.write(`${out}\n`)) await drained();
  }
  return failed ? Exit.findings : Exit.ok;
}

function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.once("drain", () => resolve()));
}
