/**
 * Traffic while the pool's threads die, one a second: where faults pass no request fails, where they refuse exactly the
 * counted ones do. Short here; `npm run test:restarts` takes a minute.
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadText } from "../../../engine/runtime/configuration.ts";
import { fixedRuntime } from "../../../engine/runtime/generations.ts";
import { openPool, type Pool } from "../../../engine/runtime/pool.ts";
import { type Runtime, startRuntime } from "../../../engine/runtime/runtime.ts";
import { acceptExchanges } from "../../../extproc/server.ts";
import { type Rig, startRig } from "../../../tools/start/stack.ts";
import { type Client, newClient } from "./client.ts";

const SECONDS = Number(process.env.AGGLO_RESTARTS_SECONDS ?? 5);
const REQUESTS_PER_SECOND = 500;
const CONNECTIONS = 16;
/** However busy the machine is, a thread is waited for. */
const PATIENCE_MS = 15_000;
/** A thread that is given this ends (engine/runtime/testing/pool-worker.ts). */
const DEADLY = "test/exit";

const route = (name: string, onFault: object) => ({
  name,
  match: { paths: [`/${name}`] },
  request: {
    pipelines: ["mark"],
    contentTypes: ["application/json", DEADLY],
    limits: { deadlineMs: PATIENCE_MS },
    ...onFault,
  },
});
const config = {
  pipelines: [{ name: "mark", processes: [{ name: "annotate" }] }],
  processDefinitions: [{ annotator: { name: "annotate", annotations: [{ fieldKey: "seen", value: "yes" }] } }],
  http: { version: 1, routes: [route("pass", { onFault: "pass" }), route("refuse", {})] },
};
type Path = "pass" | "refuse";

let pool: Pool;
let runtime: Runtime;
let rig: Rig;
let client: Client;
let deaths = 0;

beforeAll(async () => {
  const { plan, systems } = loadText(JSON.stringify(config), "threads.json");
  if (plan === undefined) throw new Error("the configuration of this test is wrong");
  pool = openPool({
    file: new URL("../../../engine/runtime/testing/pool-worker.ts", import.meta.url),
    nsPerByte: 1e9, // every body, however small
    limits: { threadsMax: 2, waitMs: PATIENCE_MS },
    onCrash: () => deaths++,
  });
  runtime = await startRuntime(plan, systems, { pool, log: () => {} });
  await pool.warm();
  rig = await startRig(plan.routes ?? [], acceptExchanges(fixedRuntime(runtime)), { port: 0 });
  client = newClient(rig.envoy.port, CONNECTIONS + 1);
}, 60_000);
afterAll(async () => {
  client?.close();
  await rig?.stop();
  await runtime?.close(1000);
  await pool?.close();
});

const faultsOf = (path: Path) => {
  const rows = runtime.counters.snapshot().filter(({ name, label }) => name === "faults" && label.startsWith(path));
  return rows.reduce((sum, { value }) => sum + value, 0);
};

/** How many answers of either kind there were. */
type Seen = { treated: number; untouched: number; refused: number };

async function ask(path: Path, id: number, type: string, seen: Seen): Promise<void> {
  const { status, body } = await client.ask({
    path: `/${path}`,
    headers: { "content-type": type },
    body: `{"id":${id}}`,
  });
  const text = body.toString();
  if (status === 200 && text.includes(`"body":{"id":${id},"seen":"yes"}`)) seen.treated++;
  else if (status === 200 && !text.includes("seen")) seen.untouched++;
  else if (status === 500 && text.includes("error")) seen.refused++;
  else throw new Error(`${status} ${text}`);
}

async function flood(end: number, seen: { [path in Path]: Seen }): Promise<void> {
  const pauseMs = (1000 * CONNECTIONS) / REQUESTS_PER_SECOND;
  let id = 0;
  const worker = async (first: number) => {
    for (let due = first; due < end; due += pauseMs) {
      await delay(Math.max(0, due - performance.now()));
      const path = id % 2 === 0 ? "pass" : "refuse";
      await ask(path, id++, "application/json", seen[path]);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => worker(start + (i * pauseMs) / CONNECTIONS)));
}

async function kill(end: number, seen: { [path in Path]: Seen }): Promise<number> {
  let killed = 0;
  for (; performance.now() < end; killed++) {
    const path = killed % 2 === 0 ? "pass" : "refuse";
    await ask(path, 1_000_000 + killed, DEADLY, seen[path]);
    await delay(1000);
  }
  return killed;
}

test(
  `${SECONDS} s at ${REQUESTS_PER_SECOND} requests a second`,
  async () => {
    const seen = { pass: newSeen(), refuse: newSeen() };
    const end = performance.now() + 1000 * SECONDS;
    const [, killed] = await Promise.all([flood(end, seen), kill(end, seen)]);
    console.log(`${deaths} threads died: ${JSON.stringify(seen)}`);
    expect(deaths).toBe(killed);
    expect(killed).toBeGreaterThan(1);
    expect(seen.pass).toMatchObject({ refused: 0, untouched: faultsOf("pass") });
    expect(seen.refuse).toMatchObject({ untouched: 0, refused: faultsOf("refuse") });
    expect(seen.pass.untouched + seen.refuse.refused).toBeGreaterThanOrEqual(killed);
    expect(seen.pass.treated).toBeGreaterThan(0);
    expect(seen.refuse.treated).toBeGreaterThan(0);
  },
  (SECONDS + 60) * 1000,
);

function newSeen(): Seen {
  return { treated: 0, untouched: 0, refused: 0 };
}
