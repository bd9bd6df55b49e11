/** What of a file goes into the bundle and its configuration. */
import type { Loaded } from "../engine/config/load.ts";
import { Op } from "../engine/core/condition/operators.ts";
import type { Condition } from "../engine/core/condition/program.ts";
import type { Plan } from "../engine/core/plan.ts";
import { detects } from "../engine/core/processes/redactor.ts";
import type { TransformerSettings } from "../engine/core/processes/spec.ts";
import { writtenHeaders } from "../engine/core/routes/header-writes.ts";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { readTemplate } from "../engine/runtime/regexps.ts";
import { pcrePattern } from "./patterns.ts";
import type { Target } from "./targets.ts";
import { type Tee, teeOf } from "./tees.ts";
import { sectionsOf, usedSteps } from "./used.ts";

/** The tees of the systems that used steps send to; the file was not refused. */
export function teesOf(loaded: Loaded, target: Target): Tee[] {
  const { plan, systems } = loaded;
  if (plan === undefined) return [];
  const names = new Set(usedSteps(plan).flatMap((index) => teeTarget(plan, index)));
  return systems
    .filter((system) => names.has(`${system.type} ${system.name}`))
    .flatMap((system, index) => teeOf(system, index, target) ?? []);
}

function teeTarget(plan: Plan, index: number): string[] {
  const step = plan.steps[index];
  if (step?.process !== "tee") return [];
  const { target } = step.settings as { target: { type: string; name: string } }; // made by compileTee
  return [`${target.type} ${target.name}`];
}

/** Names of the environment variables that hold keys of HMACs. */
export function environmentOf(plan: Plan): string[] {
  const names = plan.secrets.flatMap((reference) => /^\$\{env:(.+)\}$/.exec(reference)?.[1] ?? []);
  return [...new Set(names)];
}

export function bundledOf(plan: Plan, tees: readonly Tee[], target: Target) {
  const steps = usedSteps(plan).flatMap((index) => plan.steps[index] ?? []);
  const processes = [...new Set(steps.map((step) => step.process))];
  return {
    plan,
    patterns: patternsOf(plan),
    processes,
    tees: Object.fromEntries(tees.map(({ system, way, to }) => [system, { way, to }])),
    flavour: target.flavour,
    jsonDepth: target.jsonDepth,
    needs: {
      ...needsOfTraffic(plan.routes ?? []),
      zones: target.zones,
      queue: tees.some((tee) => tee.way === "queue"),
      state: processes.includes("aggregator"),
      hmacs: plan.secrets.length > 0,
      cel: plan.conditions.some(isCel),
      arithmetic: plan.conditions.some(computes),
      localTime: JSON.stringify(steps).includes("derived:currentTime"),
      detectors: steps.some((step) => step.process === "redactor" && detects(step)),
    },
  };
}

function needsOfTraffic(routes: readonly RoutePlan[]) {
  const sections = routes.flatMap(sectionsOf);
  const takes = (type: string) => sections.some((section) => section.contentTypes.includes(type));
  return {
    response: routes.some((route) => route.response !== undefined && !route.gateway),
    gateway: routes.some((route) => route.gateway),
    hosts: routes.some((route) => route.match.hosts.length > 0),
    segments: routes.some((route) => route.match.paths.some((glob) => glob.prefix === "")),
    each: sections.some((section) => section.each !== undefined),
    ndjson: takes("application/x-ndjson"),
    sse: takes("text/event-stream"),
    http: sections.some((section) => section.readsHttp),
    headers: sections.some((section) => writtenHeaders(section).length > 0),
  };
}

function computes(condition: Condition): boolean {
  return condition.code.some((op, at) => at % 2 === 0 && op <= Op.xor);
}

function isCel(condition: Condition): boolean {
  return condition.walks.length > 0 || condition.code.some((op, at) => at % 2 === 0 && op >= Op.size);
}

/** By the plan's indexes. One that only unused steps have may be none that nginx can read: it stands for nothing then. */
function patternsOf(plan: Plan) {
  return plan.patterns.map((pattern, index) => {
    const written = pcrePattern(pattern) ?? { source: "(?!)", textMax: 0, nullable: false };
    const templates = templatesOf(plan, index);
    const read = templates.map((template) => [template, readTemplate(pattern, template)] as const);
    return {
      test: written.source,
      split: templates.length === 0 ? undefined : `(${written.source})`,
      groups: read[0]?.[1].groups ?? 0,
      textMax: written.textMax,
      templates: Object.fromEntries(read.map(([template, { parts }]) => [template, parts])),
    };
  });
}

function templatesOf(plan: Plan, pattern: number): string[] {
  const specs = plan.steps
    .filter((step) => step.process === "transformer" && step.settings !== undefined)
    .flatMap((step) => (step.settings as TransformerSettings).specs); // made by compileTransformer
  const uses = specs.filter((spec) => spec.argument.pattern === pattern);
  return [...new Set(uses.map((spec) => spec.argument.template))];
}
