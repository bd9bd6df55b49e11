/** A JUnit report of test cases, as CI systems read it. */
import type { CaseResult } from "../engine/runtime/cases.ts";

/** What came of the cases of one configuration. */
export type FileResult = { file: string; results: CaseResult[] };

export function junitReport(files: readonly FileResult[]): string {
  const suites = files.map(({ file, results }) => {
    const failures = results.filter((result) => result.differences.length > 0).length;
    const cases = results.map((result) => {
      const head = `    <testcase classname="${escapeXml(file)}" name="${escapeXml(result.name)}"`;
      if (result.differences.length === 0) return `${head}/>`;
      const text = escapeXml(result.differences.join("\n"));
      return `${head}>\n      <failure message="came out otherwise">${text}</failure>\n    </testcase>`;
    });
    const head = `  <testsuite name="${escapeXml(file)}" tests="${results.length}" failures="${failures}">`;
    return [head, ...cases, "  </testsuite>"].join("\n");
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join("\n")}\n</testsuites>\n`;
}

const ENTITIES: { readonly [char: string]: string } = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" };

// Control characters other than tab and line ends cannot stand in XML at all.
function escapeXml(text: string): string {
  return text
    .replace(/[<>&"]/g, (char) => ENTITIES[char] ?? char)
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/g, "\ufffd");
}
