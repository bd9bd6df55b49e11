import { expect, test } from "vitest";
import { newCounters } from "./counters.ts";
import { countingInstruments } from "./instruments.ts";

test("latencies are a sum and a number, in nanoseconds for processes and pipelines alike (B27)", () => {
  const counters = newCounters();
  const instruments = countingInstruments(counters);
  instruments.latency("process", "p.one", 1500);
  instruments.latency("process", "p.one", 500);
  instruments.latency("pipeline", "p", 3000);
  instruments.ended("process", "p.one", true);
  instruments.ended("pipeline", "p", false);
  instruments.span("pipeline", "p").end(true);
  expect(counters.prometheus()).toBe(
    [
      "# TYPE agglo_process_latency_ns_total counter",
      'agglo_process_latency_ns_total{process="p.one"} 2000',
      "# TYPE agglo_process_latency_runs_total counter",
      'agglo_process_latency_runs_total{process="p.one"} 2',
      "# TYPE agglo_pipeline_latency_ns_total counter",
      'agglo_pipeline_latency_ns_total{pipeline="p"} 3000',
      "# TYPE agglo_pipeline_latency_runs_total counter",
      'agglo_pipeline_latency_runs_total{pipeline="p"} 1',
      "# TYPE agglo_process_runs_total counter",
      'agglo_process_runs_total{process="p.one",outcome="success"} 1',
      "# TYPE agglo_pipeline_runs_total counter",
      'agglo_pipeline_runs_total{pipeline="p",outcome="failure"} 1',
      "",
    ].join("\n"),
  );
});

test("its clock goes forward", () => {
  const { nowNs } = countingInstruments(newCounters());
  const first = nowNs();
  expect(nowNs()).toBeGreaterThanOrEqual(first);
});
