/** How the command ends. */
export const Exit = {
  ok: 0,
  /** findings, failed events, cases or samples */
  findings: 1,
  /** the command line is wrong */
  usage: 2,
  /** a program or system that is needed is missing (EX_UNAVAILABLE) */
  unavailable: 69,
  /** our own bug (EX_SOFTWARE) */
  bug: 70,
  /** a bad configuration at start (EX_CONFIG) */
  config: 78,
} as const;

/** Ends a verb with a code and a sentence for stderr; "" when all is said already. */
export class Ending extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
