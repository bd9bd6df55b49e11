/** Rounds: every subject in turn, in another order each time, so that a noisy machine hurts all alike. */
import { orderText } from "./bodies.ts";
import { DISTURBED_SHARE, figure } from "./figures.ts";
import type { Load } from "./load.ts";
import { type Bench, type Measured, measure } from "./measure.ts";
import type { OpenLoad, Scenario, Subject } from "./scenarios.ts";
import { hasServer, type Stack, startStack, type Variants } from "./variants.ts";

export type BySubject = { [subject: string]: Measured };

export type Round = {
  closed: BySubject;
  /** by the load's name; `rate` in requests a second */
  open: { [load: string]: { rate: number; measured: BySubject } };
};

/** Hears of each measurement when it is over, and how many seconds of measuring it was. */
export type Progress = (line: string, seconds: number) => void;

type Started = { subject: Subject; stack: Stack };

/** Connections the open loop may use: a stall of a tenth of a second at 5,000/s takes half of them. */
const OPEN_CONNECTIONS = 1000;
const MIXED_EVERY = 100;

/** Starts every subject and measures them; what has been measured so far is in `into` when it rejects. */
export async function runRounds(
  bench: Bench,
  variants: Variants,
  scenario: Scenario,
  count: number,
  into: Round[],
  progress: Progress,
): Promise<void> {
  const started: Started[] = [];
  const { times, name } = scenario;
  try {
    for (const subject of scenario.subjects) {
      const options = { upstream: bench.upstream.address };
      started.push({ subject, stack: await startStack(variants, subject.variant, subject.work, options) });
    }
    for (const one of started) {
      await bench.loader.run({ ...closedLoad(one, scenario), seconds: times.firstWarmupSeconds });
      progress("", times.firstWarmupSeconds);
    }
    for (let i = 1; i <= count; i++) {
      const say: Progress = (line, seconds) => progress(`${name} ${i}/${count}  ${line}`, seconds);
      into.push(await runRound(bench, scenario, started, into, say));
    }
  } finally {
    await Promise.all(started.map(({ stack }) => stack.stop()));
  }
}

function closedLoad({ subject, stack }: Started, { connections }: Scenario): Load {
  const { work } = subject;
  return { target: stack.proxy.address, work, expect: stack.expect, connections: Math.max(1, connections) };
}

async function runRound(
  bench: Bench,
  scenario: Scenario,
  started: readonly Started[],
  before: readonly Round[],
  progress: Progress,
): Promise<Round> {
  const { closed, open } = scenario.times;
  const round: Round = { closed: {}, open: {} };
  for (const one of scenario.connections === 0 ? [] : shuffled(started)) {
    const measured = await measure(bench, one.stack, closedLoad(one, scenario), closed);
    round.closed[one.subject.name] = measured;
    const said = `${one.subject.name}: saturates at ${measured.perSecond.toFixed(0)} req/s${remarks(measured)}`;
    progress(said, closed.warmupSeconds + closed.seconds);
  }
  for (const load of scenario.open) {
    const rate = openRate(load, scenario.subjects, [...before, round]);
    const measuredBy: BySubject = {};
    round.open[load.name] = { rate, measured: measuredBy };
    for (const one of shuffled(started)) {
      const large = load.mixed === true ? { large: { body: orderText(1_000_000), every: MIXED_EVERY } } : {};
      const whole = { ...closedLoad(one, scenario), connections: OPEN_CONNECTIONS, rate, ...large };
      const measured = await measure(bench, one.stack, whole, open);
      measuredBy[one.subject.name] = measured;
      const p99 = `p99 ${(measured.latencyUs.p99 / 1000).toFixed(2)} ms at ${rate} req/s`;
      progress(`${one.subject.name}: ${p99}${remarks(measured)}`, open.warmupSeconds + open.seconds);
    }
  }
  return round;
}

/** So many seconds of measuring `runRounds` takes, starting the stacks not counted. */
export function plannedSeconds({ subjects, connections, open, times }: Scenario, count: number): number {
  const ofOne = ({ warmupSeconds, seconds }: Scenario["times"]["open"]) => warmupSeconds + seconds;
  const ofRound = (connections === 0 ? 0 : ofOne(times.closed)) + open.length * ofOne(times.open);
  return subjects.length * (times.firstWarmupSeconds + count * ofRound);
}

/** A share of what Go, or the slowest server, saturates at, as known so far; where there is neither, the slowest of all. */
function openRate({ rate }: OpenLoad, subjects: readonly Subject[], rounds: readonly Round[]): number {
  if ("perSecond" in rate) return rate.perSecond;
  const servers = subjects.filter(({ variant }) => hasServer(variant));
  const go = servers.filter(({ variant, name }) => rate.of === "go" && variant === name && variant === "go");
  const references = [go, servers, subjects].find(({ length }) => length > 0) ?? [];
  const saturation = references.map(
    ({ name }) => figure(rounds.map(({ closed }) => closed[name]?.perSecond))?.median ?? 0,
  );
  return Math.max(1, Math.round(rate.share * Math.min(...saturation)));
}

/** What a reader of the progress should know of a measurement: failures, and a machine that was not ours alone. */
function remarks({ failures, reasons, othersShare }: Measured): string {
  const why = Object.entries(reasons).map(([reason, count]) => `${count} x ${reason}`);
  const failed = failures === 0 ? "" : `, ${failures} FAILED: ${why.join(", ")}`;
  return othersShare < DISTURBED_SHARE
    ? failed
    : `${failed}, others took ${(100 * othersShare).toFixed(0)} % of the machine`;
}

function shuffled<T>(items: readonly T[]): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] as T, order[i] as T];
  }
  return order;
}
