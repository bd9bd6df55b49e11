import { describe, expect, test } from "vitest";
import { newCounters, newLossLog } from "./counters.ts";
import { exposition } from "./exposition.ts";

describe("counters", () => {
  test("add up, each label for itself", () => {
    const counters = newCounters();
    counters.add("redacted", "cards[0]", 2);
    counters.add("redacted", "cards[1]", 1);
    counters.add("redacted", "cards[0]", 3);
    counters.add("teeSent", "archive", 0);
    expect(counters.snapshot()).toEqual([
      { name: "redacted", label: "cards[0]", value: 5 },
      { name: "redacted", label: "cards[1]", value: 1 },
      { name: "teeSent", label: "archive", value: 0 },
    ]);
  });

  test("never shrink and never become NaN", () => {
    const counters = newCounters();
    counters.add("a", "x", 1);
    counters.add("a", "x", -1);
    counters.add("a", "x", Number.NaN);
    expect(counters.snapshot()).toEqual([{ name: "a", label: "x", value: 1 }]);
  });

  test("keep a thousand labels of one name apart and count the rest together", () => {
    const counters = newCounters();
    for (let i = 0; i < 1500; i++) counters.add("a", `label ${i}`, 1);
    counters.add("a", "label 3", 1);
    counters.add("b", "label 1499", 1);
    const rows = counters.snapshot();
    expect(rows.filter((row) => row.name === "a")).toHaveLength(1001);
    expect(rows).toContainEqual({ name: "a", label: "other", value: 500 });
    expect(rows).toContainEqual({ name: "a", label: "label 3", value: 2 });
    expect(rows).toContainEqual({ name: "b", label: "label 1499", value: 1 });
  });

  test("read a label like a member of an object as a label", () => {
    const counters = newCounters();
    counters.add("__proto__", "constructor", 1);
    expect(counters.snapshot()).toEqual([{ name: "__proto__", label: "constructor", value: 1 }]);
  });

  test("are shown to Prometheus with labels that cannot break the line", () => {
    const counters = newCounters();
    counters.add("redacted", "cards[0]", 5);
    counters.add("teeDropped", "a|b|full", 2);
    counters.add("hostileName", 'x"} 9\nagglo_fake_total 1\\\ud800', 1);
    expect(exposition(counters.families())).toBe(
      [
        "# HELP agglo_redacted_total Values that a redactor's rule covered or took out.",
        "# TYPE agglo_redacted_total counter",
        'agglo_redacted_total{rule="cards[0]"} 5',
        "# HELP agglo_tee_dropped_total Copies that are lost, by reason.",
        "# TYPE agglo_tee_dropped_total counter",
        'agglo_tee_dropped_total{target="a|b",reason="full"} 2',
        "# HELP agglo_hostile_name_total Counter hostileName.",
        "# TYPE agglo_hostile_name_total counter",
        'agglo_hostile_name_total{label="x\\"} 9\\nagglo_fake_total 1\\\\\ufffd"} 1',
        "",
      ].join("\n"),
    );
  });
});

describe("the log of losses", () => {
  test("keeps its second where the clock is set back, and says nothing when there is nothing", () => {
    const lines: string[] = [];
    const waits: number[] = [];
    let due = (): void => undefined;
    const clock = { nowMs: 10_000_000 };
    const timers = {
      soon: () => undefined,
      after(delayMs: number, callback: () => void) {
        waits.push(delayMs);
        due = callback;
        return () => undefined;
      },
    };
    const losses = newLossLog("tee", { nowMs: () => clock.nowMs, timers, log: (line) => lines.push(line) });
    losses.flush();
    losses.add("full", 2, "");
    clock.nowMs = 5;
    losses.add("failed", 1, "x".repeat(500));
    losses.add("full", 1, "");
    due();
    losses.flush();
    expect(waits).toEqual([1000]);
    expect(lines).toEqual([
      "tee: 2 lost since the last line (full 2)",
      `tee: 2 lost since the last line (failed 1, full 1); last error: ${"x".repeat(200)}`,
    ]);
  });
});
