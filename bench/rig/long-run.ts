/** The long run: so many requests at saturation through one variant, none of which may fail. */
import { account, type Bench, type Measured } from "./measure.ts";
import { type Servers, startStack, type Variant } from "./variants.ts";

export type LongRun = Measured & { variant: Variant; streamClose: "default" | "graceful" };

/** Once with Envoy's own way of ending streams, a reset each, and once with its graceful one (facts 0.1, 0.5). */
export async function runLong(
  bench: Bench & { upstream: { address: string } },
  servers: Servers,
  variant: Variant,
  requests: number,
): Promise<LongRun[]> {
  const runs: LongRun[] = [];
  for (const streamClose of ["default", "graceful"] as const) {
    const gracefulClose = streamClose === "graceful";
    const stack = await startStack(servers, variant, { upstream: bench.upstream.address, gracefulClose });
    try {
      const load = { target: stack.envoy.address, expect: stack.expect, connections: bench.connections, requests };
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
    text += `, ${run.serverConnections} connections, ${run.rssMib.toFixed(0)} MiB at the end${reasons.join("")}\n`;
  }
  return text;
}
