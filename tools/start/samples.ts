/** The samples of an example: requests, and what the example says must come of them. */
import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Stack } from "./stack.ts";

export type Sample = {
  title: string;
  request: { method: string; path: string; headers?: { [name: string]: string }; body?: string };
  expect: {
    /** the request's verdict; "unbound": no route, no verdict */
    request: string;
    response?: string;
    status: number;
    /** the body that reached the upstream, to the byte; absent: nothing reached it */
    upstream?: string;
    /** the reply's body, to the byte */
    reply?: string;
    replyContains?: string;
    /** copies per system */
    mirrored: { [system: string]: number };
  };
};

export type Result = {
  status: number;
  reply: string;
  /** body that reached the upstream; undefined: nothing did */
  upstream: string | undefined;
  request: string;
  response: string | undefined;
  mirrored: { [system: string]: number };
  differences: string[];
};

export async function readSamples(file: string): Promise<Sample[]> {
  return JSON.parse(await readFile(file, "utf8")) as Sample[];
}

export async function runSample(stack: Stack, sample: Sample): Promise<Result> {
  const verdicts: { [direction: string]: string } = {};
  stack.onVerdict = (_route, direction, verdict) => {
    verdicts[direction] = verdict.kind;
  };
  const before = stack.upstream.reached.length;
  const sentBefore = copiesSent(stack);
  const { status, reply } = await send(stack.envoy.port, sample.request);
  await settled(stack);
  const mirrored: { [system: string]: number } = {};
  for (const [system, count] of Object.entries(copiesSent(stack))) mirrored[system] = count - (sentBefore[system] ?? 0);
  const result: Result = {
    status,
    reply,
    upstream: stack.upstream.reached[before]?.body,
    request: verdicts.request ?? "unbound",
    response: verdicts.response,
    mirrored,
    differences: [],
  };
  result.differences = compare(sample.expect, result);
  return result;
}

/** Copies that have arrived, by system. */
function copiesSent(stack: Stack): { [system: string]: number } {
  const rows = stack.runtime.counters.snapshot().filter((row) => row.name === "teeSent");
  return Object.fromEntries(rows.map((row) => [row.label, row.value]));
}

const SETTLED_TIMEOUT_MS = 10_000;

/** Waits until no copy is on its way any more. */
async function settled(stack: Stack): Promise<void> {
  for (const end = Date.now() + SETTLED_TIMEOUT_MS; stack.runtime.queued().events > 0; await delay(5)) {
    if (Date.now() > end) throw new Error("the mirrored events do not arrive");
  }
}

function compare(expected: Sample["expect"], result: Result): string[] {
  const differences: string[] = [];
  const check = (what: string, wanted: unknown, found: unknown) => {
    if (wanted !== found)
      differences.push(`${what}: expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`);
  };
  check("verdict on the request", expected.request, result.request);
  check("verdict on the response", expected.response, result.response);
  check("status", expected.status, result.status);
  check("body at the upstream", expected.upstream, result.upstream);
  if (expected.reply !== undefined) check("reply", expected.reply, result.reply);
  if (expected.replyContains !== undefined && !result.reply.includes(expected.replyContains)) {
    differences.push(`reply: expected it to contain ${expected.replyContains}`);
  }
  for (const [system, count] of Object.entries(expected.mirrored)) {
    check(`copies in "${system}"`, count, result.mirrored[system] ?? 0);
  }
  return differences;
}

// node:http and not fetch: a path and a Host go out as they are written.
function send(port: number, sample: Sample["request"]): Promise<{ status: number; reply: string }> {
  const headers = { ...(sample.body === undefined ? {} : { "content-type": "application/json" }), ...sample.headers };
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, method: sample.method, path: sample.path, headers, agent: false };
    const request = httpRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, reply: Buffer.concat(chunks).toString("utf8") });
      });
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(sample.body);
  });
}
