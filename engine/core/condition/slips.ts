/** Ways past a rule that has a condition, for `lint --strict`. */
import { type Compiler, noteSlip } from "../compiler.ts";
import type { DocumentPath } from "../diagnostic.ts";
import { Op } from "./operators.ts";
import type { Condition } from "./program.ts";

/**
 * Notes that `what` (an action in words) does not happen for an event that lacks a field its condition asks for. Of the
 * CEL form nothing is noted: there a missing field is an error, and an error is a fault.
 */
export function noteConditionSlip(compiler: Compiler, index: number, at: DocumentPath, what: string): void {
  if (index === -1) return;
  const names = demanded(compiler.plan.conditions[index] as Condition);
  if (names.length === 0) return;
  const message = `${what} only where ${names.join(", ")} is there: an event without it slips by`;
  noteSlip(compiler, at, message, "leave the condition out, or refuse what lacks the field (a filter with unless)");
}

function demanded(condition: Condition): string[] {
  const names: string[] = [];
  for (let pc = 0; pc < condition.code.length; pc += 2) {
    const op = condition.code[pc];
    if (op !== Op.require && op !== Op.exists) continue;
    const name = condition.paths[condition.code[pc + 1] as number]?.text ?? "";
    if (names.indexOf(name) === -1) names.push(name);
  }
  return names;
}
