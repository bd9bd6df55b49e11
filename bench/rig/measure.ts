/** One measurement: load on a stack, what the load saw, and what the kernel says its processes took. */
import { cpus } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { cpuUs, endedChildrenUs, machineBusyUs, rssMib } from "./accounting.ts";
import type { Load, Loaded, Loader } from "./load.ts";
import type { Running } from "./processes.ts";
import type { Stack } from "./variants.ts";

export type Measured = Loaded & {
  perSecond: number;
  /** CPU time per request */
  serverUs: number;
  envoyUs: number;
  upstreamUs: number;
  loaderUs: number;
  /** share of the machine that programs took which are none of ours: what spoils a figure */
  othersShare: number;
  /** of the server, at the end */
  rssMib: number;
  /** connections Envoy has opened to the server since its start, its health checks' own not counted */
  serverConnections: number;
};

export type Bench = { loader: Loader; upstream: Running; connections: number };

/** Connections the open loop may use: a stall of a tenth of a second at 5,000/s takes half of them. */
const OPEN_CONNECTIONS = 1000;

/** Closed loop without a rate, open loop with one; what happens in `warmupSeconds` before does not count. */
export async function measure(
  bench: Bench,
  stack: Stack,
  times: { warmupSeconds: number; seconds: number },
  rate?: number,
): Promise<Measured> {
  const load: Load = {
    target: stack.envoy.address,
    expect: stack.expect,
    connections: rate === undefined ? bench.connections : OPEN_CONNECTIONS,
    ...(rate !== undefined && { rate }),
  };
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
  const ofOurs = used("server") + used("envoy") + used("upstream") + used("loader") + used("self");
  return {
    ...loaded,
    perSecond: (loaded.requests - loaded.failures) / loaded.seconds,
    serverUs: used("server") / loaded.requests,
    envoyUs: used("envoy") / loaded.requests,
    upstreamUs: used("upstream") / loaded.requests,
    loaderUs: used("loader") / loaded.requests,
    othersShare: Math.max(0, (used("machine") - ofOurs) / (elapsedUs * cpus().length)),
    rssMib: stack.server === undefined ? 0 : rssMib(stack.server.pid),
    serverConnections: await stack.envoy.extProcStat("upstream_cx_total"),
  };
}

function usedUs({ upstream }: Bench, { server, envoy }: Stack) {
  return {
    machine: machineBusyUs(),
    server: server === undefined ? 0 : cpuUs(server.pid),
    envoy: cpuUs(envoy.pid),
    upstream: cpuUs(upstream.pid),
    loader: endedChildrenUs(), // the generator is the only child that ends meanwhile
    self: cpuUs(process.pid),
  };
}

export type Memory = { idleMib: number; peakMib: number; streamsMax: number; failures: number };

/** Resident memory of the server while `streams` exchanges are open at once; the stack's upstream must be a slow one. */
export async function measureMemory(bench: Bench, stack: Stack, streams: number): Promise<Memory> {
  const pid = (stack.server as Running).pid; // only variants with a server are asked
  const memory: Memory = { idleMib: rssMib(pid), peakMib: 0, streamsMax: 0, failures: 0 };
  const load = {
    target: stack.envoy.address,
    expect: stack.expect,
    connections: streams,
    requests: MEMORY_WAVES * streams,
  };
  const running = bench.loader.run(load);
  let over = false;
  const end = () => {
    over = true;
  };
  running.then(end, end); // a rejection is met below
  while (!over) {
    memory.peakMib = Math.max(memory.peakMib, rssMib(pid));
    memory.streamsMax = Math.max(memory.streamsMax, await stack.envoy.extProcStat("upstream_rq_active"));
    await delay(100);
  }
  memory.failures = (await running).failures;
  return memory;
}

/** The first wave grows the heap, the second shows that it stays. */
const MEMORY_WAVES = 2;
