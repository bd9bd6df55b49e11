/**
 * Tees of routes that a proxy waits for: a later process, or a header of their section, reads what they record
 * (`internal:tee:output`). All others are queued and the message goes on at once. Hosts without a proxy wait for every tee.
 */
import { complain, type DocumentPath, type Report } from "../core/diagnostic.ts";
import type { Plan, Step } from "../core/plan.ts";
import { isBatched, TEE_OUTPUT_KEY } from "../core/processes/tee.ts";
import type { SectionPlan } from "../core/routes/route.ts";

export type AwaitedTee = { tee: string; reader: string };

/** A part of a route, as far as it matters here. */
type Part = {
  pipelines: readonly number[];
  separate?: boolean;
  setHeaders?: SectionPlan["setHeaders"];
};

/** Marks the steps; complains of those that gather batches, which have no results of their own. */
export function awaitTees(plan: Plan, definitions: readonly { at: DocumentPath }[], report: Report): void {
  const parts = (plan.routes ?? []).flatMap((route) => [route.request, route.response, route.exchange]);
  for (const [index, reader] of parts.flatMap((part) => [...readersOf(plan, part)])) {
    const step = plan.steps[index] as Step;
    if (step.waits === "always") continue; // another part has marked it
    step.waits = "always";
    if (!isBatched(step)) continue;
    const message = `${reader} reads the result of "${step.name}", and copies in a batch have none of their own`;
    const remedy = `take batch out, or do not read ${TEE_OUTPUT_KEY} behind it`;
    complain(report, "E_VALUE", [...(definitions[index]?.at ?? []), "batch"], message, remedy);
  }
}

/** Which tees of a section are waited for, and for whom. */
export function awaitedTees(plan: Plan, section: SectionPlan): AwaitedTee[] {
  const readers = [...readersOf(plan, section)];
  return readers.map(([index, reader]) => ({ tee: (plan.steps[index] as Step).name, reader }));
}

/** By the indexes of steps, in order: what reads the result of that tee first. */
function readersOf(plan: Plan, part: Part | undefined): Map<number, string> {
  const readers = new Map<number, string>();
  if (part === undefined) return readers;
  const header = part.setHeaders?.find((write) => isOutput(write.reference));
  const written = header === undefined ? undefined : `the header ${header.name}`;
  const ofPipelines = part.pipelines.map((index) => plan.pipelines[index]?.steps ?? []);
  // What one pipeline records the next one sees, unless each gets the event as it came.
  for (const steps of part.separate === true ? ofPipelines : [ofPipelines.flat()]) {
    for (const [i, index] of steps.entries()) {
      if (plan.steps[index]?.process !== "tee" || readers.has(index)) continue;
      const later = steps.slice(i + 1).find((other) => reads(plan, plan.steps[other] as Step));
      const reader = later === undefined ? written : `"${plan.steps[later]?.name}"`;
      if (reader !== undefined) readers.set(index, reader);
    }
  }
  return readers;
}

function reads(plan: Plan, step: Step): boolean {
  return step.reads.some(isOutput) || step.uses.some((index) => plan.steps[index]?.reads.some(isOutput));
}

function isOutput(path: string): boolean {
  return path === TEE_OUTPUT_KEY || path.startsWith(`${TEE_OUTPUT_KEY}.`) || path.startsWith(`${TEE_OUTPUT_KEY}[`);
}
