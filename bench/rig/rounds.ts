/** Rounds: every variant in turn, in another order each time, so that a noisy machine hurts all alike. */
import { DISTURBED_SHARE, figure, type Round } from "./figures.ts";
import { type Bench, type Measured, type Memory, measure, measureMemory } from "./measure.ts";
import { type Servers, type Stack, startStack, startUpstream, type Variant } from "./variants.ts";

export type Plan = {
  rounds: number;
  /** before the first round, so that nobody is measured cold */
  firstWarmupSeconds: number;
  closed: { warmupSeconds: number; seconds: number };
  open: { warmupSeconds: number; seconds: number };
};

type Say = (line: string) => void;

/** Starts every variant and measures them; what has been measured so far is in `rounds` when it rejects. */
export async function runRounds(
  bench: Bench & { upstream: { address: string } },
  servers: Servers,
  plan: Plan,
  rounds: Round[],
  say: Say,
): Promise<void> {
  const stacks: Stack[] = [];
  try {
    for (const variant of servers.commands.keys()) {
      stacks.push(await startStack(servers, variant, { upstream: bench.upstream.address, gracefulClose: false }));
    }
    for (const stack of stacks) await measure(bench, stack, { warmupSeconds: 0.1, seconds: plan.firstWarmupSeconds });
    for (let i = 1; i <= plan.rounds; i++) {
      rounds.push(await runRound(bench, stacks, plan, rounds, (line) => say(`round ${i}/${plan.rounds}  ${line}`)));
    }
  } finally {
    await Promise.all(stacks.map((stack) => stack.stop()));
  }
}

async function runRound(
  bench: Bench,
  stacks: readonly Stack[],
  plan: Plan,
  before: readonly Round[],
  say: Say,
): Promise<Round> {
  const round: Round = { rate: 0, closed: {}, open: {} };
  for (const stack of shuffled(stacks)) {
    const measured = await measure(bench, stack, plan.closed);
    round.closed[stack.variant] = measured;
    say(`saturation  ${stack.variant.padEnd(8)} ${measured.perSecond.toFixed(0)} req/s${remarks(measured)}`);
  }
  round.rate = openRate([...before, round]);
  for (const stack of shuffled(stacks)) {
    const measured = await measure(bench, stack, plan.open, round.rate);
    round.open[stack.variant] = measured;
    const p99 = (measured.latencyUs.p99 / 1000).toFixed(2);
    say(`open loop   ${stack.variant.padEnd(8)} p99 ${p99} ms at ${round.rate} req/s${remarks(measured)}`);
  }
  return round;
}

/** Half of what Go saturates at, as known so far; without Go, of what our slowest does. */
function openRate(rounds: readonly Round[]): number {
  const reference = ["go", "grpc-js", "native", "none"] as const;
  const variant = reference.find((candidate) => rounds[0]?.closed[candidate] !== undefined) ?? "none";
  const saturation = figure(rounds.map(({ closed }) => closed[variant]?.perSecond));
  return Math.max(1, Math.round(0.5 * (saturation?.median ?? 0)));
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

/** So many exchanges are open at once; each is held for so long by the upstream. */
const STREAMS = 1000;
const HELD_MS = 3000;

/** The memory of every server that there is, each fresh. */
export async function runMemory(bench: Bench, servers: Servers, say: Say): Promise<Map<Variant, Memory>> {
  const memory = new Map<Variant, Memory>();
  const upstream = await startUpstream(HELD_MS);
  try {
    for (const [variant, command] of servers.commands) {
      if (command === undefined) continue;
      const stack = await startStack(servers, variant, { upstream: upstream.address, gracefulClose: false });
      try {
        memory.set(variant, await measureMemory(bench, stack, STREAMS));
        say(`memory      ${variant.padEnd(8)} ${memory.get(variant)?.peakMib.toFixed(0)} MiB`);
      } finally {
        await stack.stop();
      }
    }
  } finally {
    await upstream.stop();
  }
  return memory;
}
