/** The long run: so many requests at saturation through our server, none of which may fail. */
import { account, type Bench, type Measured } from "./measure.ts";
import { startStack, type Variant, type Variants } from "./variants.ts";
import { rewrite } from "./work.ts";

export type LongRun = Measured & { variant: Variant; streamClose: "default" | "graceful" };

const CONNECTIONS = 16;

/** Once with Envoy's own way of ending streams, a reset each, and once with its graceful one (facts 0.1, 0.5). */
export async function runLong(
  bench: Bench,
  variants: Variants,
  variant: Variant,
  requests: number,
): Promise<LongRun[]> {
  const runs: LongRun[] = [];
  const work = rewrite(1024);
  for (const streamClose of ["default", "graceful"] as const) {
    const options = { upstream: bench.upstream.address, gracefulClose: streamClose === "graceful" };
    const stack = await startStack(variants, variant, work, options);
    try {
      const load = { target: stack.proxy.address, work, expect: stack.expect, connections: CONNECTIONS, requests };
      runs.push({ variant, streamClose, ...(await account(bench, stack, load)) });
    } finally {
      await stack.stop();
    }
  }
  return runs;
}

export function printLong(runs: readonly LongRun[]): string {
  let text = "";
  for (const run of runs) {
    const reasons = Object.entries(run.reasons).map(([reason, count]) => `\n  ${count} x ${reason}`);
    text += `${run.variant}, ${run.streamClose} stream close: ${run.requests.toLocaleString("en")} requests, ${run.failures} failed`;
    text += `, ${run.perSecond.toFixed(0)} req/s, p99 ${(run.latencyUs.p99 / 1000).toFixed(1)} ms, max ${(run.latencyUs.max / 1000).toFixed(0)} ms`;
    text += `, ${run.serverConnections} connections, ${run.serverMib.toFixed(0)} MiB at the end${reasons.join("")}\n`;
  }
  return text;
}
