/** What a tee costs the traffic: the same requests through Envoy without one, with one, and with one whose target is dead. */

import { freePort } from "../../tools/servers/server.ts";
import { BACKENDS, type StartBackend } from "../../tools/start/backends.ts";
import type { Bench } from "./measure.ts";
import { newScenarioResult, type ScenarioResult } from "./results.ts";
import { runRounds } from "./rounds.ts";
import type { Scenario, Subject } from "./scenarios.ts";
import { startUpstream, type Variants } from "./variants.ts";
import { type Mirror, rewrite, rewriteAndMirrorTo, type Work } from "./work.ts";

const PER_SECOND = 1000;
/** Milliseconds after which a target that is silent would answer: eleven days. */
const NEVER_MS = 1_000_000_000;
export const NO_TEE = "no tee";
const BATCH = { events: 500, seconds: 1, codec: "ndjson.gz" };

type Targets = { mirrors: [name: string, mirror: Mirror][]; stop(): Promise<void> };

async function startTargets(say: (line: string) => void): Promise<Targets> {
  const stops: (() => Promise<unknown>)[] = [];
  const http = (address: string): Mirror => ({ externalType: "ExternalHttp", connectionString: `http://${address}/` });
  const target = async (delayMs: number): Promise<Mirror> => {
    const running = await startUpstream(delayMs);
    stops.push(() => running.stop());
    return http(running.address);
  };
  const s3 = (address: string): Mirror => ({
    ...{ externalType: "ExternalObjectStore", connectionString: `s3:endpoint=${address},bucketName=orders` },
    batch: BATCH,
  });
  const nats = (address: string): Mirror => ({
    ...{ externalType: "ExternalPubSub", connectionString: `nats:servers=${address},subject=orders,stream=ORDERS` },
  });
  const dead = `127.0.0.1:${await freePort()}`;
  const mirrors: Targets["mirrors"] = [
    ["HTTP", await target(0)],
    ["HTTP, dead", http(dead)],
    ["HTTP, silent", await target(NEVER_MS)],
    ["S3 in batches, dead", s3(dead)],
    ["NATS, dead", nats(dead)],
  ];
  for (const [name, example, mirrorTo] of [
    ["S3 in batches", "mirror-to-s3", s3],
    ["NATS", "mirror-to-nats", nats],
  ] as const) {
    try {
      const backend = await (BACKENDS[example] as StartBackend).start();
      stops.push(() => backend.end());
      mirrors.unshift([name, mirrorTo(backend.address)]);
    } catch (error) {
      say(`left out: ${name}, because ${error instanceof Error ? error.message : error}`);
    }
  }
  return { mirrors, stop: async () => void (await Promise.all(stops.map((stop) => stop()))) };
}

function subject(name: string, work: Work): Subject {
  return { name, title: name, variant: "native", work, baseline: NO_TEE };
}

export async function measureTeeTraffic(
  bench: Bench,
  variants: Variants,
  rounds: number,
  say: (line: string) => void,
): Promise<ScenarioResult> {
  const targets = await startTargets(say);
  const ofMirrors = targets.mirrors.map(([name, mirror]) => subject(name, rewriteAndMirrorTo(name, mirror, 1024)));
  const scenario: Scenario = {
    name: "tee",
    title: "Traffic beside a tee, 1 KB",
    subjects: [subject(NO_TEE, rewrite(1024)), ...ofMirrors],
    connections: 0,
    open: [{ name: "fixed", title: "whatever becomes of the copies", rate: { perSecond: PER_SECOND } }],
    times: {
      firstWarmupSeconds: 2,
      closed: { warmupSeconds: 0, seconds: 0 },
      open: { warmupSeconds: 0.5, seconds: 4 },
    },
  };
  const result = newScenarioResult(scenario);
  try {
    await runRounds(bench, variants, scenario, rounds, result.rounds, (line) => line !== "" && say(line));
  } finally {
    await targets.stop();
  }
  return result;
}
