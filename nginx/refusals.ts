/**
 * What a target's nginx cannot do of a file, each with its place and what to do instead. Nothing is left out in silence:
 * a file with one of these is not written.
 */
import type { Loaded } from "../engine/config/load.ts";
import { type DocumentPath, newReport, type Report } from "../engine/core/diagnostic.ts";
import { isArray, isObject, type JsonValue } from "../engine/core/event/json.ts";
import type { Plan, Step } from "../engine/core/plan.ts";
import { pcrePattern } from "./patterns.ts";
import { DAEMON, refusalOfProcess } from "./processes.ts";
import { type Reading, refuse } from "./reading.ts";
import { refuseRoutes } from "./route-refusals.ts";
import type { Target } from "./targets.ts";
import { teeOf } from "./tees.ts";
import { usedPipelines, usedSteps } from "./used.ts";

/** [] when the target does all of it. */
export function findTargetRefusals(loaded: Loaded, plan: Plan, target: Target): Report["diagnostics"] {
  const reading: Reading = { loaded, plan, target, report: newReport(), refused: new Set() };
  if (plan.routes === undefined) {
    refuse(reading, [], "nothing is bound to traffic", 'add an "http" section with routes');
    return reading.report.diagnostics;
  }
  for (const index of usedSteps(plan)) refuseStep(reading, plan.steps[index] as Step, placeOf(loaded, index));
  refuseHiddenPatterns(reading);
  refuseOptions(reading);
  refuseRoutes(reading, plan.routes);
  return reading.report.diagnostics;
}

function placeOf(loaded: Loaded, step: number): DocumentPath {
  return loaded.places[step] as DocumentPath; // one per step
}

function refuseStep(reading: Reading, step: Step, at: DocumentPath): void {
  const refusal = refusalOfProcess(step.process, reading.target);
  if (refusal !== undefined) refuse(reading, at, `"${step.name}": ${refusal.message}`, refusal.remedy);
  else if (step.spawns) refuse(reading, at, `"${step.name}" runs commands, and nginx runs none`, DAEMON);
  if (refusal !== undefined || step.spawns) return;
  const written = valueAt(reading.loaded.document.value, at);
  refusePatterns(reading, written, at);
  refuseEventPatterns(reading, written, at);
  refuseSecrets(reading, written, at);
  if (step.process === "tee") refuseTee(reading, step, written, at);
  if (step.process === "aggregator") refuseStore(reading, written, at);
}

// Every text of the definition that is one of the plan's patterns, where it stands.
function refusePatterns(reading: Reading, written: JsonValue | undefined, at: DocumentPath): void {
  eachText(written, at, (text, path) => {
    const key = path.at(-1);
    const mayBePattern = key === "regex" || key === "literal" || text.includes("matches(");
    if (!mayBePattern) return;
    for (const pattern of reading.plan.patterns) {
      // In CEL it stands escaped, or as it is in a raw string.
      const isInside = text.includes(pattern) || text.includes(JSON.stringify(pattern).slice(1, -1));
      const isHere = text === pattern || (text.includes("matches(") && isInside);
      if (isHere) refusePattern(reading, pattern, key === "regex" && path.includes("mapRegexArgs"), path);
    }
  });
}

// However a pattern is spelled: one that cannot be written is never left out, also where it was not found in the file.
function refuseHiddenPatterns(reading: Reading): void {
  for (const pattern of reading.plan.patterns) {
    if (pcrePattern(pattern) !== undefined || reading.refused.has(pattern)) continue;
    refusePattern(reading, pattern, false, ["processDefinitions"]);
  }
}

function refusePattern(reading: Reading, pattern: string, isReplaced: boolean, at: DocumentPath): void {
  const written = pcrePattern(pattern);
  if (written === undefined) {
    reading.refused.add(pattern);
    const message = "nginx's engine would read this pattern otherwise, or could be held up by a text";
    const remedy = "ASCII classes, no \\p, no repetition inside a repetition, none without an end before one like it";
    refuse(reading, at, message, remedy);
  } else if (isReplaced && written.nullable) {
    refuse(reading, at, "a pattern that can match nothing is not replaced here", "let it take at least one character");
  }
}

function refuseEventPatterns(reading: Reading, written: JsonValue | undefined, at: DocumentPath): void {
  const message = "the pattern comes with the event: it could hold up the worker";
  eachObject(written, at, (object, path) => {
    const isRegex = ["RegexMatch", "RegexNotMatch", 25, 26].some((op) => object.op === op);
    const right = object.rhs;
    if (isRegex && isObject(right) && right.literal === undefined) {
      refuse(reading, [...path, "rhs"], message, "write the pattern into the file");
    }
  });
  eachText(written, at, (text, path) => {
    if (/\bmatches\(\s*(?!r?["'])/.test(text)) refuse(reading, path, message, "write the pattern into the file");
  });
}

function refuseSecrets(reading: Reading, written: JsonValue | undefined, at: DocumentPath): void {
  eachText(written, at, (text, path) => {
    if (path.at(-1) !== "key" || path.at(-2) !== "hmac" || !text.startsWith("${file:")) return;
    refuse(reading, path, "nginx reads no file for a key", "give it in the environment: ${env:NAME}");
  });
}

function refuseTee(reading: Reading, step: Step, written: JsonValue | undefined, at: DocumentPath): void {
  if (!isObject(written)) return;
  if (written.rate !== undefined) {
    const remedy = 'use "sample", or limit where the copies go';
    refuse(reading, [...at, "rate"], "nothing is remembered from one request to the next", remedy);
  }
  if (written.spool !== undefined) {
    refuse(
      reading,
      [...at, "spool"],
      "nginx keeps no copies on disk",
      "take it out, or tee to a binge daemon that does",
    );
  }
  for (const field of ["batch", "keyPrefix"]) {
    if (written[field] === undefined) continue;
    refuse(
      reading,
      [...at, field],
      "nginx sends each copy by itself",
      "take it out, or tee to a binge daemon that gathers",
    );
  }
  if (step.waits === "always") {
    const message = `"${step.name}": a later process reads what came of the copy, and nginx waits for none`;
    refuse(reading, at, message, "let nothing read internal:tee:output, or run the route in Envoy");
  }
  const system = reading.loaded.systems.find((other) => other.name === written.outputConnectorRef);
  if (system !== undefined && teeOf(system, 0, reading.target) !== undefined) return;
  const message = `"${step.name}": nginx sends copies to an ExternalHttp or a folder (ExternalLocalFile) only`;
  refuse(reading, [...at, "outputConnectorRef"], message, "tee over HTTP to a binge daemon, which sends them on");
}

function refuseStore(reading: Reading, written: JsonValue | undefined, at: DocumentPath): void {
  if (!isObject(written)) return;
  const system = reading.loaded.systems.find((other) => other.name === written.stateStore);
  if (system === undefined || /^(?:mem:|local$)/.test(system.connectionString)) return;
  const message = "nginx counts in memory of its own host only";
  refuse(reading, [...at, "stateStore"], message, 'use a "mem:" store, or tee to a binge daemon that counts');
}

function refuseOptions(reading: Reading): void {
  for (const index of usedPipelines(reading.plan)) {
    if (reading.plan.pipelines[index]?.options === undefined) continue;
    const message = "nginx makes no second tries, keeps no checkpoints and measures no process";
    refuse(reading, ["pipelines", index], message, "take these fields out, or run the pipeline in Envoy");
  }
}

function valueAt(root: JsonValue | undefined, at: DocumentPath): JsonValue | undefined {
  let value = root;
  for (const key of at) {
    if (isArray(value)) value = value[key as number];
    else value = isObject(value) ? value[key as string] : undefined;
  }
  return value;
}

function eachText(
  value: JsonValue | undefined,
  at: DocumentPath,
  visit: (text: string, path: DocumentPath) => void,
): void {
  if (typeof value === "string") visit(value, at);
  else if (isArray(value)) for (const [i, element] of value.entries()) eachText(element, [...at, i], visit);
  else if (isObject(value)) for (const [key, member] of Object.entries(value)) eachText(member, [...at, key], visit);
}

function eachObject(
  value: JsonValue | undefined,
  at: DocumentPath,
  visit: (object: { [key: string]: JsonValue }, path: DocumentPath) => void,
): void {
  if (isArray(value)) {
    for (const [i, element] of value.entries()) eachObject(element, [...at, i], visit);
  } else if (isObject(value)) {
    visit(value, at);
    for (const [key, member] of Object.entries(value)) eachObject(member, [...at, key], visit);
  }
}
