/** `binge lint FILE…`: every complaint about configurations, and what their routes do when something goes wrong. */
import { awaitedTees } from "../engine/config/awaited-tees.ts";
import type { Loaded } from "../engine/config/load.ts";
import { findOriginalRefusals } from "../engine/config/original.ts";
import { printDiagnostics } from "../engine/config/print.ts";
import { findSlips } from "../engine/config/strict.ts";
import { FAULT_REASONS } from "../engine/core/outcome.ts";
import type { Plan } from "../engine/core/plan.ts";
import { needs } from "../engine/core/routes/needs.ts";
import type { SectionPlan } from "../engine/core/routes/route.ts";
import { readArguments } from "./arguments.ts";
import { readConfiguration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";

export const LINT_HELP = `binge lint FILE… [--strict] [--original] [--lenient]
  Checks configurations: every finding with its place and remedy, and the fault policy of every route.
  Opens nothing and resolves no secret. Exit 0 when nothing is wrong, 1 with findings.
  --strict    for routes that change or refuse: every way a message, a field or a type could slip past
  --original  what the original agglo would refuse, fail on, or take for something else
  --lenient   unknown fields are warnings`;

const OPTIONS = { strict: { type: "boolean" }, original: { type: "boolean" }, lenient: { type: "boolean" } } as const;

export async function lint(args: readonly string[]): Promise<number> {
  const { positionals, values } = readArguments("lint", args, OPTIONS, true);
  if (positionals.length === 0) throw new Ending(Exit.usage, "binge lint: name at least one file; see binge --help");
  let wrong = false;
  for (const file of positionals) {
    const loaded = readOrSay(file, values.lenient === true);
    if (loaded === undefined) {
      wrong = true;
      continue;
    }
    const findings = [...loaded.diagnostics];
    if (values.strict === true && loaded.plan !== undefined) findings.push(...findSlips(loaded.plan, loaded.slips));
    if (values.original === true) findings.push(...findOriginalRefusals(loaded.document));
    if (findings.length > 0) process.stdout.write(`${printDiagnostics(findings, loaded.document, {})}\n`);
    if (findings.some((finding) => finding.severity === "error")) wrong = true;
    else if (loaded.plan !== undefined) process.stdout.write(describe(file, loaded.plan));
  }
  return wrong ? Exit.findings : Exit.ok;
}

/** undefined: the file cannot be read, which is said; the other files still have their turn. */
function readOrSay(file: string, lenient: boolean): Loaded | undefined {
  try {
    return readConfiguration(file, { lenient });
  } catch (error) {
    if (!(error instanceof Ending)) throw error;
    process.stdout.write(`${error.message}\n`);
    return undefined;
  }
}

function describe(file: string, plan: Plan): string {
  const routes = plan.routes ?? [];
  const counts = [
    count(plan.pipelines.length, "pipeline"),
    count(plan.steps.length, "process", "processes"),
    count(plan.targets.length, "system"),
    count(routes.length, "route"),
  ];
  let text = `${file}: ok, ${counts.join(", ")}\n`;
  for (const route of routes) {
    for (const section of [route.request, route.response]) {
      if (section === undefined) continue;
      text += `  ${route.name} ${section.direction}: ${describePolicy(section)}\n`;
      for (const { tee, reader } of awaitedTees(plan, section)) {
        text += `    waits for the target of tee "${tee}": ${reader} reads its result\n`;
      }
    }
    text += `  ${route.name} without agglo: ${needs(route).failOpen ? "passes" : "refused"}\n`;
  }
  if (plan.routes === undefined) {
    text +=
      '  no traffic is bound: a proxy only shows it to the pipelines; bind with "http", or --request and --response\n';
  }
  return text;
}

function describePolicy(section: SectionPlan): string {
  const faults = FAULT_REASONS.map((reason) => `${reason} ${section.onFault[reason]?.status ?? "pass"}`);
  return `${section.enforce ? "" : "dry run, would be "}${faults.join(", ")}`;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
