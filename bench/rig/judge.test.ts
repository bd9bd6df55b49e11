import { expect, test } from "vitest";
import { figure } from "./figures.ts";
import { judge } from "./judge.ts";
import type { Measured } from "./measure.ts";
import type { ScenarioResult } from "./results.ts";
import type { BySubject, Round } from "./rounds.ts";

type Change = { p99?: number; perSecond?: number; serverUs?: number; failures?: number };

function measured({ p99 = 1000, perSecond = 1000, serverUs = 100, failures = 0 }: Change): Measured {
  return {
    ...{ requests: 100, failures, reasons: {}, seconds: 1, perSecond, serverUs },
    latencyUs: { p50: 1, p90: 1, p99, p999: p99, max: p99 },
    ...{ proxyUs: 1, upstreamUs: 1, loaderUs: 1, othersShare: 0, serverMib: 1, proxyMib: 1, serverConnections: 1 },
  };
}

function openRound(load: string, by: BySubject): Round {
  return { closed: {}, open: { [load]: { rate: 500, measured: by } } };
}

/** A round in which Go takes 100 µs, 1,000/s and adds 2 ms; ours as given. */
function round(ours: Change): Round {
  const open = { none: measured({ p99: 1000 }), go: measured({ p99: 3000 }), native: measured(ours) };
  return { ...openRound("0.5", open), closed: { none: measured({}), go: measured({}), native: measured(ours) } };
}

function scenario(name: string, rounds: Round[]): ScenarioResult {
  const ours = { name: "native", title: "", variant: "native", work: "", baseline: "none" } as const;
  return { name, title: "", subjects: [ours], loads: [], rounds };
}

function row(rounds: Round[], what: string, name = "rewrite") {
  const found = judge([scenario(name, rounds)], {}).find((judged) => judged.what === what);
  if (found === undefined) throw new Error(`no row ${what}`);
  return found;
}

test("a figure is the median and the spread; values that are none do not count", () => {
  expect(figure([3, 1, undefined, 2, Number.NaN])).toEqual({ median: 2, min: 1, max: 3 });
  expect(figure([4, 1])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(figure([undefined])).toBeUndefined();
});

test.each([
  [[20, 24, 30], "moonshot"],
  [[20, 39, 90], "must"],
  [[39, 45, 50], "within the spread"],
  [[41, 45, 50], "missed"],
])("server CPU of %j %% of Go's is: %s", (shares, verdict) => {
  const rounds = shares.map((serverUs) => round({ serverUs }));
  expect(row(rounds, "server CPU/request vs go")).toMatchObject({
    verdict,
    figure: { median: (shares[1] as number) / 100 },
  });
});

test.each([
  [[1000, 1100, 1150], "missed"],
  [[1000, 1100, 1300], "within the spread"],
  [[1000, 1250, 1300], "must"],
  [[1000, 1400, 1500], "moonshot"],
])("throughput of %j, where more is better, is: %s", (rates, verdict) => {
  expect(
    row(
      rates.map((perSecond) => round({ perSecond })),
      "throughput vs go",
    ),
  ).toMatchObject({ verdict });
});

test("added p99 is what comes on top of plain Envoy in the same round", () => {
  expect(row([round({ p99: 2000 })], "added p99 vs go").figure?.median).toBe(0.5);
  expect(row([round({ p99: 900 })], "added p99 vs go").figure?.median).toBe(0);
});

test("a round in which the peer adds nothing says nothing of added p99", () => {
  const odd = round({ p99: 2000 });
  Object.assign(odd.open["0.5"]?.measured ?? {}, { go: measured({ p99: 900 }) });
  expect(row([odd], "added p99 vs go")).toMatchObject({ figure: undefined, verdict: "not measured" });
});

test("a single failed request is a missed must", () => {
  expect(row([round({}), round({ failures: 1 })], "failed requests").verdict).toBe("missed");
  expect(row([round({})], "failed requests").verdict).toBe("moonshot");
});

test("what large bodies cost small ones is held against what they cost in plain Envoy", () => {
  const mixed: Round = {
    closed: {},
    open: {
      alone: { rate: 400, measured: { none: measured({ p99: 1000 }), native: measured({ p99: 2000 }) } },
      mixed: { rate: 400, measured: { none: measured({ p99: 1500 }), native: measured({ p99: 6000 }) } },
    },
  };
  expect(row([mixed], "p99 of 1 KB beside 1 MB", "mixed").figure?.median).toBe(2);
});

test("a mirror that looks on is held against one that is waited for, in the same round", () => {
  const works = openRound("0.5", {
    none: measured({ p99: 1000 }),
    "agglo mirror only": measured({ p99: 1200 }),
    "agglo annotate + mirror": measured({ p99: 3000 }),
  });
  expect(row([works], "added p99, mirror only vs inline", "works")).toMatchObject({
    figure: { median: 0.1 },
    verdict: "moonshot",
  });
});

test("what was not measured is neither met nor missed", () => {
  expect(row([], "throughput vs go").verdict).toBe("not measured");
  expect(judge([], {}).filter(({ verdict }) => verdict !== "not measured")).toEqual([]);
});
