import { expect, test } from "vitest";
import type { Plan } from "../core/plan.ts";
import { loadText } from "./configuration.ts";
import { newCounters } from "./counters.ts";
import { newMetrics } from "./metrics.ts";
import { countRedactions, unmatchedRedactions } from "./redactions.ts";

function planOf(): Plan {
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: [{ name: "p", processes: [{ name: "r" }] }],
    processDefinitions: [
      {
        redactor: {
          name: "r",
          rules: [
            { paths: ["a"], drop: true },
            { detect: ["pan"], drop: true },
          ],
        },
      },
      { redactor: { name: "unused", rules: [{ paths: ["a"], drop: true }] } },
    ],
  };
  const loaded = loadText(JSON.stringify(config), "t");
  return loaded.plan as Plan;
}

test("every rule in use has a counter before it matches", () => {
  const counters = newCounters();
  countRedactions(planOf(), counters);
  expect(counters.snapshot()).toEqual([
    { name: "redacted", label: "r[0]", value: 0 },
    { name: "redacted", label: "r[1]", value: 0 },
  ]);
});

test("rules that matched nothing are named once there was traffic", () => {
  const plan = planOf();
  const metrics = newMetrics();
  const { counters, messages } = metrics;
  countRedactions(plan, counters);
  expect(unmatchedRedactions(plan, metrics)).toEqual([]);
  messages.settled("x", "request", "passed");
  expect(unmatchedRedactions(plan, metrics)[0]).toContain("since the start: r[0], r[1];");
  counters.add("redacted", "r[1]", 2);
  expect(unmatchedRedactions(plan, metrics)[0]).toContain("since the start: r[0];");
  counters.add("redacted", "r[0]", 1);
  expect(unmatchedRedactions(plan, metrics)).toEqual([]);
});
