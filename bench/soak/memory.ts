/** The resident memory of processes over time. */
import { setTimeout as delay } from "node:timers/promises";
import { readExposition } from "../../engine/runtime/testing/exposition-reader.ts";
import { rssMib } from "../rig/accounting.ts";
import { type Flatness, judgeMemory, type Sample } from "./flatness.ts";

const EVERY_MS = 5000;

export type MemorySample = Sample & {
  /** V8's young generation, of a server process */
  youngMib: number;
};

/** Of each process, from now on until `until` (of performance.now()). `admin`: HOST:PORT of the server's admin interface. */
export async function sampleMemory(
  pids: { readonly [name: string]: number },
  admin: string,
  until: number,
): Promise<{ [name: string]: MemorySample[] }> {
  const samples: { [name: string]: MemorySample[] } = {};
  for (const name of Object.keys(pids)) samples[name] = [];
  const started = performance.now();
  while (performance.now() < until) {
    const seconds = (performance.now() - started) / 1000;
    const series = readExposition(await (await fetch(`http://${admin}/metrics`)).text());
    for (const [name, pid] of Object.entries(pids)) {
      samples[name]?.push({ seconds, mib: rssMib(pid), youngMib: youngMib(series, name) });
    }
    await delay(EVERY_MS);
  }
  return samples;
}

/** `name`: "agglo, server 1" */
function youngMib(series: ReadonlyMap<string, number>, name: string): number {
  const server = /server (\d+)$/.exec(name)?.[1];
  return (series.get(`nodejs_young_generation_bytes{server="${server}"}`) ?? 0) / 1024 ** 2;
}

/** `minutesMib`: what each minute began with, the warm-up included; `minutesYoungMib`: how much of it was young. */
export type ProcessMemory = Flatness & { minutesMib: number[]; minutesYoungMib: number[] };

/**
 * `warmUpSeconds`: what does not count. Nor does the young generation: V8 doubles it when more objects than before happened to
 * live through a collection, which one run sees after minutes and another never.
 */
export function judgeProcesses(
  samples: { readonly [name: string]: readonly MemorySample[] },
  warmUpSeconds: number,
): { [name: string]: ProcessMemory } {
  const judged = Object.entries(samples).map(([name, all]) => {
    const minutes = all.filter((_, i) => i % (60_000 / EVERY_MS) === 0);
    const counted = all.filter(({ seconds }) => seconds >= warmUpSeconds);
    const old = counted.map(({ seconds, mib, youngMib }) => ({ seconds, mib: mib - youngMib }));
    const minutesMib = minutes.map(({ mib }) => mib);
    return [name, { ...judgeMemory(old), minutesMib, minutesYoungMib: minutes.map((each) => each.youngMib) }];
  });
  return Object.fromEntries(judged) as { [name: string]: ProcessMemory };
}
