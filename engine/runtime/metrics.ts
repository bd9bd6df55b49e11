/** Everything a process counts and measures. */
import { newCounters, type RuntimeCounters } from "./counters.ts";
import type { Family, Sample } from "./exposition.ts";
import { type Histogram, newHistogram } from "./histogram.ts";
import { type MessageCounts, newMessageCounts } from "./message-counts.ts";

export type Metrics = {
  /** its snapshot has the messages' verdicts too */
  counters: RuntimeCounters;
  messages: MessageCounts;
  /** where the file asks for it, by `<pipeline>` and `<pipeline>.<process>` */
  pipelines: Histogram;
  processes: Histogram;
  /** Adds families that are made when somebody asks for them. */
  add(collect: () => readonly Family[]): void;
  families(): Family[];
};

export function newMetrics(): Metrics {
  const messages = newMessageCounts();
  const own = newCounters();
  const counters = { ...own, snapshot: () => [...messages.rows(), ...own.snapshot()] };
  const pipelines = newHistogram("agglo_pipeline_duration_seconds", "Runs of pipelines over one event.", "pipeline");
  const processes = newHistogram("agglo_process_duration_seconds", "Runs of processes over one event.", "process");
  const collectors: (() => readonly Family[])[] = [];
  return {
    counters,
    messages,
    pipelines,
    processes,
    add: (collect) => void collectors.push(collect),
    families: () => [
      ...messages.families(),
      ...counters.families(),
      pipelines.family(),
      processes.family(),
      ...collectors.flatMap((collect) => collect()),
    ],
  };
}

/** A family of one number, or of one for each value of a label. */
export function family(
  type: "counter" | "gauge",
  name: string,
  help: string,
  values: number | readonly (readonly [labels: Sample["labels"], value: number])[],
): Family {
  const samples = typeof values === "number" ? [[[], values] as const] : values;
  return { name, help, type, samples: samples.map(([labels, value]) => ({ suffix: "", labels, value })) };
}
