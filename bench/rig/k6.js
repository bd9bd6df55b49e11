/** The k6 script behind bench/rig/load.ts: writes the same figures as the generator in Go. */
import { check } from "k6";
import exec from "k6/execution";
import http from "k6/http";

const body = open(__ENV.body);
const url = `http://${__ENV.target}${__ENV.path}`;
const params = { headers: { "content-type": "application/json" }, timeout: "15s" };
const { connections, rate, seconds, requests } = JSON.parse(__ENV.load);

function scenario() {
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
export default function post() {
  const response = http.post(url, body, params);
  const right = check(response, { right: (r) => r.status === 200 && r.body === __ENV.expect });
  if (!right && exec.vu.iterationInScenario === 0) console.error(`status ${response.status}, body ${response.body}`);
}

export function handleSummary({ metrics, state }) {
  const latency = metrics.http_req_duration.values; // milliseconds
  const us = (stat) => Math.round(latency[stat] * 1000);
  const dropped = metrics.dropped_iterations?.values.count ?? 0;
  const wrong = metrics.checks.values.fails;
  const figures = {
    requests: metrics.http_reqs.values.count + dropped,
    failures: wrong + dropped,
    reasons: { ...(wrong > 0 && { "not a 200 with the right body": wrong }), ...(dropped > 0 && { dropped }) },
    seconds: state.testRunDurationMs / 1000,
    latencyUs: { p50: us("p(50)"), p90: us("p(90)"), p99: us("p(99)"), p999: us("p(99.9)"), max: us("max") },
  };
  return { [__ENV.summary]: JSON.stringify(figures) };
}
