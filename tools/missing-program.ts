/**
 * A program this command needs is neither here nor to be had. The message is the whole sentence for the user: what is
 * missing and what to install. Commands print it without a stack and exit with `exitCode` (69, EX_UNAVAILABLE).
 */
export class MissingProgram extends Error {
  readonly exitCode = 69;
  override readonly name = "MissingProgram";
}
