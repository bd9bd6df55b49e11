/** A file read for a target, and what is refused of it. */
import type { Loaded } from "../engine/config/load.ts";
import { complain, type DocumentPath, type Report } from "../engine/core/diagnostic.ts";
import type { Plan } from "../engine/core/plan.ts";
import type { Target } from "./targets.ts";

export type Reading = {
  loaded: Loaded;
  plan: Plan;
  target: Target;
  report: Report;
  /** patterns that were */
  refused: Set<string>;
};

export function refuse(reading: Reading, at: DocumentPath, message: string, remedy: string): void {
  complain(reading.report, "E_TARGET", at, `${reading.target.name}: ${message}`, remedy);
}
