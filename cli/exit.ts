/** How the command ends: the codes of sysexits.h where one of them says it. Scripts rely on them. */
export const Exit = {
  ok: 0,
  /** findings, failed events, cases or samples */
  findings: 1,
  /** the command line is wrong */
  usage: 2,
  /** an input cannot be understood from some place on (EX_DATAERR) */
  data: 65,
  /** an input is not there or cannot be read (EX_NOINPUT) */
  noInput: 66,
  /** a program or system that is needed is missing (EX_UNAVAILABLE) */
  unavailable: 69,
  /** our own bug (EX_SOFTWARE) */
  bug: 70,
  /** an output cannot be created (EX_CANTCREAT) */
  cannotCreate: 73,
  /** an output cannot be written any further (EX_IOERR) */
  io: 74,
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
