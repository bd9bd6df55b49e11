/** What of a plan its routes use: only that goes into the bundle, and only that can be refused. */
import type { Plan, Step } from "../engine/core/plan.ts";
import type { RoutePlan, SectionPlan } from "../engine/core/routes/route.ts";

export function sectionsOf(route: RoutePlan): SectionPlan[] {
  return [route.request, route.response].filter((section) => section !== undefined);
}

/** Indexes in plan.pipelines. */
export function usedPipelines(plan: Plan): number[] {
  return [...new Set((plan.routes ?? []).flatMap(sectionsOf).flatMap((section) => section.pipelines))];
}

/** Indexes in plan.steps, the transformers of tees included. */
export function usedSteps(plan: Plan): number[] {
  const used = new Set(usedPipelines(plan).flatMap((index) => plan.pipelines[index]?.steps ?? []));
  for (const index of [...used]) for (const other of plan.steps[index]?.uses ?? []) used.add(other);
  return [...used].sort((a, b) => a - b);
}

export function stepsOf(plan: Plan, section: SectionPlan): Step[] {
  const indexes = section.pipelines.flatMap((index) => plan.pipelines[index]?.steps ?? []);
  return indexes.map((index) => plan.steps[index] as Step);
}
