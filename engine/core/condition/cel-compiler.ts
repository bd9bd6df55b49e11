/** What the files that compile a CEL condition share. */
import type { Compiler } from "../compiler.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import type { Condition } from "./program.ts";

export type CelCompiler = {
  compiler: Compiler;
  condition: Condition;
  source: string;
  /** of the string in the document */
  at: DocumentPath;
};

/** The kinds of a part that has been complained about: nothing more is said of what contains it. */
export const WRONG = 0;

const QUOTE_CHARS_MAX = 40;

/** Complains about source[start, end). Positions count from 1 and in characters, as an editor does. */
export function celComplain(
  cel: CelCompiler,
  start: number,
  end: number,
  message: string,
  remedy: string,
): typeof WRONG {
  let position = 1;
  for (let i = 0; i < start; i++) if ((cel.source.charCodeAt(i) & 0xfc00) !== 0xdc00) position++;
  const isLong = end - start > QUOTE_CHARS_MAX;
  const part = isLong ? `${cel.source.slice(start, start + QUOTE_CHARS_MAX)}…` : cel.source.slice(start, end);
  const where = part === "" ? `at character ${position}` : `at character ${position}, \`${part}\``;
  complain(cel.compiler.report, "E_CONDITION", cel.at, `${where}: ${message}`, remedy);
  return WRONG;
}
