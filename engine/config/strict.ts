/**
 * `lint --strict`: proves the negative. For every route with a rule that changes or refuses traffic it names each way in
 * which a message, a field or a type could slip past. What a process lets by is noted where it is compiled (noteSlip); what
 * a route lets by is found here.
 */
import type { Slip } from "../core/compiler.ts";
import { complain, type Diagnostic, type DocumentPath, newReport, type Report } from "../core/diagnostic.ts";
import { FAULT_REASONS } from "../core/outcome.ts";
import type { Plan, Step } from "../core/plan.ts";
import type { RoutePlan, SectionPlan } from "../core/routes/route.ts";

export function findSlips(plan: Plan, slips: readonly (readonly Slip[])[]): Diagnostic[] {
  const report = newReport();
  const said = new Set<Slip>();
  for (const [i, route] of (plan.routes ?? []).entries()) {
    const at = ["http", "routes", i];
    for (const section of [route.request, route.response]) {
      if (section === undefined || (section.enforce && !section.guards)) continue;
      const path = [...at, section.direction];
      slipsOfSection(plan, section, path, report);
      for (const index of stepsOf(plan, section)) {
        for (const slip of slips[index] ?? []) {
          if (said.has(slip) || (slip.isFault && section.onFault.error !== null)) continue;
          said.add(slip);
          complain(report, "E_SLIP", slip.path, `route ${route.name}: ${slip.message}`, slip.remedy);
        }
      }
      slipsOfOrder(plan, section, route, report);
    }
    slipsOfMatch(route, [...at, "match"], report);
    if (route.request?.enforce === false || route.response?.enforce === false) {
      const message = `route ${route.name} is a dry run: nothing is changed and nothing refused`;
      complain(report, "E_SLIP", [...at, "enforce"], message, 'take "enforce" out');
    }
  }
  return report.diagnostics;
}

function slipsOfSection(plan: Plan, section: SectionPlan, at: DocumentPath, report: Report): void {
  for (const reason of FAULT_REASONS) {
    if (section.onFault[reason] !== null) continue;
    const message = `a message with the fault ${reason} passes untreated`;
    complain(report, "E_SLIP", [...at, "onFault"], message, `say {"onFault": {"${reason}": {"reject": {}}}}`);
  }
  if (section.each !== undefined) {
    const message = "what lies beside the events that each selects is not looked at";
    complain(report, "E_SLIP", [...at, "each"], message, "leave each out, and let paths select with [*]");
  }
  if (!section.bodyless && stepsOf(plan, section).some((index) => plan.steps[index]?.refuses)) {
    complain(
      report,
      "E_SLIP",
      at,
      "a message without a body is not asked whether it is to be refused",
      'say "bodyless": true',
    );
  }
  if (section.statuses.length > 0) {
    const message = `responses with another status than ${section.statuses.join(", ")} pass unread`;
    complain(report, "E_SLIP", [...at, "status"], message, "leave status out, or name every status that has a body");
  }
}

/** A continuation in front of a rule ends the pipeline before it. */
function slipsOfOrder(plan: Plan, section: SectionPlan, route: RoutePlan, report: Report): void {
  for (const index of section.pipelines) {
    const pipeline = plan.pipelines[index];
    const steps = (pipeline?.steps ?? []).map((step) => plan.steps[step] as Step);
    const stop = steps.findIndex((step) => step.process === "continuation" && step.condition !== -1);
    if (stop === -1 || !steps.slice(stop).some((step) => step.changes || step.refuses)) continue;
    const message = `route ${route.name}: where "${steps[stop]?.name}" says no, or a field it asks for is missing, the rules behind it do not run`;
    complain(
      report,
      "E_SLIP",
      ["pipelines", index],
      message,
      "put the rules in front of it, or into a pipeline of their own",
    );
  }
}

function slipsOfMatch(route: RoutePlan, at: DocumentPath, report: Report): void {
  const guards = (route.request?.guards ?? false) || (route.response?.guards ?? false);
  if (!guards) return;
  const { methods, headers } = route.match;
  if (methods.length > 0) {
    const message = `other methods than ${methods.join(", ")} take another route or none`;
    complain(report, "E_SLIP", [...at, "methods"], message, "leave methods out, or add a route for the others");
  }
  if (headers.length > 0) {
    const names = headers.map((header) => header.name).join(", ");
    const message = `a client that leaves ${names} out, or adds a second value, takes another route or none`;
    complain(report, "E_SLIP", [...at, "headers"], message, "add a route for everybody else");
  }
}

function stepsOf(plan: Plan, section: SectionPlan): number[] {
  const steps = section.pipelines.flatMap((index) => plan.pipelines[index]?.steps ?? []);
  return [...new Set(steps.flatMap((index) => [index, ...(plan.steps[index]?.uses ?? [])]))];
}
