/** What a run measures: scenarios one after the other, the subjects of each side by side. */
import { SIZE_TITLES, type Size } from "./bodies.ts";
import { TITLES, VARIANTS, type Variant } from "./variants.ts";
import {
  annotateAndMirror,
  dryRun,
  guard,
  mirror,
  noRoute,
  redact,
  reject,
  rewrite,
  rewriteLines,
  rewriteResponse,
  type Work,
} from "./work.ts";

/** A variant at a work. */
export type Subject = {
  /** unique within the scenario */
  name: string;
  title: string;
  variant: Variant;
  work: Work;
  /** name of the subject that its added latency counts from: plain Envoy, or plain nginx, with the same traffic */
  baseline: string;
};

/** Requests at a constant rate, whatever the answers do. */
export type OpenLoad = {
  name: string;
  title: string;
  /** of what Go saturates at, or the slowest server of the scenario; or so many a second */
  rate: { share: number; of: "go" | "slowest" } | { perSecond: number };
  /** one in a hundred requests has a body of 1 MB */
  mixed?: boolean;
};

export type Times = {
  /** before the first round, so that nobody is measured cold */
  firstWarmupSeconds: number;
  closed: { warmupSeconds: number; seconds: number };
  open: { warmupSeconds: number; seconds: number };
};

export type Scenario = {
  name: string;
  title: string;
  subjects: Subject[];
  /** of the closed loop, which finds saturation; 0: there is none */
  connections: number;
  open: OpenLoad[];
  times: Times;
};

const LONG: Times = {
  firstWarmupSeconds: 1.2,
  closed: { warmupSeconds: 0.4, seconds: 2 },
  open: { warmupSeconds: 0.3, seconds: 1.7 },
};
const SHORT: Times = {
  firstWarmupSeconds: 0.8,
  closed: { warmupSeconds: 0.3, seconds: 1.2 },
  open: { warmupSeconds: 0.3, seconds: 1.4 },
};
/** Of few and large requests, so that there are enough for a percentile. */
const SLOW: Times = { ...SHORT, open: { warmupSeconds: 0.5, seconds: 3.5 } };
const QUICK: Times = {
  firstWarmupSeconds: 2,
  closed: { warmupSeconds: 0.5, seconds: 3 },
  open: { warmupSeconds: 0.5, seconds: 4 },
};

function shareOfGo(share: number): OpenLoad {
  return { name: String(share), title: `${share} of what Go saturates at`, rate: { share, of: "go" } };
}

/** The load that most figures are about. */
export const HALF = shareOfGo(0.5);
const SHARES = [0.25, 0.5, 0.75, 0.9].map(shareOfGo);
/** Under its name, where half of Go's rate may be more than another can do, and latency would only say how long it lasted. */
const HALF_OF_SLOWEST: OpenLoad = {
  name: HALF.name,
  title: "half of what the slowest of the servers saturates at",
  rate: { share: 0.5, of: "slowest" },
};

/** As in ../shared/design/performance.md. */
const CONNECTIONS = 16;
/** Of bodies so large that more would only stand in line. */
const LARGE_CONNECTIONS = 4;

/** The scenario with the rewrite of 1 KB, which the targets are about. */
export const CORE = "rewrite";

function core(variants: readonly Variant[], open: OpenLoad[], times: Times): Scenario {
  const subjects = variants.map((variant) => subject(variant, rewrite(1024), TITLES[variant]));
  return { name: CORE, title: "Request rewrite, 1 KB", subjects, connections: CONNECTIONS, open, times };
}

function subject(variant: Variant, work: Work, title: string, name: string = variant, baseline?: string): Subject {
  return { name, title, variant, work, baseline: baseline ?? (variant.startsWith("nginx") ? "nginx" : "none") };
}

/** What `npm run bench -- --quick` measures. */
export function quickScenarios(): Scenario[] {
  return [core(["none", "go", "grpc-js", "native"], [HALF], QUICK)];
}

export function fullScenarios(): Scenario[] {
  return [core(VARIANTS, SHARES, LONG), ...SMALL_TO_LARGE.map(sizeScenario), works(), modes(), nginx(), mixed()];
}

const SMALL_TO_LARGE: readonly Size[] = [200, 16_384, 102_400, 1_000_000];

function sizeScenario(size: Size): Scenario {
  const variants = ["none", "lua", "go", "native"] as const;
  const isLarge = size > 100_000;
  return {
    name: `size ${size}`,
    title: `Request rewrite, ${SIZE_TITLES[size]}`,
    subjects: variants.map((variant) => subject(variant, rewrite(size), TITLES[variant])),
    connections: isLarge ? LARGE_CONNECTIONS : CONNECTIONS,
    open: [HALF_OF_SLOWEST],
    times: isLarge ? SLOW : SHORT,
  };
}

function works(): Scenario {
  const ours = (work: Work, baseline?: string) =>
    subject("native", work, `agglo: ${work.name}`, `agglo ${work.name}`, baseline);
  const reply = rewriteResponse(1024);
  return {
    name: "works",
    title: "Kinds of work, 1 KB",
    subjects: [
      subject("none", rewrite(1024), "Envoy, no filter"),
      subject("none", reply, "Envoy, no filter: GET", "none response"),
      subject("go", rewrite(1024), "Go: rewrite"),
      subject("go", reply, "Go: response rewrite", "go response", "none response"),
      subject("go", reject(1024), "Go: reject", "go reject"),
      ours(rewrite(1024)),
      ours(reply, "none response"),
      ours(reject(1024)),
      ours(annotateAndMirror(1024)),
      ours(mirror(1024)),
      ours(redact(1024)),
      ours(dryRun(1024)),
      ours(noRoute(1024)),
    ],
    connections: CONNECTIONS,
    open: [HALF],
    times: SHORT,
  };
}

/** In subjects' names, of the scenario with the kinds of work. */
export const INLINE_MIRROR = "agglo annotate + mirror";
export const OBSERVED_MIRROR = "agglo mirror only";

function modes(): Scenario {
  const lines = rewriteLines();
  return {
    name: "modes",
    title: "Body modes, 16 KB",
    subjects: [
      subject("none", rewrite(16_384), "Envoy, no filter: JSON"),
      subject("none", lines, "Envoy, no filter: 16 lines", "none lines"),
      subject("go", rewrite(16_384), "Go: BUFFERED"),
      subject("go", lines, "Go: FULL_DUPLEX_STREAMED, each line", "go lines", "none lines"),
      subject("native", rewrite(16_384), "agglo: BUFFERED"),
      subject("native", mirror(16_384), "agglo: STREAMED, mirror only", "agglo mirror"),
      subject("native", lines, "agglo: FULL_DUPLEX_STREAMED, each line", "agglo lines", "none lines"),
    ],
    connections: CONNECTIONS,
    open: [HALF_OF_SLOWEST],
    times: SHORT,
  };
}

/** Three processes where they are cheapest, against a function by hand, and against the way through Envoy. */
function nginx(): Scenario {
  const variants = ["none", "native", "nginx", "nginx-hand", "nginx-njs"] as const;
  return {
    name: "nginx",
    title: "In nginx: a filter, a redactor and an annotator, 1 KB",
    subjects: variants.map((variant) => subject(variant, guard(1024), TITLES[variant])),
    connections: CONNECTIONS,
    open: [HALF_OF_SLOWEST],
    times: SHORT,
  };
}

/** A rate at which a 1 MB body every fourth of a second leaves time for the others. */
const MIXED_PER_SECOND = 400;
export const ALONE: OpenLoad = { name: "alone", title: "only 1 KB", rate: { perSecond: MIXED_PER_SECOND } };
export const MIXED: OpenLoad = {
  name: "mixed",
  title: "1 % of them 1 MB; latency of the others",
  rate: { perSecond: MIXED_PER_SECOND },
  mixed: true,
};

function mixed(): Scenario {
  const variants = ["none", "go", "native"] as const;
  return {
    name: "mixed",
    title: "99 % of 1 KB, 1 % of 1 MB",
    subjects: variants.map((variant) => subject(variant, rewrite(1024), TITLES[variant])),
    connections: 0,
    open: [ALONE, MIXED],
    times: SLOW,
  };
}

/** The same without the variants that are not there or not wanted. */
export function narrowed(scenarios: readonly Scenario[], there: readonly Variant[]): Scenario[] {
  return scenarios
    .map((scenario) => ({
      ...scenario,
      subjects: scenario.subjects.filter(({ variant }) => there.includes(variant)),
      open: there.includes("go") ? scenario.open : scenario.open.map(withoutGo),
    }))
    .filter(({ subjects }) => subjects.length > 0);
}

/** The rate counts from the slowest then (bench/rig/rounds.ts). */
function withoutGo(load: OpenLoad): OpenLoad {
  return { ...load, title: load.title.replace("what Go", "what the slowest") };
}
