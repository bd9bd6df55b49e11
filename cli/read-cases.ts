/** The cases of a configuration: its `tests`, and those in NAME.tests.json beside NAME.json. */
import { existsSync, readFileSync } from "node:fs";
import { type Document, readDocument } from "../engine/config/document.ts";
import { NAMED } from "../engine/config/grammar.ts";
import { printDiagnostics } from "../engine/config/print.ts";
import { checkTestCases, type TestCase } from "../engine/config/test-cases.ts";
import { hasErrors, newReport } from "../engine/core/diagnostic.ts";
import { Ending, Exit } from "./exit.ts";

/** `document`: of the configuration in `file`. An Ending says what is wrong with the cases. */
export function readCases(file: string, document: Document): TestCase[] {
  const inside = document.value as { tests?: unknown };
  const cases = checked(document, inside.tests, ["tests"]);
  const beside = file.replace(/\.json$/, ".tests.json");
  if (beside === file || !existsSync(beside)) return cases;
  const others = readDocument(readFileSync(beside, "utf8"), beside);
  if (others.value === undefined) throw new Ending(Exit.config, printDiagnostics(others.diagnostics, others));
  return [...cases, ...checked(others, others.value, [])];
}

function checked(document: Document, value: unknown, at: string[]): TestCase[] {
  const report = newReport();
  const cases = checkTestCases(value, at, { report, named: NAMED });
  if (hasErrors(report)) throw new Ending(Exit.config, printDiagnostics(report.diagnostics, document));
  return cases;
}
