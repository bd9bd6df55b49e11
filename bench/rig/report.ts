/** RESULTS.md, made of the results of a whole run; and what a run prints when it is over. */
import { DISTURBED_SHARE } from "./figures.ts";
import { type Judged, judge } from "./judge.ts";
import type { Results, ScenarioResult } from "./results.ts";
import { CORE, HALF } from "./scenarios.ts";
import {
  insideTable,
  judgedTable,
  markdownTable,
  memoryTable,
  openTable,
  othersPercent,
  plain,
  rateText,
  saturationTable,
  spread,
  terminalTable,
} from "./tables.ts";
import { TITLES, type Variant } from "./variants.ts";
import { coreOf, coreWords, scenarioWords, whereWeLose } from "./words.ts";

/** For a terminal: each scenario's tables, and the targets. */
export function printScenarios(scenarios: readonly ScenarioResult[]): string {
  const parts = scenarios.flatMap((scenario) => [
    `${scenario.title}; median (min-max) over ${scenario.rounds.length} rounds`,
    ...(hasClosed(scenario) ? ["Saturation, closed loop", terminalTable(saturationTable(scenario))] : []),
    ...scenario.loads.flatMap((load) => [openTitle(scenario, load), terminalTable(openTable(scenario, load.name))]),
  ]);
  return `${parts.join("\n")}\n${machineUse(scenarios)}\n`;
}

export function printJudged(judged: readonly Judged[]): string {
  const measured = judged.filter(({ verdict }) => verdict !== "not measured");
  return measured.length === 0 ? "" : terminalTable(judgedTable(measured));
}

function hasClosed({ rounds }: ScenarioResult): boolean {
  return rounds.some(({ closed }) => Object.keys(closed).length > 0);
}

function openTitle(scenario: ScenarioResult, { name, title }: ScenarioResult["loads"][number]): string {
  return `Open loop at ${rateText(scenario, name)} requests a second, ${title}`;
}

/** A machine that others use too gives figures that mean little, and failures that are nobody's fault. */
function machineUse(scenarios: readonly ScenarioResult[]): string {
  const percent = othersPercent(scenarios);
  const tooMuch = (percent?.median ?? 0) > 100 * DISTURBED_SHARE;
  const warning = tooMuch ? " That is too much: MEASURE AGAIN on a quiet one." : "";
  return `Other programs took ${spread(percent, 0)} % of the machine meanwhile.${warning}\n`;
}

/** The page. `file`: name of the results it is made of, in the same folder tree; `tees`: its part about them. */
export function page(results: Results, file: string, tees = ""): string {
  const judged = judge(results.scenarios, results.memory);
  const core = coreOf(results);
  const others = results.scenarios.filter(({ name }) => name !== CORE);
  const parts = [
    head(results, file),
    "## In short\n",
    list(core === undefined ? [] : coreWords(core)),
    'Targets, each within one run ("within the spread": missed by the median, met by the best round):\n',
    markdownTable(judgedTable(judged)),
    "## Where we lose\n",
    list(whereWeLose(results, judged)),
    ...(core === undefined ? [] : [scenarioPart(core), PLOTS]),
    ...others.map(scenarioPart),
    memoryPart(results),
    insidePart(results),
    tees,
  ];
  return `${parts
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trimEnd()}\n`;
}

function head({ date, machine, versions, load, scenarios, leftOut }: Results, file: string): string {
  const with_ = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
  const rounds = Math.max(0, ...scenarios.map((scenario) => scenario.rounds.length));
  const missing = Object.entries(leftOut).map(
    ([variant, why]) => `Left out: ${TITLES[variant as Variant]}, because ${why}.\n`,
  );
  return `<!-- made by "npm run bench -- --report" from ${file} -->

# Results

${date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores for everything, ${machine.memoryGib} GiB, Linux ${machine.kernel}.
${with_.join(", ")}. All load comes from ${load === "k6" ? "k6" : "the generator in Go (bench/peers/go/load)"}. ${rounds} rounds, subjects interleaved
in shuffled order; a cell is the median over rounds with the smallest and the largest. How it is measured, and what each
variant is: [README.md](README.md). Every figure of every round: [results](results).
${missing.join("")}
${machineUse(scenarios)}`;
}

const PLOTS = ["latency-by-percentile", "cpu-per-request", "p99-by-rate"]
  .map((name) => `![${name.replaceAll("-", " ")}](results/${name}.svg)\n`)
  .join("\n");

function scenarioPart(scenario: ScenarioResult): string {
  const parts = [`## ${scenario.title}\n`, list(scenarioWords(scenario))];
  if (hasClosed(scenario)) parts.push("Saturation, closed loop:\n", markdownTable(saturationTable(scenario)));
  for (const load of scenario.loads)
    parts.push(`${openTitle(scenario, load)}:\n`, markdownTable(openTable(scenario, load.name)));
  return parts.join("\n");
}

function memoryPart({ memory }: Results): string {
  if (Object.keys(memory).length === 0) return "";
  return `## Memory of the server, 1,000 exchanges open\n\n${markdownTable(memoryTable(memory))}`;
}

function insidePart({ inside }: Results): string {
  if (Object.keys(inside.variants).length === 0) return "";
  return `## Inside, 1 KB rewrite at ${plain(inside.rate, 0)} requests a second (${HALF.name} of what Go saturates at)

Envoy's own figures, from its access log: from sending a message to the server until the answer was in. Of our server, by
how much a timer of 1 ms was late, and the collector's pauses. Measured in a run of its own, because both cost something.

${markdownTable(insideTable(inside.variants))}`;
}

function list(sentences: readonly string[]): string {
  return sentences.map((sentence) => `- ${sentence}\n`).join("");
}
