import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { Measured } from "./measure.ts";
import { page } from "./report.ts";
import type { SubjectResult } from "./results.ts";
import { newestResults, type Results, readResults } from "./results.ts";
import { newestTees } from "./tee-report.ts";

function measured(perSecond: number, serverUs: number, p99: number): Measured {
  return {
    ...{ requests: 100, failures: 0, reasons: {}, seconds: 1, perSecond, serverUs, proxyUs: 80 },
    latencyUs: { p50: 500, p90: 700, p99, p999: p99, max: p99 },
    ...{ upstreamUs: 1, loaderUs: 1, othersShare: 0, serverMib: 1, proxyMib: 1, serverConnections: 1 },
  };
}

const subject = (variant: "none" | "go" | "native"): SubjectResult => ({
  ...{ name: variant, title: variant, variant, work: "rewrite 1 KB", baseline: "none" },
});

/** Ours: half of Go's CPU, less throughput, and twice the latency that Go adds. */
const results: Results = {
  date: "2026-11-24T00:00:00.000Z",
  machine: { cpu: "a CPU", cores: 2, memoryGib: 4, kernel: "6" },
  versions: { envoy: "1.40.0" },
  load: "go",
  leftOut: { lua: "it is not there" },
  scenarios: [
    {
      ...{ name: "rewrite", title: "Request rewrite, 1 KB", loads: [{ name: "0.5", title: "half of Go's" }] },
      subjects: [subject("none"), subject("go"), subject("native")],
      rounds: [
        {
          closed: { none: measured(9000, 0, 1000), go: measured(4000, 40, 1000), native: measured(3000, 20, 1000) },
          open: {
            "0.5": {
              rate: 2000,
              measured: {
                none: measured(2000, 0, 1000),
                go: measured(2000, 40, 2000),
                native: measured(2000, 20, 3000),
              },
            },
          },
        },
      ],
    },
  ],
  memory: {},
  inside: { rate: 0, variants: {} },
};

test("what we lose is said: a missed target, and who is better at what", () => {
  const text = page(results, "results/x.json");
  const lost = text.slice(text.indexOf("## Where we lose"), text.indexOf("## Request rewrite"));
  expect(lost).toContain("The target for throughput vs go is 1.2, reached in no round: 0.75.");
  expect(lost).toContain("go has 1.33 times the throughput, 0.50 times the added p99 of the open loop of native.");
  expect(text).toContain("| native | 0.50 | 0.70 | 3.00 | 3.0 | 3.0 | 0.00 | 2.00 | 20 | 0 |");
  expect(text).toContain("Left out: Envoy + Lua, because it is not there.");
});

test("the page in the repository is what its newest results make", async ({ skip }) => {
  const name = await newestResults();
  if (name === undefined) return skip("no whole run has been committed yet");
  const committed = await readFile(new URL("../RESULTS.md", import.meta.url), "utf8");
  expect(committed).toBe(page(await readResults(name), `results/${name}`, await newestTees()));
});
