/** The k6 script behind bench/rig/load.ts: writes the same figures as the generator in Go. */
import { check } from "k6";
import exec from "k6/execution";
import http from "k6/http";
import { Trend } from "k6/metrics";

const load = JSON.parse(__ENV.load);
const body = __ENV.body === "" ? null : open(__ENV.body);
const largeBody = __ENV.largeBody === "" ? null : open(__ENV.largeBody);
const expected = open(__ENV.expect);
const url = `http://${load.target}${load.path}`;
const params = { headers: body === null ? {} : { "content-type": load.contentType }, timeout: "15s" };
// What is expected is no failure, whatever its status.
http.setResponseCallback(http.expectedStatuses(load.status));
const ordinary = new Trend("ordinary", true);
const large = new Trend("large", true);

function scenario() {
  const { connections, rate, seconds, requests } = load;
  if (requests !== undefined) {
    return {
      executor: "shared-iterations",
      vus: Math.min(connections, requests),
      iterations: requests,
      maxDuration: "1h",
    };
  }
  const duration = `${Math.max(seconds, 1) * 1000}ms`; // k6 takes no less
  if (rate === undefined) return { executor: "constant-vus", vus: connections, duration, gracefulStop: "15s" };
  const vus = { preAllocatedVUs: Math.min(connections, 64), maxVUs: connections };
  return { executor: "constant-arrival-rate", rate: Math.round(rate), timeUnit: "1s", duration, ...vus };
}

export const options = {
  scenarios: { load: scenario() },
  summaryTrendStats: ["p(50)", "p(90)", "p(99)", "p(99.9)", "max"],
  discardResponseBodies: false,
};

// biome-ignore lint/style/noDefaultExport: k6 calls it
export default function ask() {
  const isLarge = load.largeEvery > 0 && (exec.scenario.iterationInTest + 1) % load.largeEvery === 0;
  const response = http.request(load.method, url, isLarge ? largeBody : body, params);
  (isLarge ? large : ordinary).add(response.timings.duration);
  const right = check(response, { right: (r) => r.status === load.status && r.body === expected });
  if (!right && exec.vu.iterationInScenario === 0) {
    console.error(`status ${response.status}, body ${String(response.body).slice(0, 80)}`);
  }
}

function percentiles({ values }) {
  const us = (stat) => Math.round(values[stat] * 1000); // from milliseconds
  return { p50: us("p(50)"), p90: us("p(90)"), p99: us("p(99)"), p999: us("p(99.9)"), max: us("max") };
}

export function handleSummary({ metrics, state }) {
  const dropped = metrics.dropped_iterations?.values.count ?? 0;
  const wrong = metrics.checks.values.fails;
  const figures = {
    requests: metrics.http_reqs.values.count + dropped,
    failures: wrong + dropped,
    reasons: { ...(wrong > 0 && { "not what was expected": wrong }), ...(dropped > 0 && { dropped }) },
    seconds: state.testRunDurationMs / 1000,
    latencyUs: percentiles(metrics.ordinary),
    ...(metrics.large && { largeUs: percentiles(metrics.large) }),
  };
  return { [__ENV.summary]: JSON.stringify(figures) };
}
