/** The memory of each server while a thousand exchanges are open at once, held by a slow upstream. */
import { setTimeout as delay } from "node:timers/promises";
import { rssMib } from "./accounting.ts";
import type { Bench } from "./measure.ts";
import type { Running } from "./processes.ts";
import { hasServer, type Stack, startStack, startUpstream, type Variant, type Variants } from "./variants.ts";
import { rewrite } from "./work.ts";

export type Memory = { idleMib: number; peakMib: number; streamsMax: number; failures: number };

const STREAMS = 1000;
const HELD_MS = 3000;
/** The first wave grows the heap, the second shows that it stays. */
const WAVES = 2;

/** Of every server that there is, each fresh. */
export async function measureMemories(
  bench: Bench,
  variants: Variants,
  say: (line: string) => void,
): Promise<{ [variant in Variant]?: Memory }> {
  const memory: { [variant in Variant]?: Memory } = {};
  const upstream = await startUpstream(HELD_MS);
  try {
    for (const variant of variants.there.filter(hasServer)) {
      const stack = await startStack(variants, variant, rewrite(1024), { upstream: upstream.address });
      try {
        const found = await measureMemory(bench, stack);
        memory[variant] = found;
        say(`memory ${variant}: ${found.peakMib.toFixed(0)} MiB`);
      } finally {
        await stack.stop();
      }
    }
  } finally {
    await upstream.stop();
  }
  return memory;
}

async function measureMemory(bench: Bench, stack: Stack): Promise<Memory> {
  const pid = (stack.server as Running).pid; // only variants with a server are asked
  const memory: Memory = { idleMib: rssMib(pid), peakMib: 0, streamsMax: 0, failures: 0 };
  const load = {
    ...{ target: stack.proxy.address, work: rewrite(1024), expect: stack.expect },
    ...{ connections: STREAMS, requests: WAVES * STREAMS },
  };
  const running = bench.loader.run(load);
  let over = false;
  const end = () => {
    over = true;
  };
  running.then(end, end); // a rejection is met below
  while (!over) {
    memory.peakMib = Math.max(memory.peakMib, rssMib(pid));
    memory.streamsMax = Math.max(memory.streamsMax, await stack.proxy.extProcStat("upstream_rq_active"));
    await delay(100);
  }
  memory.failures = (await running).failures;
  return memory;
}
