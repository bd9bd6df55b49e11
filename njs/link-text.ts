/**
 * A route as JavaScript that makes it, linked: what core's link does on Node once per thread, done here when the bundle is
 * written, since in nginx every request starts anew. Only what the route uses is in it.
 */
import type { PipelinePlan, Plan, Step } from "../engine/core/plan.ts";
import { findProcess } from "../engine/core/processes/registry.ts";
import { problemReply, type Reply } from "../engine/core/routes/reply.ts";
import type { RoutePlan, SectionPlan } from "../engine/core/routes/route.ts";
import type { Bundled, BundledPattern } from "./bundle.ts";

/** `(ports) => LinkedRoute` */
export function routeText(bundled: Bundled, route: RoutePlan): string {
  const { plan } = bundled;
  const used = usedSteps(plan, route);
  const conditions = usedConditions(plan, used);
  const lines = [
    `const patterns = ${patternsText(bundled.patterns)};`,
    `const plan = ${JSON.stringify({ partition: plan.partition })};`,
    `const conditions = [${plan.conditions.map((condition, i) => conditions.has(i) && linkedCondition(condition)).join(",")}];`,
    "const steps = [];",
    ...plan.steps.map((step, index) => `steps.push(${used.has(index) ? linkedStep(step) : "undefined"});`),
    ...[...used].flatMap((index) => linkedState(plan.steps[index] as Step, index)),
    `const request = ${sectionText(plan, route.request)};`,
    `const response = ${sectionText(plan, route.response)};`,
    `return { plan: ${JSON.stringify({ name: route.name, gateway: route.gateway })}, request, response };`,
  ];
  return `(ports) => {\n${lines.join("\n")}\n}`;
}

function usedSteps(plan: Plan, route: RoutePlan): Set<number> {
  const pipelines = [route.request, route.response].flatMap((section) => section?.pipelines ?? []);
  const used = new Set(pipelines.flatMap((index) => plan.pipelines[index]?.steps ?? []));
  for (const index of [...used]) for (const other of plan.steps[index]?.uses ?? []) used.add(other);
  return used;
}

/** Steps and their settings name conditions by index, under "condition". */
function usedConditions(plan: Plan, steps: ReadonlySet<number>): Set<number> {
  const used = new Set<number>();
  for (const index of steps) {
    JSON.stringify(plan.steps[index], (key, value: unknown) => {
      if (key === "condition" && typeof value === "number") used.add(value);
      return value;
    });
  }
  return used;
}

function linkedCondition(condition: Plan["conditions"][number]): string {
  return `linkCondition(${JSON.stringify(condition)}, patterns, ports.regexps)`;
}

// Of a step what is read while it runs.
function linkedStep({ process, name, condition, waits, settings }: Step): string {
  const step = literal({ name, condition, waits, settings });
  return `{ run: run${exportName(process)}, step: ${step}, plan, conditions, patterns, steps }`;
}

/** Members that only a refusal asks for: what makes them costs less than they do. */
const SELDOM_READ = ["reply", "onFault"];

/** The value as an expression. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => memberText(key, member)).join(",")}}`;
}

function memberText(key: string, member: unknown): string {
  const isSeldom = SELDOM_READ.includes(key) && typeof member === "object" && member !== null;
  return isSeldom ? `get ${key}() { return ${replies(member)}; }` : `${JSON.stringify(key)}:${literal(member)}`;
}

/** A reply, or one per reason of a fault: mostly what problemReply makes. */
function replies(value: object): string {
  if ("status" in value) return replyText(value as Reply);
  const byReason = Object.entries(value as { [reason: string]: Reply | null });
  return `{${byReason.map(([reason, reply]) => `${reason}: ${reply === null ? "null" : replyText(reply)}`).join(",")}}`;
}

function replyText(reply: Reply): string {
  const isUsual = JSON.stringify(reply) === JSON.stringify(problemReply(reply.status, reply.rule));
  return isUsual ? `problemReply(${reply.status}, ${JSON.stringify(reply.rule)})` : JSON.stringify(reply);
}

function linkedState({ process }: Step, index: number): string[] {
  if (findProcess(process)?.link === undefined) return [];
  return [`steps[${index}].state = link${exportName(process)}(steps[${index}].step, ports);`];
}

/** `filter` -> `Filter`: a process's file exports runFilter. */
export function exportName(key: string): string {
  return key.charAt(0).toUpperCase() + key.slice(1);
}

/** Nobody reads them of a request. */
const ONLY_OF_RESPONSES = { statuses: undefined, guards: undefined, changesBody: undefined };

function sectionText(plan: Plan, section: SectionPlan | undefined): string {
  if (section === undefined) return "undefined";
  const { onFault, pipelines, readsRequest: _readsRequest, separate: _separate, limits, ...own } = section;
  const { decodedBytes: _decodedBytes, ...read } = limits;
  const text = literal({ ...own, ...(section.direction === "request" && ONLY_OF_RESPONSES), limits: read, onFault });
  const linked = pipelines.map((index) => pipelineText(plan.pipelines[index] as PipelinePlan, index, plan.partition));
  return `{ plan: ${text}, pipelines: [${linked.join(", ")}], ports }`;
}

function pipelineText(pipeline: PipelinePlan, index: number, partition: string): string {
  const steps = pipeline.steps.map((step) => `steps[${step}]`).join(", ");
  const named = JSON.stringify({ index, name: pipeline.name, partition }).slice(0, -1);
  return `${named}, steps: [${steps}] }`;
}

function patternsText(patterns: readonly BundledPattern[]): string {
  return patterns.length === 0 ? "[]" : `linkPatterns([${patterns.map(patternText).join(", ")}])`;
}

function patternText(pattern: BundledPattern): string {
  const { test, split, groups, textMax, templates } = pattern;
  const splits = split === undefined ? "undefined" : `/${split}/`;
  return `{ test: /${test}/, split: ${splits}, groups: ${groups}, textMax: ${textMax}, templates: ${JSON.stringify(templates)} }`;
}
