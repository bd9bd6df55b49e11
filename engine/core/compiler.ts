/** What the processes' compile functions share: the plan being built, and the helpers that add to it. */
import { complain, type DocumentPath, type Report } from "./diagnostic.ts";
import type { JsonValue } from "./event/json.ts";
import { compilePath, type Path } from "./event/path.ts";
import { parseSelection, type SelectingPath } from "./event/select.ts";
import type { Plan } from "./plan.ts";
import type { Regexps, Schemas } from "./ports.ts";

export type Compiler = {
  report: Report;
  regexps: Regexps;
  schemas: Schemas;
  /** JSON in a file, named as the configuration names it: relative to its own place */
  readJson(file: string): { value: JsonValue } | { error: string };
  plan: Plan;
  /** reserved paths that the definition being compiled reads */
  reads: string[];
  /** ways past the definition being compiled, for `lint --strict` */
  slips: Slip[];
  /** index in plan.steps of the transformer of that name; -1 */
  findTransformer(name: string): number;
  /** index in plan.targets of the system a tee names, in the original's order of types; -1 */
  findTarget(name: string): number;
  /** names for "did you mean" */
  transformerNames(): string[];
  systemNames(): string[];
  /** the nearest of some names, as a remedy: 'did you mean "x"?'; "" when none is near */
  suggest(name: string, names: readonly string[]): string;
};

/**
 * A way in which a field or a type could slip by what a definition does. Not wrong in itself: `lint --strict` makes it an
 * error where the definition guards a route.
 */
export type Slip = {
  path: DocumentPath;
  message: string;
  remedy: string;
  /** true: what would slip is a fault, so it does only where the route lets the fault `error` pass */
  isFault: boolean;
};

export function noteSlip(compiler: Compiler, path: DocumentPath, message: string, remedy: string): void {
  compiler.slips.push({ path, message, remedy, isFault: false });
}

/** The same for what is a fault, not silence. */
export function noteFault(compiler: Compiler, path: DocumentPath, message: string, remedy: string): void {
  compiler.slips.push({ path, message, remedy, isFault: true });
}

/** Adds a pattern to the plan; complains when RE2 does not take it. Equal patterns are one. */
export function addPattern(compiler: Compiler, text: string, at: DocumentPath): number {
  const known = compiler.plan.patterns.indexOf(text);
  if (known !== -1) return known;
  const pattern = compiler.regexps.compile(text);
  if ("error" in pattern) {
    complain(
      compiler.report,
      "E_PATTERN",
      at,
      `the pattern ${pattern.error}`,
      "patterns are RE2's: no look-around, no back-references",
    );
    return 0;
  }
  return compiler.plan.patterns.push(text) - 1;
}

/** Compiles a plain path that the definition reads. */
export function readPath(compiler: Compiler, text: string): Path {
  const path = compilePath(text);
  if (path.reserved) compiler.reads.push(text);
  return path;
}

export function compileSelection(compiler: Compiler, text: string, at: DocumentPath): SelectingPath {
  const parsed = parseSelection(text);
  if (parsed.error !== "") complain(compiler.report, "E_PATH", at, parsed.error, "");
  return parsed.path;
}
