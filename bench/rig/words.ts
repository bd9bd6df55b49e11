/** What the figures mean, in sentences: made of the results, so that they cannot say what was not measured. */
import { addedUs, figure, ratio } from "./figures.ts";
import type { Judged } from "./judge.ts";
import type { Results, ScenarioResult, SubjectResult } from "./results.ts";
import type { BySubject, Round } from "./rounds.ts";
import { CORE, HALF } from "./scenarios.ts";
import { plain, spread } from "./tables.ts";
import { TITLES, type Variant } from "./variants.ts";

/** The case that the targets are about: 1 KB, a request gains one field. */
export function coreWords(core: ScenarioResult): string[] {
  const cpu = (read: (by: BySubject) => number | undefined) => medianOf(core.rounds.map(({ closed }) => read(closed)));
  const p99 = (name: string) => medianOf(core.rounds.map(({ open }) => open[HALF.name]?.measured[name]?.latencyUs.p99));
  const sentences: string[] = [];
  const ours = cpu(({ native }) => native?.serverUs);
  const go = cpu(({ go: peer }) => peer?.serverUs);
  if (ours !== undefined && go !== undefined) {
    sentences.push(
      `Our server takes ${plain(ours, 0)} µs of CPU for a request, the same in Go ${plain(go, 0)} µs; behind the same ` +
        `Envoy, ours saturates at ${saturation(core, "native")} requests a second, Go at ${saturation(core, "go")}.`,
    );
  }
  const envoy = cpu(({ native }) => native?.proxyUs);
  const alone = cpu(({ none }) => none?.proxyUs);
  if (envoy !== undefined && alone !== undefined) {
    sentences.push(
      `Envoy itself takes ${plain(envoy, 0)} µs with ext_proc and ${plain(alone, 0)} µs without: calling out costs ` +
        `${plain(envoy - alone, 0)} µs in Envoy, beside what the server takes.`,
    );
  }
  const [without, withOurs, withGo] = [p99("none"), p99("native"), p99("go")];
  if (without !== undefined && withOurs !== undefined && withGo !== undefined) {
    const [a, b, c] = [without, withOurs, withGo].map((us) => plain(us / 1000, 2));
    sentences.push(
      `At half of Go's saturation one request in a hundred takes longer than ${a} ms without, ${b} ms with ours, ${c} ms with Go.`,
    );
  }
  return sentences;
}

function saturation({ rounds }: ScenarioResult, name: string): string {
  return spread(figure(rounds.map(({ closed }) => closed[name]?.perSecond)), 0);
}

type Metric = {
  what: string;
  /** of a subject, in one round */
  read(round: Round, subject: SubjectResult): number | undefined;
  higherIsBetter: boolean;
};

const METRICS: Metric[] = [
  {
    what: "the throughput",
    read: ({ closed }, { name }) => closed[name]?.perSecond,
    higherIsBetter: true,
  },
  {
    what: "the CPU of server and proxy together",
    read: ({ closed }, { name }) => {
      const measured = closed[name];
      return measured && measured.serverUs + measured.proxyUs;
    },
    higherIsBetter: false,
  },
  {
    what: "the added p99 of the open loop",
    read: (round, subject) => addedUs(round, HALF.name, subject, "p99"),
    higherIsBetter: false,
  },
];

/** A rival has to be better by so much to be named: less is noise. */
const CLEARLY = 1.05;

/** Where others are better than our server on its own transport, one sentence each; targets that are missed first. */
export function whereWeLose(results: Results, judged: readonly Judged[]): string[] {
  const missed = judged
    .filter(({ verdict }) => verdict === "missed" || verdict === "within the spread")
    .map(({ what, figure: found, must, verdict }) => {
      const but = verdict === "missed" ? "reached in no round" : "reached in some rounds only";
      return `The target for ${what} is ${must}, ${but}: ${spread(found, must >= 100 || must === 0 ? 0 : 2)}.`;
    });
  return [...missed, ...results.scenarios.flatMap(lossesOf), ...memoryLosses(results)];
}

function lossesOf(scenario: ScenarioResult): string[] {
  const sentences: string[] = [];
  for (const ours of scenario.subjects.filter(({ variant }) => variant === "native" || variant === "nginx-njs")) {
    for (const rival of scenario.subjects.filter((other) => isRival(other, ours))) {
      const better = METRICS.flatMap((metric) => lossOf(scenario.rounds, metric, ours, rival));
      if (better.length > 0)
        sentences.push(`${scenario.title}: ${rival.title} has ${better.join(", ")} of ${ours.title}.`);
    }
  }
  return sentences;
}

const OURS: readonly Variant[] = ["native", "grpc-js", "nginx-njs"];

/** Does the same work. Plain proxies do none. */
function isRival(other: SubjectResult, ours: SubjectResult): boolean {
  return (
    other.work === ours.work && !OURS.includes(other.variant) && other.variant !== "none" && other.variant !== "nginx"
  );
}

function lossOf(rounds: readonly Round[], metric: Metric, ours: SubjectResult, rival: SubjectResult): string[] {
  const shares = rounds.map((round) => ratio(metric.read(round, rival), metric.read(round, ours)));
  const share = medianOf(shares);
  if (share === undefined) return [];
  const better = metric.higherIsBetter ? share > CLEARLY : share < 1 / CLEARLY;
  return better ? [`${plain(share, 2)} times ${metric.what}`] : [];
}

function memoryLosses({ memory }: Results): string[] {
  const ours = memory.native?.peakMib ?? 0;
  return Object.entries(memory)
    .filter(([variant, { peakMib }]) => variant !== "native" && peakMib * CLEARLY < ours)
    .map(
      ([variant, { peakMib }]) =>
        `Memory with 1,000 exchanges open: ${TITLES[variant as Variant]} has ${plain(peakMib, 0)} MiB, ours ${plain(ours, 0)} MiB.`,
    );
}

/** What the benchmark finds about body size, kind of work and mode: only what cannot be read off one line of a table. */
export function scenarioWords({ name, rounds }: ScenarioResult): string[] {
  if (name === "works") return worksWords(rounds);
  if (name !== "mixed") return [];
  const slowed = (subject: string) =>
    medianOf(rounds.map(({ open }) => ratio(p99Of(open.mixed, subject), p99Of(open.alone, subject))));
  return (["none", "go", "native"] as const).flatMap((variant) => {
    const share = slowed(variant);
    return share === undefined
      ? []
      : [
          `${TITLES[variant]}: with one large body in a hundred, the p99 of the small ones is ${plain(share, 2)} times what it is without.`,
        ];
  });
}

function worksWords(rounds: readonly Round[]): string[] {
  const cpu = (subject: string) =>
    medianOf(rounds.map(({ closed }) => closed[subject] && closed[subject].serverUs + closed[subject].proxyUs));
  const [inline, observed, none] = [cpu("agglo annotate + mirror"), cpu("agglo mirror only"), cpu("none")];
  if (inline === undefined || observed === undefined || none === undefined) return [];
  return [
    `A mirror that only looks on takes ${plain(observed - none, 0)} µs of CPU on top of Envoy alone, one that Envoy waits for ` +
      `${plain(inline - none, 0)} µs.`,
  ];
}

function p99Of(load: Round["open"][string] | undefined, subject: string): number | undefined {
  return load?.measured[subject]?.latencyUs.p99;
}

function medianOf(values: readonly (number | undefined)[]): number | undefined {
  return figure(values)?.median;
}

export function coreOf(results: Pick<Results, "scenarios">): ScenarioResult | undefined {
  return results.scenarios.find(({ name }) => name === CORE);
}
