/** What the kernel says of a process: CPU time and memory. Linux only. */
import { readFileSync } from "node:fs";

/** USER_HZ: the unit of /proc/PID/stat, 100 on every Linux Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time since the start of the process, user and system, all threads, in steps of 10 ms. */
export function cpuUs(pid: number): number {
  return ticksUs(statFields(pid), 11, 12); // utime and stime
}

/** CPU time of this process's children that have ended. */
export function endedChildrenUs(): number {
  return ticksUs(statFields(process.pid), 13, 14); // cutime and cstime
}

// The name of the program comes second, in brackets, and may hold spaces; what follows it is counted here from 0.
function statFields(pid: number): string[] {
  return readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
}

function ticksUs(fields: readonly string[], ...indexes: number[]): number {
  const ticks = indexes.reduce((sum, index) => sum + Number(fields[index]), 0);
  return (ticks / TICKS_PER_SECOND) * 1e6;
}

/** CPU time that the whole machine has worked, or been kept from working by its host, on all cores. */
export function machineBusyUs(): number {
  const fields = readFileSync("/proc/stat", "latin1").split("\n", 1)[0]?.trim().split(/\s+/) ?? [];
  return ticksUs(fields, 1, 2, 3, 6, 7, 8); // user nice system, irq softirq steal; not idle and iowait
}

/** Resident memory now. */
export function rssMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kib) / 1024;
}
