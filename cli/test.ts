/** `binge test`: runs the cases of configurations and shows where something came out otherwise. */
import { writeFileSync } from "node:fs";
import { type CaseResult, runCase } from "../engine/runtime/cases.ts";
import { optionalString, readArguments } from "./arguments.ts";
import { type Configuration, requireConfiguration } from "./configuration.ts";
import { playHere, runExchangeCase } from "./exchange-cases.ts";
import { Ending, Exit } from "./exit.ts";
import { type FileResult, junitReport } from "./junit.ts";
import { startStage } from "./on-envoy.ts";
import { readCases } from "./read-cases.ts";

export const TEST_HELP = `binge test FILE… [--on envoy] [--junit FILE]
  Runs the cases of each configuration: its "tests", and those in NAME.tests.json beside NAME.json. No system is opened.
  --on envoy    cases that are exchanges go through a real Envoy with the generated configuration
  --junit FILE  writes a report for CI
  Exit 0 when every case came out as expected, 1 otherwise.`;

const OPTIONS = { junit: { type: "string" }, on: { type: "string" } } as const;

export async function test(args: readonly string[]): Promise<number> {
  const parsed = readArguments("test", args, OPTIONS, true);
  if (parsed.positionals.length === 0)
    throw new Ending(Exit.usage, "binge test: name at least one file; see binge --help");
  const on = optionalString(parsed, "on");
  if (on !== undefined && on !== "envoy") throw new Ending(Exit.usage, `binge test: --on is envoy, not "${on}"`);
  const onEnvoy = on === "envoy";
  const files: FileResult[] = [];
  for (const file of parsed.positionals) {
    const configuration = requireConfiguration(file, (text) => process.stderr.write(text), { bind: "observe" });
    files.push({ file, results: await runCases(file, configuration, onEnvoy) });
  }
  const all = files.flatMap((file) => file.results);
  const failed = all.filter((result) => result.differences.length > 0).length;
  process.stdout.write(`${all.length - failed} passed, ${failed} failed\n`);
  if (all.length === 0)
    process.stdout.write('there are no cases: add "tests" to the file, or NAME.tests.json beside it\n');
  const junit = optionalString(parsed, "junit");
  if (junit !== undefined) writeFileSync(junit, junitReport(files));
  return failed === 0 ? Exit.ok : Exit.findings;
}

async function runCases(file: string, configuration: Configuration, onEnvoy: boolean): Promise<CaseResult[]> {
  const cases = readCases(file, configuration.document);
  const results: CaseResult[] = [];
  const stage =
    onEnvoy && cases.some((testCase) => testCase.request !== undefined)
      ? await startStage(configuration.plan.routes ?? [])
      : undefined;
  try {
    for (const testCase of cases) {
      const result =
        testCase.request === undefined
          ? await runCase(configuration.plan, configuration.systems, testCase)
          : await runExchangeCase(configuration, testCase, stage?.play ?? playHere);
      results.push(result);
      process.stdout.write(describe(file, result));
    }
  } finally {
    await stage?.stop();
  }
  return results;
}

function describe(file: string, result: CaseResult): string {
  const lines = result.differences.map((difference) => `    ${difference}\n`);
  return `${lines.length === 0 ? "ok  " : "FAIL"} ${file}: ${result.name}\n${lines.join("")}`;
}
