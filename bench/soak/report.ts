/** A soak in words: what it sent, what became of memory, and whether it is passed. */
import type { Percentiles } from "../rig/load.ts";
import type { Tally } from "./clients.ts";
import type { ProcessMemory } from "./memory.ts";

export type Soak = {
  minutes: number;
  /** changes of the configuration, by what came of them */
  reloads: { [outcome: string]: number };
  traffic: { [name: string]: Tally & { latencyUs?: Percentiles } };
  memory: { [process: string]: ProcessMemory };
  /** what the server says at the end that it should not, in words */
  leftovers: string[];
};

export function isPassed({ traffic, memory, reloads, leftovers }: Soak): boolean {
  const failed = Object.values(traffic).some(({ failures, requests }) => failures > 0 || requests === 0);
  const grown = Object.values(memory).some(({ flat }) => !flat);
  return !failed && !grown && leftovers.length === 0 && (reloads.refused ?? 0) === 0;
}

export function printSoak(soak: Soak): string {
  const { minutes, reloads, traffic, memory, leftovers } = soak;
  const tallies = Object.values(traffic);
  const requests = tallies.reduce((sum, tally) => sum + tally.requests, 0);
  const failures = tallies.reduce((sum, tally) => sum + tally.failures, 0);
  const count = (outcome: string) => `${reloads[outcome] ?? 0} ${outcome}`;
  const lines = [
    `${isPassed(soak) ? "passed" : "FAILED"}: ${minutes} minutes, ${requests.toLocaleString("en")} requests, ${failures} failed`,
    `reloads: ${["applied", "waiting", "refused"].map(count).join(", ")}`,
    "",
    ...Object.entries(traffic).map(([name, tally]) => trafficLine(name, tally)),
    "",
    "resident memory without V8's young generation, MiB",
    "                             first third   last third   rise of the rest   allowed   young: first, last minute",
    ...Object.entries(memory).map(([name, each]) => memoryLine(name, each)),
    "",
    ...leftovers.map((words) => `at the end ${words}`),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function trafficLine(name: string, { requests, failures, reasons, latencyUs }: Soak["traffic"][string]): string {
  const ms = (us: number) => (us / 1000).toFixed(1);
  const latency = latencyUs === undefined ? "" : `, p50 ${ms(latencyUs.p50)} ms, p99 ${ms(latencyUs.p99)} ms`;
  const why = Object.entries(reasons).map(([reason, times]) => `\n  ${times} x ${reason}`);
  return `${name.padEnd(24)} ${String(requests).padStart(8)} requests, ${failures} failed${latency}${why.join("")}`;
}

function memoryLine(name: string, memory: ProcessMemory): string {
  const { startMib, endMib, riseMib, allowedMib, flat, minutesYoungMib } = memory;
  const figures = [startMib, endMib, riseMib, allowedMib].map((mib) => mib.toFixed(1));
  const [start, end, rise, allowed] = figures as [string, string, string, string];
  const shown = `${start.padStart(11)}  ${end.padStart(11)}  ${rise.padStart(17)}  ${allowed.padStart(8)}`;
  const young = [minutesYoungMib[0] ?? 0, minutesYoungMib.at(-1) ?? 0].map((mib) => mib.toFixed(1)).join(", ");
  return `${name.padEnd(28)} ${shown}   ${young}  ${flat ? "flat" : "GROWS"}`;
}
