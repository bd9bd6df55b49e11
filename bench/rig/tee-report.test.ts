import { expect, test } from "vitest";
import type { Measured } from "./measure.ts";
import { type TeeResults, teesPart } from "./tee-report.ts";

function measured(p99: number, othersShare: number): Measured {
  return {
    ...{ requests: 100, failures: 0, reasons: {}, seconds: 1, perSecond: 1000, serverUs: 140, proxyUs: 80 },
    latencyUs: { p50: 500, p90: 700, p99, p999: p99, max: p99 },
    ...{ upstreamUs: 1, loaderUs: 1, othersShare, serverMib: 1, proxyMib: 1, serverConnections: 1 },
  };
}

function results(othersShare: number): TeeResults {
  const subject = (name: string) => ({
    ...{ name, title: name, variant: "native" as const, work: name, baseline: "no tee" },
  });
  const byName = { "no tee": measured(2000, othersShare), NATS: measured(3500, 0.5) };
  return {
    date: "2026-11-24T00:00:00.000Z",
    versions: { agglo: "abc" },
    systems: [{ name: "nats:", batch: "one by one", rounds: [{ perSecond: 14_743, cpuUs: 53.6 }] }],
    full: [{ eventBytes: 1024, batch: "one by one", events: 43_690, accounted: 64 * 2 ** 20, held: 66.5 * 2 ** 20 }],
    clients: [{ name: "kafka:", rounds: [{ ms: 421, bytes: 38 * 2 ** 20 }] }],
    traffic: {
      ...{ name: "tee", title: "Traffic", loads: [{ name: "fixed", title: "" }] },
      subjects: [subject("no tee"), subject("NATS")],
      rounds: [{ closed: {}, open: { fixed: { rate: 1000, measured: byName } } }],
    },
  };
}

test("the page says what a tee adds to the traffic, and what each system takes", () => {
  const part = teesPart(results(0), "results/tees.json");
  expect(part).toMatch(/\| NATS \| .*\| 0\.00 \| 1\.50 \| 140 \| 0 \|/);
  expect(part).toContain("| nats: one by one | 14,743 | 53.6 |");
  expect(part).toContain("| 1,024 bytes, one by one | 43,690 | 64.0 | 66.5 |");
  expect(part).toContain("| kafka: | 421 | 38.0 |");
  expect(part).not.toContain("too much");
});

test("it says when others had the machine, targets of the tees not counted", () => {
  expect(teesPart(results(0.2), "results/tees.json")).toContain(
    "took 20 %\nof the machine meanwhile. That is too much",
  );
});
