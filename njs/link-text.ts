/**
 * A route as JavaScript that makes it, linked: what core's link does on Node once per thread, done here when the bundle is
 * written, since in nginx every request starts anew. Only what the route uses is in it.
 */
import type { PipelinePlan, Plan, Step } from "../engine/core/plan.ts";
import { findProcess } from "../engine/core/processes/registry.ts";
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
  const step = JSON.stringify({ name, condition, waits, settings });
  return `{ run: run${exportName(process)}, step: ${step}, plan, conditions, patterns, steps }`;
}

function linkedState({ process }: Step, index: number): string[] {
  if (findProcess(process)?.link === undefined) return [];
  return [`steps[${index}].state = link${exportName(process)}(steps[${index}].step, ports);`];
}

/** `filter` -> `Filter`: a process's file exports runFilter. */
export function exportName(key: string): string {
  return key.charAt(0).toUpperCase() + key.slice(1);
}

function sectionText(plan: Plan, section: SectionPlan | undefined): string {
  if (section === undefined) return "undefined";
  const { onFault, pipelines, readsRequest: _readsRequest, limits, ...own } = section;
  const { decodedBytes: _decodedBytes, ...read } = limits;
  // Only a fault asks for the answers to faults.
  const text = `${JSON.stringify({ ...own, limits: read }).slice(0, -1)}, get onFault() { return ${JSON.stringify(onFault)}; } }`;
  const linked = pipelines.map((index) => pipelineText(plan.pipelines[index] as PipelinePlan, index, plan.partition));
  return `{ plan: ${text}, pipelines: [${linked.join(", ")}], ports }`;
}

function pipelineText(pipeline: PipelinePlan, index: number, partition: string): string {
  const steps = pipeline.steps.map((step) => `steps[${step}]`).join(", ");
  const named = JSON.stringify({ index, name: pipeline.name, partition }).slice(0, -1);
  return `${named}, steps: [${steps}], conducts: [] }`;
}

function patternsText(patterns: readonly BundledPattern[]): string {
  return patterns.length === 0 ? "[]" : `linkPatterns([${patterns.map(patternText).join(", ")}])`;
}

function patternText(pattern: BundledPattern): string {
  const { test, split, groups, textMax, templates } = pattern;
  const splits = split === undefined ? "undefined" : `/${split}/`;
  return `{ test: /${test}/, split: ${splits}, groups: ${groups}, textMax: ${textMax}, templates: ${JSON.stringify(templates)} }`;
}
