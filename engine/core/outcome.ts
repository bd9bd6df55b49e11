/** What a step, a pipeline or a section answers: a small number; the details lie in the run's context (context.ts). */

export const Outcome = {
  /** go on */
  next: 0,
  /** a continuation said no: this pipeline ends here, others go on */
  stop: 1,
  /** a filter refuses the traffic: context.refusal says how to answer */
  refuse: 2,
  /** something failed: context.faultReason and faultDetail say what */
  fault: 3,
  /** the answer is not known yet: context.pending will say */
  wait: 4,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Why a message could not be treated as its route says (http.md, "Faults"). */
export const FAULT_REASONS = [
  "contentType",
  "unparsable",
  "ambiguous",
  "tooLarge",
  "timeout",
  "overload",
  "error",
] as const;
export type FaultReason = (typeof FAULT_REASONS)[number];
