/** What was measured, against the targets of ../shared/design/performance.md. */
import { addedUs, type Figure, figure, measuredOf, ratio } from "./figures.ts";
import type { Memory } from "./memory.ts";
import type { ScenarioResult } from "./results.ts";
import type { BySubject, Round } from "./rounds.ts";
import { ALONE, CORE, HALF, INLINE_MIRROR, MIXED, OBSERVED_MIRROR } from "./scenarios.ts";
import type { Variant } from "./variants.ts";

export type Judged = {
  what: string;
  figure: Figure | undefined;
  must: number;
  moonshot: number;
  higherIsBetter: boolean;
  /** missed: even the best round misses the must */
  verdict: "moonshot" | "must" | "within the spread" | "missed" | "not measured";
};

/** Of our server on its own transport; what was not measured has a row that says so. */
export function judge(
  scenarios: readonly ScenarioResult[],
  memory: { readonly [variant in Variant]?: Memory },
): Judged[] {
  const over = (scenario: string, value: (round: Round) => number | undefined) =>
    figure((scenarios.find(({ name }) => name === scenario)?.rounds ?? []).map(value));
  const saturated = (read: (by: BySubject) => number | undefined) => over(CORE, ({ closed }) => read(closed));
  return [
    row(
      "server CPU/request vs go",
      saturated(({ native, go }) => ratio(native?.serverUs, go?.serverUs)),
      { must: 0.4, moonshot: 0.25 },
    ),
    row(
      "throughput vs go",
      saturated(({ native, go }) => ratio(native?.perSecond, go?.perSecond)),
      { must: 1.2, moonshot: 1.35, higherIsBetter: true },
    ),
    row("added p99 vs go", over(CORE, addedRatio("native", "go")), { must: 0.7, moonshot: 0.4 }),
    row("added p99 vs grpc-js", over(CORE, addedRatio("native", "grpc-js")), { must: 0.25, moonshot: 0.15 }),
    row("failed requests", figure([failures(scenarios)]), { must: 0, moonshot: 0 }),
    row("p99 of 1 KB beside 1 MB", over("mixed", mixedRatio), { must: 1.5, moonshot: 1.2 }),
    row("MiB at 1,000 streams", figure([memory.native?.peakMib]), { must: 150, moonshot: 100 }),
    row("added p99, mirror only vs inline", over("works", addedRatio(OBSERVED_MIRROR, INLINE_MIRROR)), {
      must: 0.2,
      moonshot: 0.1,
    }),
    row(
      "njs worker CPU vs by hand",
      over("nginx", ({ closed }) => ratio(closed["nginx-njs"]?.proxyUs, closed["nginx-hand"]?.proxyUs)),
      { must: 1.5, moonshot: 1.1 },
    ),
  ];
}

/** Of added p99 at half of what Go saturates at, within a round. */
function addedRatio(ours: string, other: string): (round: Round) => number | undefined {
  const added = (round: Round, name: string) => addedUs(round, HALF.name, { name, baseline: "none" }, "p99");
  return (round) => ratio(added(round, ours), added(round, other));
}

/** How much large bodies slow the small ones down, against how much they do so in plain Envoy. */
function mixedRatio({ open }: Round): number | undefined {
  const slowed = (subject: string) =>
    ratio(open[MIXED.name]?.measured[subject]?.latencyUs.p99, open[ALONE.name]?.measured[subject]?.latencyUs.p99);
  return ratio(slowed("native"), slowed("none"));
}

/** undefined: ours was not measured at all. */
function failures(scenarios: readonly ScenarioResult[]): number | undefined {
  const measured = scenarios.flatMap(({ subjects, rounds }) =>
    subjects.filter(({ variant }) => variant === "native").flatMap(({ name }) => measuredOf(rounds, name)),
  );
  return measured.length === 0 ? undefined : measured.reduce((sum, { failures: failed }) => sum + failed, 0);
}

type Target = { must: number; moonshot: number; higherIsBetter?: boolean };

function row(what: string, found: Figure | undefined, target: Target): Judged {
  const { must, moonshot, higherIsBetter = false } = target;
  const judged: Judged = { what, figure: found, must, moonshot, higherIsBetter, verdict: "not measured" };
  if (found === undefined) return judged;
  const meets = (value: number, wanted: number) => (higherIsBetter ? value >= wanted : value <= wanted);
  if (meets(found.median, moonshot)) judged.verdict = "moonshot";
  else if (meets(found.median, must)) judged.verdict = "must";
  else judged.verdict = meets(higherIsBetter ? found.max : found.min, must) ? "within the spread" : "missed";
  return judged;
}
