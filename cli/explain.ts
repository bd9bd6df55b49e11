/** `binge explain`: one exchange, step by step, without a proxy. */
import { readFileSync } from "node:fs";
import { checkFields } from "../engine/config/check.ts";
import { readDocument } from "../engine/config/document.ts";
import { NAMED } from "../engine/config/grammar.ts";
import { printDiagnostics } from "../engine/config/print.ts";
import { EXCHANGE_FIELDS, type ExchangeCase } from "../engine/config/test-cases.ts";
import { hasErrors, newReport } from "../engine/core/diagnostic.ts";
import { startTrial, type Watch } from "../engine/runtime/cases.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { type StepRun, traceSteps } from "../engine/runtime/trace.ts";
import { readArguments, requiredString } from "./arguments.ts";
import { requireConfiguration } from "./configuration.ts";
import { playTrial } from "./exchange-cases.ts";
import { Ending, Exit } from "./exit.ts";
import { type Copy, type Explained, type ExplainedStep, explanation } from "./explanation.ts";
import { type HttpMessage, requestMessage, responseMessage } from "./http-message.ts";
import { rehearse } from "./rehearse.ts";

export const EXPLAIN_HELP = `binge explain --config FILE --request FILE
  Shows one exchange step by step, without a proxy and without opening a system: which route matches and why others do
  not, what the proxy is asked for, each process with the event before and after, the verdict, the copies, what the
  upstream and the client get.
  --request FILE  {"request": {"method", "path", "headers", "body"}, "response": {"status", "headers", "body"}}, as in a
                  case of binge test; "response" is what the upstream answers (200 without a body)`;

const OPTIONS = { config: { type: "string" }, request: { type: "string" } } as const;

export async function explain(args: readonly string[]): Promise<number> {
  const parsed = readArguments("explain", args, OPTIONS, false);
  const file = requiredString("explain", parsed, "config");
  const exchange = readExchange(requiredString("explain", parsed, "request"));
  const configuration = requireConfiguration(file, (text) => process.stderr.write(text), { bind: "observe" });
  const watched = newWatch();
  const trial = await startTrial(configuration.plan, configuration.systems, watched);
  if ("error" in trial) throw new Ending(Exit.config, `${file}: ${trial.error}`);
  traceSteps(trial.runtime.pipelines, watched.onStep);
  try {
    const request = requestMessage(exchange.request ?? {});
    const play = (runtime: Runtime, message: HttpMessage, answer: HttpMessage) =>
      rehearse(runtime, message, () => answer);
    const rehearsal = await playTrial(trial, play, request, responseMessage(exchange.response));
    process.stdout.write(explanation({ routes: trial.runtime.routes, request, rehearsal, parts: watched.parts }));
    return Exit.ok;
  } finally {
    await trial.close();
  }
}

/** Puts together what happens: a copy belongs to the step that runs, a step to the verdict that comes next. */
function newWatch(): Required<Watch> & { onStep(run: StepRun): void; parts: Explained["parts"] } {
  const parts: Explained["parts"] = {};
  let copies: Copy[] = [];
  let steps: ExplainedStep[] = [];
  return {
    parts,
    onCopy(system, payload) {
      copies.push({ system, payload });
    },
    onStep(run) {
      steps.push({ ...run, copies });
      copies = [];
    },
    onVerdict(direction, verdict) {
      parts[direction] = { verdict, steps };
      steps = [];
    },
  };
}

/** The exchange in a file; an Ending with every complaint when it is none. */
function readExchange(file: string): ExchangeCase {
  const document = readDocument(readText(file), file);
  const report = newReport();
  report.diagnostics.push(...document.diagnostics);
  const fields = { ...EXCHANGE_FIELDS, request: { ...EXCHANGE_FIELDS.request, required: true } } as const;
  const checked =
    document.value === undefined ? undefined : checkFields(fields, document.value, [], { report, named: NAMED });
  if (!hasErrors(report)) return checked as unknown as ExchangeCase; // what EXCHANGE_FIELDS describes
  throw new Ending(Exit.config, printDiagnostics(report.diagnostics, document));
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new Ending(
      Exit.usage,
      `binge explain: --request ${file}: ${code === "ENOENT" ? "there is no such file" : code}`,
    );
  }
}
