/** One measurement: load on a stack, what the load saw, and what the kernel says its processes took. */
import { cpus } from "node:os";
import { cpuUs, endedChildrenUs, machineBusyUs, rssMib } from "./accounting.ts";
import type { Load, Loaded, Loader } from "./load.ts";
import type { Running } from "./processes.ts";
import type { Stack } from "./variants.ts";

export type Measured = Loaded & {
  perSecond: number;
  /** CPU time per request */
  serverUs: number;
  proxyUs: number;
  upstreamUs: number;
  loaderUs: number;
  /** share of the machine that programs took which are none of ours: what spoils a figure */
  othersShare: number;
  /** resident memory at the end; the server's is 0 where there is none */
  serverMib: number;
  proxyMib: number;
  /** connections Envoy has opened to the server since its start, its health checks' own not counted */
  serverConnections: number;
};

export type Bench = { loader: Loader; upstream: Running & { address: string } };

/** What happens in `warmupSeconds` before does not count. */
export async function measure(
  bench: Bench,
  stack: Stack,
  load: Load,
  times: { warmupSeconds: number; seconds: number },
): Promise<Measured> {
  await bench.loader.run({ ...load, seconds: times.warmupSeconds });
  return await account(bench, stack, { ...load, seconds: times.seconds });
}

/** The same without a warm-up. */
export async function account(bench: Bench, stack: Stack, load: Load): Promise<Measured> {
  const before = usedUs(bench, stack);
  const started = performance.now();
  const loaded = await bench.loader.run(load);
  const elapsedUs = (performance.now() - started) * 1000;
  const after = usedUs(bench, stack);
  const used = (who: keyof typeof after) => after[who] - before[who];
  const ofOurs = used("server") + used("proxy") + used("upstream") + used("loader") + used("self");
  return {
    ...loaded,
    perSecond: (loaded.requests - loaded.failures) / loaded.seconds,
    serverUs: used("server") / loaded.requests,
    proxyUs: used("proxy") / loaded.requests,
    upstreamUs: used("upstream") / loaded.requests,
    loaderUs: used("loader") / loaded.requests,
    othersShare: Math.max(0, (used("machine") - ofOurs) / (elapsedUs * cpus().length)),
    serverMib: stack.server === undefined ? 0 : rssMib(stack.server.pid),
    proxyMib: rssMib(stack.proxy.pid),
    serverConnections: await stack.proxy.extProcStat("upstream_cx_total"),
  };
}

function usedUs({ upstream }: Bench, { server, proxy }: Stack) {
  return {
    machine: machineBusyUs(),
    server: server === undefined ? 0 : cpuUs(server.pid),
    proxy: cpuUs(proxy.pid),
    upstream: cpuUs(upstream.pid),
    loader: endedChildrenUs(), // the generator is the only child that ends meanwhile
    self: cpuUs(process.pid),
  };
}
