import { expect, test } from "vitest";
import { exposition } from "./exposition.ts";
import { measuringInstruments } from "./instruments.ts";
import { newMetrics } from "./metrics.ts";

test("runs are counted and their durations are histograms in seconds, for processes and pipelines alike (B27)", () => {
  const metrics = newMetrics();
  const instruments = measuringInstruments(metrics);
  instruments.latency("process", "p.one", 50_000); // a bound belongs to what is below it
  instruments.latency("process", "p.one", 50_001);
  instruments.latency("pipeline", "p", 60e9);
  instruments.ended("process", "p.one", true);
  instruments.ended("pipeline", "p", false);
  const lines = exposition(metrics.families()).split("\n");
  for (const line of [
    'agglo_process_duration_seconds_bucket{process="p.one",le="0.00005"} 1',
    'agglo_process_duration_seconds_bucket{process="p.one",le="0.0001"} 2',
    'agglo_process_duration_seconds_bucket{process="p.one",le="+Inf"} 2',
    'agglo_process_duration_seconds_sum{process="p.one"} 0.000100001',
    'agglo_process_duration_seconds_count{process="p.one"} 2',
    'agglo_pipeline_duration_seconds_bucket{pipeline="p",le="10"} 0',
    'agglo_pipeline_duration_seconds_bucket{pipeline="p",le="+Inf"} 1',
    'agglo_pipeline_duration_seconds_sum{pipeline="p"} 60',
    'agglo_process_runs_total{process="p.one",outcome="success"} 1',
    'agglo_pipeline_runs_total{pipeline="p",outcome="failure"} 1',
  ]) {
    expect(lines).toContain(line);
  }
});

test("its clock goes forward, in nanoseconds", () => {
  const { nowNs } = measuringInstruments(newMetrics());
  const [first, before] = [nowNs(), process.hrtime.bigint()];
  while (Number(process.hrtime.bigint() - before) < 2_000_000) {}
  expect(nowNs() - first).toBeGreaterThan(1_900_000);
});
