/** The resident memory of processes over time. */
import { setTimeout as delay } from "node:timers/promises";
import { rssMib } from "../rig/accounting.ts";
import { type Flatness, judgeMemory, type Sample } from "./flatness.ts";

const EVERY_MS = 5000;

/** Of each process, from now on until `until` (of performance.now()). */
export async function sampleMemory(
  pids: { readonly [name: string]: number },
  until: number,
): Promise<{ [name: string]: Sample[] }> {
  const samples: { [name: string]: Sample[] } = {};
  for (const name of Object.keys(pids)) samples[name] = [];
  const started = performance.now();
  while (performance.now() < until) {
    const seconds = (performance.now() - started) / 1000;
    for (const [name, pid] of Object.entries(pids)) samples[name]?.push({ seconds, mib: rssMib(pid) });
    await delay(EVERY_MS);
  }
  return samples;
}

/** `minutesMib`: what each minute began with, the warm-up included. */
export type ProcessMemory = Flatness & { minutesMib: number[] };

/** `warmUpSeconds`: what does not count. */
export function judgeProcesses(
  samples: { readonly [name: string]: readonly Sample[] },
  warmUpSeconds: number,
): { [name: string]: ProcessMemory } {
  const judged = Object.entries(samples).map(([name, all]) => {
    const minutesMib = all.filter((_, i) => i % (60_000 / EVERY_MS) === 0).map(({ mib }) => mib);
    return [name, { ...judgeMemory(all.filter(({ seconds }) => seconds >= warmUpSeconds)), minutesMib }];
  });
  return Object.fromEntries(judged) as { [name: string]: ProcessMemory };
}
