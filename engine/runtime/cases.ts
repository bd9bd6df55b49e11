/** Runs one case of `binge test` on events: a pipeline or a route on an input, compared with what is expected. */
import type { SystemConfig } from "../config/load.ts";
import type { Expectation, TestCase } from "../config/test-cases.ts";
import { newRunContext } from "../core/context.ts";
import { type Event, eventOf, newEvent } from "../core/event/event.ts";
import { isObject, type JsonObject, type JsonValue, newObject, setOwn } from "../core/event/json.ts";
import { parseText } from "../core/event/parse.ts";
import { writeEvent } from "../core/event/write.ts";
import { Outcome } from "../core/outcome.ts";
import { runPipeline } from "../core/pipeline.ts";
import type { Plan } from "../core/plan.ts";
import { HTTP_KEY } from "../core/processes/reserved.ts";
import type { Reply } from "../core/routes/reply.ts";
import { treat, type Verdict } from "../core/routes/section.ts";
import { findDifferences } from "./differences.ts";
import { type Runtime, StartError, startRuntime } from "./runtime.ts";
import type { Direction } from "./standing.ts";

export type CaseResult = { name: string /** a line each; [] = as expected */; differences: string[] };

/** What came of it, whichever way it went. */
type Observed = {
  verdict: string;
  /** the event or body afterwards; undefined: there is none, or it is no JSON */
  output: JsonValue | undefined;
  reserved: JsonObject;
  reply: Reply | undefined;
  rule: string;
  detail: string;
};

/** A runtime for one case: no system is opened but stores in memory, and copies are kept. */
export type Trial = {
  runtime: Runtime;
  copies: { [system: string]: JsonValue[] };
  verdicts: { [direction in Direction]?: Verdict };
  close(): Promise<void>;
};

/** Told of what happens in a trial, when it happens. */
export type Watch = {
  onCopy?(system: string, payload: string): void;
  onVerdict?(direction: Direction, verdict: Verdict): void;
};

/** An error says what the configuration lacks. */
export async function startTrial(
  plan: Plan,
  systems: readonly SystemConfig[],
  watch: Watch = {},
): Promise<Trial | { error: string }> {
  const copies: Trial["copies"] = {};
  const verdicts: Trial["verdicts"] = {};
  try {
    const runtime = await startRuntime(plan, systems, {
      log: () => {}, // what a test loses shows in its differences
      allowSpawn: true,
      tees: (target, payload) => {
        copies[target.name] = [...(copies[target.name] ?? []), JSON.parse(payload) as JsonValue];
        watch.onCopy?.(target.name, payload);
      },
      onVerdict: (_route, direction, verdict) => {
        verdicts[direction] = verdict;
        watch.onVerdict?.(direction, verdict);
      },
    });
    return { runtime, copies, verdicts, close: () => runtime.close(1000) };
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return { error: error.message };
  }
}

/** Runs a case on a pipeline or a route; cases with a request are the host's to run. */
export async function runCase(plan: Plan, systems: readonly SystemConfig[], testCase: TestCase): Promise<CaseResult> {
  const trial = await startTrial(plan, systems);
  if ("error" in trial) return { name: testCase.name, differences: [trial.error] };
  const { runtime, copies } = trial;
  try {
    const observed = await observe(runtime, testCase);
    const differences = typeof observed === "string" ? [observed] : compare(testCase.expect, observed, copies, runtime);
    return { name: testCase.name, differences };
  } finally {
    await trial.close();
  }
}

/** A string: the case itself is wrong. */
async function observe(runtime: Runtime, testCase: TestCase): Promise<Observed | string> {
  const text = testCase.text ?? JSON.stringify(testCase.input ?? {});
  return testCase.pipeline === undefined
    ? throughRoute(runtime, testCase, text)
    : throughPipeline(runtime, testCase, testCase.pipeline, text);
}

const DEPTH_MAX = 64;

async function throughPipeline(
  runtime: Runtime,
  testCase: TestCase,
  name: string,
  text: string,
): Promise<Observed | string> {
  const pipeline = runtime.pipelines.find((known) => known.name === name);
  if (pipeline === undefined) return `no pipeline is called "${name}"`;
  const parsed = parseText(text, 0, text.length, DEPTH_MAX);
  if (parsed.fault !== undefined || !isObject(parsed.value))
    return `the input is no event: ${parsed.detail || "not an object"}`;
  const event: Event = newEvent(parsed.value, text, 0, text.length);
  if (testCase.http !== undefined) setOwn(event.side, HTTP_KEY, testCase.http);
  const context = newRunContext(event, runtime.ports);
  const outcome = await runPipeline(pipeline, context, 0);
  const changed = event.value === event.parsed ? "passed" : "changed";
  const verdicts = {
    [Outcome.next]: changed,
    [Outcome.stop]: "stopped",
    [Outcome.refuse]: "refused",
    [Outcome.fault]: "faulted",
  };
  return {
    verdict: verdicts[outcome as keyof typeof verdicts],
    output: outcome === Outcome.next || outcome === Outcome.stop ? jsonOf(writeEvent(event)) : undefined,
    reserved: event.side,
    reply: outcome === Outcome.refuse ? context.refusal : undefined,
    rule: outcome === Outcome.fault ? context.faultReason : (context.refusal?.rule ?? ""),
    detail: outcome === Outcome.fault ? `${context.process}: ${context.faultDetail}` : "",
  };
}

async function throughRoute(runtime: Runtime, testCase: TestCase, text: string): Promise<Observed | string> {
  const direction = testCase.direction ?? "request";
  const section = runtime.routes.find((known) => known.plan.name === testCase.route)?.[direction];
  if (section === undefined) return `no route with a ${direction} section is called "${testCase.route}"`;
  const verdict = await treat(section, text, testCase.http ?? newObject(), testCase.contentType ?? "application/json");
  const passes = verdict.reply === undefined;
  return {
    verdict: verdict.kind,
    output: passes ? jsonOf(verdict.text ?? text) : undefined,
    reserved: eventOf(newObject()).side,
    reply: verdict.reply,
    rule: verdict.reply?.rule ?? "",
    detail: verdict.detail,
  };
}

/** What a text is as JSON, or itself where it is none. */
export function jsonOf(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text; // not JSON (NDJSON, a fault that passes): compared as text
  }
}

function compare(
  expected: Expectation,
  observed: Observed,
  copies: { [system: string]: JsonValue[] },
  runtime: Runtime,
): string[] {
  const differences: string[] = [];
  const want = (what: string, wanted: JsonValue | undefined, found: JsonValue | undefined): void => {
    if (wanted !== undefined && wanted !== found)
      differences.push(`${what}: expected ${show(wanted)}, found ${show(found)}`);
  };
  const why = observed.detail === "" ? "" : ` (${observed.detail})`;
  if (expected.verdict !== undefined && expected.verdict !== observed.verdict) {
    differences.push(`verdict: expected ${expected.verdict}, found ${observed.verdict}${why}`);
  }
  want("status", expected.status, observed.reply?.status);
  want("rule", expected.rule, observed.rule);
  const looksAtOutput =
    expected.output !== undefined || expected.contains !== undefined || expected.schema !== undefined;
  if (looksAtOutput && observed.output === undefined) {
    differences.push(`output: there is none, it was ${observed.verdict}${why}`);
  } else {
    if (expected.output !== undefined)
      differences.push(...findDifferences(expected.output, observed.output, "equal", "output"));
    if (expected.contains !== undefined)
      differences.push(...findDifferences(expected.contains, observed.output, "contains", "output"));
    if (expected.schema !== undefined)
      differences.push(...schemaErrors(expected.schema, observed.output ?? null, runtime));
  }
  if (expected.reserved !== undefined)
    differences.push(...findDifferences(expected.reserved, observed.reserved, "contains", "reserved"));
  differences.push(...teeDifferences(expected, copies));
  return differences;
}

/** Copies that are others than expected, or more, or fewer. */
export function teeDifferences(expected: Expectation, copies: Trial["copies"]): string[] {
  const differences: string[] = [];
  for (const [system, wanted] of Object.entries(expected.tees ?? {})) {
    const found = copies[system] ?? [];
    if (found.length !== wanted.length)
      differences.push(`tees.${system}: expected ${wanted.length} copies, found ${found.length}`);
    for (const [i, copy] of wanted.entries()) {
      if (i < found.length) differences.push(...findDifferences(copy, found[i], "contains", `tees.${system}[${i}]`));
    }
  }
  return differences;
}

export function schemaErrors(schema: JsonObject, output: JsonValue, runtime: Runtime): string[] {
  const validator = runtime.ports.schemas.compile(schema);
  if ("flaws" in validator) return [`schema: ${validator.flaws.map((flaw) => flaw.message).join(", ")}`];
  return validator.validate(output).map((error) => `schema: ${error.keyword} at ${error.pointer || "the whole event"}`);
}

function show(value: JsonValue | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
