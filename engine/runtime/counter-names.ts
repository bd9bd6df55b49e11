/** What each counter is to Prometheus: its text, and a name for each part of its label. */

export type CounterName = {
  /** without the `agglo_` before and the `_total` behind */
  name: string;
  help: string;
  /** The parts stand in the label with `|` between them. Only the first may hold one itself. */
  labels: readonly string[];
};

export const COUNTER_NAMES: { readonly [counter: string]: CounterName } = {
  refusals: {
    name: "refusals",
    help: "Messages refused, by the rule that refused them.",
    labels: ["route", "direction", "rule"],
  },
  faults: {
    name: "faults",
    help: "Messages that could not be treated, by reason; the route's onFault says what became of them.",
    labels: ["route", "direction", "reason"],
  },
  wouldHave: {
    name: "would_have",
    help: "Messages that passed only because their section does not enforce, by the verdict they would have had.",
    labels: ["route", "direction", "verdict", "reason"],
  },
  cutReplies: {
    name: "cut_replies",
    help: "Refused messages whose beginning had gone on already: cut in place of a reply.",
    labels: ["route"],
  },
  exchanges: {
    name: "exchanges",
    help: "Exchanges that the pipelines of a route's `exchange` have run on, by how they ended.",
    labels: ["route", "outcome"],
  },
  missingModes: {
    name: "missing_modes",
    help: "Messages whose body a route needs and the proxy does not send.",
    labels: ["route", "direction"],
  },
  mismatchedMarks: {
    name: "mismatched_marks",
    help: "Streams whose proxy names a route that this configuration does not have.",
    labels: ["mark"],
  },
  unmatchedResponses: {
    name: "unmatched_responses",
    help: "Responses that passed because their request never came, so that no route is known.",
    labels: ["reason"],
  },
  poolMessages: {
    name: "pool_messages",
    help: "Messages that went to a thread of the pool, by what came of it; in a daemon direction is post, split or event.",
    labels: ["route", "direction", "outcome"],
  },
  treatmentNs: {
    name: "treatment_nanoseconds",
    help: "Time that bodies large enough to be measured took; with treatment_bytes, what decides who goes to the pool.",
    labels: ["route", "direction"],
  },
  treatmentBytes: { name: "treatment_bytes", help: "Size of the bodies measured.", labels: ["route", "direction"] },
  redacted: { name: "redacted", help: "Values that a redactor's rule covered or took out.", labels: ["rule"] },
  droppedEvents: {
    name: "dropped_events",
    help: "Events that a process refused and that left their message, which went on without them.",
    labels: ["process"],
  },
  stateErrors: { name: "state_errors", help: "Updates of counts and joins that failed.", labels: ["process"] },
  stateOverflows: {
    name: "state_overflows",
    help: "Updates that a store of counts and joins had no room for.",
    labels: ["store"],
  },
  teeOffered: { name: "tee_offered", help: "Copies that tees made.", labels: ["target"] },
  teeSent: { name: "tee_sent", help: "Copies that their target has taken.", labels: ["target"] },
  teeRetried: { name: "tee_retried", help: "Tries after the first to send a copy.", labels: ["target"] },
  teeDropped: { name: "tee_dropped", help: "Copies that are lost, by reason.", labels: ["target", "reason"] },
  teeSkipped: {
    name: "tee_skipped",
    help: "Events that a tee did not copy because of its share or its rate.",
    labels: ["tee", "reason"],
  },
  memoryRefused: {
    name: "memory_refused",
    help: "Times that the process's memory budget had no room, by what it was asked for.",
    labels: ["use"],
  },
  spawned: { name: "spawned", help: "Commands run, by how they ended.", labels: ["process", "outcome"] },
  processRuns: {
    name: "process_runs",
    help: "Runs of the processes that the file instruments; a stop and a refusal are successes.",
    labels: ["process", "outcome"],
  },
  pipelineRuns: {
    name: "pipeline_runs",
    help: "Runs of the pipelines that the file instruments; a stop and a refusal are successes.",
    labels: ["pipeline", "outcome"],
  },
  reloads: {
    name: "reloads",
    help: "Changes of the configuration asked for, by what came of it.",
    labels: ["outcome"],
  },
};

/** Of one that is not listed. */
export function unknownCounter(counter: string): CounterName {
  const words = counter.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return { name: words.replace(/[^a-z0-9_]/g, "_"), help: `Counter ${counter}.`, labels: ["label"] };
}
