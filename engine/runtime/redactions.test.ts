import { expect, test } from "vitest";
import { loadConfig } from "../config/load.ts";
import type { Plan } from "../core/plan.ts";
import { findSystem } from "../systems/registry.ts";
import { newCounters } from "./counters.ts";
import { countRedactions, unmatchedRedactions } from "./redactions.ts";
import { re2Regexps } from "./regexps.ts";

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
  const loaded = loadConfig(JSON.stringify(config), { file: "t", regexps: re2Regexps(), systemForm: findSystem });
  return loaded.plan as Plan;
}

test("every rule in use has a counter before it matches", () => {
  const counters = newCounters();
  countRedactions(planOf(), counters);
  expect(counters.prometheus()).toContain('agglo_redacted_total{rule="r[0]"} 0\nagglo_redacted_total{rule="r[1]"} 0\n');
  expect(counters.prometheus()).not.toContain("unused");
});

test("rules that matched nothing are named once there was traffic", () => {
  const plan = planOf();
  const counters = newCounters();
  countRedactions(plan, counters);
  expect(unmatchedRedactions(plan, counters)).toEqual([]);
  counters.add("messages", "x|request|passed", 1);
  expect(unmatchedRedactions(plan, counters)[0]).toContain("since the start: r[0], r[1];");
  counters.add("redacted", "r[1]", 2);
  expect(unmatchedRedactions(plan, counters)[0]).toContain("since the start: r[0];");
  counters.add("redacted", "r[0]", 1);
  expect(unmatchedRedactions(plan, counters)).toEqual([]);
});
