/**
 * The Counters port, what the admin port shows of it, and the log of losses. Numbers only grow; what a client chooses
 * cannot make them many, nor the log long.
 */
import type { Counters } from "../core/ports.ts";
import type { Timers } from "./ports.ts";
import { maskCredentials } from "./secrets.ts";

/** Labels of one counter kept apart; further ones count under "other". */
const LABELS_MAX = 1000;
const OTHER = "other";

/**
 * How a counter's label is told to Prometheus: a name for each of its parts, which stand in the label with `|` between
 * them. A counter that is not listed has one part, called `label`. Only the first part may hold a `|` itself.
 */
const LABEL_NAMES: { readonly [counter: string]: readonly string[] } = {
  messages: ["route", "direction", "verdict"],
  faults: ["route", "direction", "reason"],
  missingModes: ["route", "direction"],
  cutReplies: ["route"],
  mismatchedMarks: ["mark"],
  unmatchedResponses: ["reason"],
  redacted: ["rule"],
  droppedEvents: ["process"],
  stateErrors: ["process"],
  stateOverflows: ["store"],
  teeOffered: ["target"],
  teeSent: ["target"],
  teeRetried: ["target"],
  teeDropped: ["target", "reason"],
  teeSkipped: ["tee", "reason"],
  spawned: ["process", "outcome"],
  processRuns: ["process", "outcome"],
  processLatencyNs: ["process"],
  processLatencyRuns: ["process"],
  pipelineRuns: ["pipeline", "outcome"],
  pipelineLatencyNs: ["pipeline"],
  pipelineLatencyRuns: ["pipeline"],
};

export type CounterRow = { name: string; label: string; value: number };

export type RuntimeCounters = Counters & {
  /** every counter, in the order of their first use */
  snapshot(): CounterRow[];
  /** Prometheus' text format: `agglo_<name>_total{…} value` */
  prometheus(): string;
};

type Values = Map<string, number>;

export function newCounters(): RuntimeCounters {
  const counters = new Map<string, Values>();
  return {
    add: (name, label, amount) => add(counters, name, label, amount),
    snapshot: () => snapshot(counters),
    prometheus: () => prometheus(counters),
  };
}

function add(counters: Map<string, Values>, name: string, label: string, amount: number): void {
  if (!(amount >= 0)) return; // a counter that shrinks or turns NaN breaks every rate computed from it
  let values = counters.get(name);
  if (values === undefined) {
    values = new Map();
    counters.set(name, values);
  }
  const before = values.get(label);
  const kept = before === undefined && values.size >= LABELS_MAX ? OTHER : label;
  values.set(kept, (before ?? values.get(kept) ?? 0) + amount);
}

function snapshot(counters: ReadonlyMap<string, Values>): CounterRow[] {
  const rows: CounterRow[] = [];
  for (const [name, values] of counters) for (const [label, value] of values) rows.push({ name, label, value });
  return rows;
}

function prometheus(counters: ReadonlyMap<string, Values>): string {
  let text = "";
  for (const [name, values] of counters) {
    const metric = `agglo_${snakeCase(name)}_total`;
    const names = LABEL_NAMES[name] ?? ["label"];
    text += `# TYPE ${metric} counter\n`;
    for (const [label, value] of values) text += `${metric}{${labelPairs(names, label)}} ${value}\n`;
  }
  return text;
}

function snakeCase(name: string): string {
  const words = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return words.replace(/[^a-z0-9_]/g, "_");
}

function labelPairs(names: readonly string[], label: string): string {
  const pairs: string[] = [];
  let rest = label;
  for (let i = names.length - 1; i > 0; i--) {
    const bar = rest.lastIndexOf("|");
    pairs.unshift(`${names[i]}="${escapeLabel(rest.slice(bar + 1))}"`);
    rest = bar === -1 ? rest : rest.slice(0, bar);
  }
  pairs.unshift(`${names[0]}="${escapeLabel(rest)}"`);
  return pairs.join(",");
}

function escapeLabel(value: string): string {
  const escaped = value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
  return escaped.toWellFormed();
}

const REPORT_EVERY_MS = 1000;
const ERROR_CHARS_MAX = 200;

export type LossLogOptions = { nowMs(): number; timers: Timers; log(line: string): void };

/** Says how many of something were lost, at most once a second, however many they are. */
export type LossLog = {
  /** So many more are lost. `error` is what the other side said; "" for nothing. */
  add(reason: string, count: number, error: string): void;
  /** Says at once what is not said yet: the last line there is does not wait for its second. */
  flush(): void;
};

type Losses = { subject: string; byReason: Map<string, number>; lastError: string };

/** `subject` begins each line: `tee to "archive"`. */
export function newLossLog(subject: string, options: LossLogOptions): LossLog {
  const losses: Losses = { subject, byReason: new Map(), lastError: "" };
  let saidMs = Number.NEGATIVE_INFINITY;
  let cancel: (() => void) | undefined;
  const say = (): void => {
    cancel?.();
    cancel = undefined;
    if (losses.byReason.size === 0) return;
    saidMs = options.nowMs();
    options.log(lossLine(losses));
    losses.byReason.clear();
    losses.lastError = "";
  };
  return {
    add(reason, count, error) {
      losses.byReason.set(reason, (losses.byReason.get(reason) ?? 0) + count);
      if (error !== "") losses.lastError = error;
      if (cancel !== undefined) return; // a line is on its way
      // Where the clock was set back, a second is still a second.
      const waitMs = Math.min(REPORT_EVERY_MS, saidMs + REPORT_EVERY_MS - options.nowMs());
      if (waitMs <= 0) say();
      else cancel = options.timers.after(waitMs, say);
    },
    flush: say,
  };
}

function lossLine(losses: Losses): string {
  let total = 0;
  for (const count of losses.byReason.values()) total += count;
  const counts = [...losses.byReason].map(([reason, count]) => `${reason} ${count}`).join(", ");
  // JSON.stringify: what a system says may hold a line end, and a log line is one line.
  const error = JSON.stringify(maskCredentials(losses.lastError).slice(0, ERROR_CHARS_MAX)).slice(1, -1);
  const why = error === "" ? "" : `; last error: ${error}`;
  return `${losses.subject}: ${total} lost since the last line (${counts})${why}`;
}
