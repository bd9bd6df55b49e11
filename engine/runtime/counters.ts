/**
 * The Counters port, what the admin port shows of it, and the log of losses. Numbers only grow; what a client chooses
 * cannot make them many, nor the log long.
 */
import type { Counters } from "../core/ports.ts";
import { COUNTER_NAMES, unknownCounter } from "./counter-names.ts";
import type { Family } from "./exposition.ts";
import type { Timers } from "./ports.ts";
import { maskCredentials } from "./secrets.ts";

/** Labels of one counter kept apart; further ones count under "other". */
const LABELS_MAX = 1000;
const OTHER = "other";

export type CounterRow = { name: string; label: string; value: number };

export type RuntimeCounters = Counters & {
  /** every counter, in the order of their first use */
  snapshot(): CounterRow[];
  /** for Prometheus: `agglo_<name>_total` (counter-names.ts) */
  families(): Family[];
};

type Values = Map<string, number>;

export function newCounters(): RuntimeCounters {
  const counters = new Map<string, Values>();
  return {
    add: (name, label, amount) => add(counters, name, label, amount),
    snapshot: () => snapshot(counters),
    families: () => families(counters),
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
  if (before !== undefined) {
    values.set(label, before + amount);
    return;
  }
  // Two labels that are the same in UTF-8 would be one series twice, for which a scrape is refused whole.
  const kept = values.size >= LABELS_MAX ? OTHER : label.toWellFormed();
  values.set(kept, (values.get(kept) ?? 0) + amount);
}

function snapshot(counters: ReadonlyMap<string, Values>): CounterRow[] {
  const rows: CounterRow[] = [];
  for (const [name, values] of counters) for (const [label, value] of values) rows.push({ name, label, value });
  return rows;
}

function families(counters: ReadonlyMap<string, Values>): Family[] {
  return [...counters].map(([counter, values]) => {
    const { name, help, labels } = COUNTER_NAMES[counter] ?? unknownCounter(counter);
    const samples = [...values].map(([label, value]) => ({ suffix: "", labels: labelPairs(labels, label), value }));
    return { name: `agglo_${name}_total`, help, type: "counter", samples };
  });
}

function labelPairs(names: readonly string[], label: string): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  let rest = label;
  for (let i = names.length - 1; i > 0; i--) {
    const bar = rest.lastIndexOf("|");
    pairs.unshift([names[i] as string, rest.slice(bar + 1)]);
    rest = bar === -1 ? rest : rest.slice(0, bar);
  }
  pairs.unshift([names[0] as string, rest]);
  return pairs;
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
  const why = losses.lastError === "" ? "" : `; last error: ${shownError(losses.lastError)}`;
  return `${losses.subject}: ${total} lost since the last line (${counts})${why}`;
}

/** What a system says, fit for a log: bounded, without passwords, and one line. */
export function shownError(message: string): string {
  return JSON.stringify(maskCredentials(message).slice(0, ERROR_CHARS_MAX)).slice(1, -1);
}
