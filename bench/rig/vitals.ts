/**
 * Loaded into our server in front of its own code (`node --import`): keeps count of event-loop delay and of garbage
 * collection. On SIGUSR2 the counts go to the file $AGGLO_VITALS, and begin anew.
 */
import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";

export type Vitals = {
  /** microseconds by which a timer of 1 ms was late */
  loopDelayUs: { p50: number; p99: number; p999: number; max: number };
  /** pauses of the collector */
  gc: { count: number; totalMs: number; maxMs: number };
};

const RESOLUTION_MS = 1;
const file = process.env.AGGLO_VITALS;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
let pauses: number[] = [];

const observer = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) pauses.push(entry.duration);
});

function vitals(): Vitals {
  const us = (percent: number) => lateUs(delay.percentile(percent));
  return {
    loopDelayUs: { p50: us(50), p99: us(99), p999: us(99.9), max: lateUs(delay.max) },
    gc: { count: pauses.length, totalMs: pauses.reduce((sum, ms) => sum + ms, 0), maxMs: Math.max(0, ...pauses) },
  };
}

// Node counts the whole time between two turns of its timer, in nanoseconds.
function lateUs(ns: number): number {
  return Math.max(0, ns / 1000 - RESOLUTION_MS * 1000);
}

if (file !== undefined) {
  observer.observe({ entryTypes: ["gc"] });
  delay.enable();
  process.on("SIGUSR2", () => {
    writeFileSync(`${file}.new`, JSON.stringify(vitals()));
    renameSync(`${file}.new`, file); // whole when it is there
    delay.reset();
    pauses = [];
  });
}
