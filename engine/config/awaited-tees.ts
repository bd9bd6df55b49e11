/**
 * Tees of routes that a proxy waits for: a later process, or a header of their section, reads what they record
 * (`internal:tee:output`). All others are queued and the message goes on at once. Hosts without a proxy wait for every tee.
 */
import { complain, type DocumentPath, type Report } from "../core/diagnostic.ts";
import type { Plan, Step } from "../core/plan.ts";
import { isBatched, TEE_OUTPUT_KEY } from "../core/processes/tee.ts";
import type { SectionPlan } from "../core/routes/route.ts";

export type AwaitedTee = { tee: string; reader: string };

/** Marks the steps; complains of those that gather batches, which have no results of their own. */
export function awaitTees(plan: Plan, definitions: readonly { at: DocumentPath }[], report: Report): void {
  for (const route of plan.routes ?? []) {
    for (const section of [route.request, route.response]) {
      for (const [index, reader] of readersOf(plan, section)) {
        const step = plan.steps[index] as Step;
        if (step.waits === "always") continue; // another section has marked it
        step.waits = "always";
        if (!isBatched(step)) continue;
        const message = `${reader} reads the result of "${step.name}", and copies in a batch have none of their own`;
        const remedy = `take batch out, or do not read ${TEE_OUTPUT_KEY} behind it`;
        complain(report, "E_VALUE", [...(definitions[index]?.at ?? []), "batch"], message, remedy);
      }
    }
  }
}

/** Which tees of a section are waited for, and for whom. */
export function awaitedTees(plan: Plan, section: SectionPlan): AwaitedTee[] {
  const readers = [...readersOf(plan, section)];
  return readers.map(([index, reader]) => ({ tee: (plan.steps[index] as Step).name, reader }));
}

/** By the indexes of steps, in order: what reads the result of that tee first. */
function readersOf(plan: Plan, section: SectionPlan | undefined): Map<number, string> {
  const readers = new Map<number, string>();
  const steps = (section?.pipelines ?? []).flatMap((index) => plan.pipelines[index]?.steps ?? []);
  for (const [i, index] of steps.entries()) {
    if (plan.steps[index]?.process !== "tee" || readers.has(index)) continue;
    const later = steps.slice(i + 1).find((other) => reads(plan, plan.steps[other] as Step));
    const header = section?.setHeaders.find((write) => isOutput(write.reference));
    if (later !== undefined) readers.set(index, `"${plan.steps[later]?.name}"`);
    else if (header !== undefined) readers.set(index, `the header ${header.name}`);
  }
  return readers;
}

function reads(plan: Plan, step: Step): boolean {
  return step.reads.some(isOutput) || step.uses.some((index) => plan.steps[index]?.reads.some(isOutput));
}

function isOutput(path: string): boolean {
  return path === TEE_OUTPUT_KEY || path.startsWith(`${TEE_OUTPUT_KEY}.`) || path.startsWith(`${TEE_OUTPUT_KEY}[`);
}
