/** Counts and joins are exact, whoever does them: four processes, one table, answers that get lost, events that come twice. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyNoJavaProgram } from "../../../tools/java-programs.ts";
import { createTable, type DynamoServer, startDynamo } from "../../../tools/servers/dynamodb.ts";
import { type Fault, type FaultyProxy, startFaultyProxy } from "./faulty-proxy.ts";
import type { Done, Task } from "./pipeline-process.ts";

const missing = await whyNoJavaProgram("dynamodb-local");
if (missing !== undefined) process.stderr.write(`${missing}\n`);

const START_MS = 600_000; // the first time it is fetched
const PROGRAM = fileURLToPath(new URL("./pipeline-process.ts", import.meta.url));
const PROCESSES = 4;
const IN_FLIGHT = 64;
const PAIRS = 400;
const TENANTS = 5;
const credentials = { accessKeyId: "test", secretAccessKey: "testsecret" };

const retryStrategy = { numRetries: 10, initialBackOffMs: 10 };
const configOf = (endpoint: string) => ({
  pipelines: [{ name: "orders", processes: ["total", "count", "paid"].map((name) => ({ name, retryStrategy })) }],
  processDefinitions: [
    aggregator("total", { key: "amount", aggregationType: "AggSum", groupByKeys: ["tenant"] }, false),
    aggregator("count", { key: "tenant", aggregationType: "AggCount" }, true),
    { completer: { name: "paid", stateStore: "state", completion: { joinKeys: ["order", "payment"] } } },
  ],
  externalSystems: [
    {
      externalType: "ExternalKVStore",
      name: "state",
      connectionString: `dynamo:endpoint=${endpoint},region=us-east-1,tableName=state,prefixLength=4`,
    },
  ],
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
});

function aggregator(name: string, aggregation: object, forwardState: boolean) {
  return { aggregator: { name, stateStore: "state", aggregation, forwardState } };
}

describe.skipIf(missing !== undefined)("four processes on one table", () => {
  let server: DynamoServer;
  let proxy: FaultyProxy;
  let folder: string;
  let children: ChildProcess[];

  beforeAll(async () => {
    server = await startDynamo("in memory");
    proxy = await startFaultyProxy(server.endpoint);
    const client = new DynamoDBClient({ endpoint: server.endpoint, region: "us-east-1", credentials });
    await createTable(client, "state");
    client.destroy();
    folder = await mkdtemp(join(tmpdir(), "agglo-count-"));
    await writeFile(join(folder, "config.json"), JSON.stringify(configOf(proxy.endpoint)));
    const env = { ...process.env, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "testsecret" };
    children = Array.from({ length: PROCESSES }, () =>
      fork(PROGRAM, [join(folder, "config.json")], { env, execArgv: [] }),
    );
    await Promise.all(children.map((child) => once(child, "message"))); // ready
  }, START_MS);
  afterAll(async () => {
    const ended = children.map((child) => once(child, "exit"));
    for (const child of children) child.disconnect();
    await Promise.all(ended);
    await proxy.close();
    await server.end();
    await rm(folder, { recursive: true });
  });

  /** Gives the tasks to the processes in turn, so many at a time. */
  async function runAll(tasks: readonly Task[]): Promise<Done[]> {
    const done: Done[] = [];
    let next = 0;
    const give = (child: ChildProcess): void => {
      const task = tasks[next++];
      if (task !== undefined) child.send(task);
    };
    await new Promise<void>((resolve) => {
      for (const child of children) {
        child.on("message", (message: Done) => {
          done.push(message);
          give(child);
          if (done.length === tasks.length) resolve();
        });
        for (let i = 0; i < IN_FLIGHT / PROCESSES; i++) give(child);
      }
    });
    return done;
  }

  test("count every event once and complete every value once", { timeout: 180_000 }, async () => {
    const faults: Fault[] = [
      "lose",
      "refuse",
      "lose",
      { status: 400, body: '{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}' },
      { status: 500, body: '{"__type":"InternalServerError"}' },
    ];
    let requests = 0;
    proxy.decide = () => (++requests % 7 === 0 ? (faults[proxy.faults % faults.length] ?? "pass") : "pass");

    const events = Array.from({ length: PAIRS }, (_, i) =>
      ["order", "payment"].map((side) => ({
        id: `${side}-${i}`,
        text: JSON.stringify({ tenant: `t${i % TENANTS}`, amount: i + 0.25, [side]: i }),
      })),
    ).flat();
    // Every fifth comes again under its id, soon after: as who did not hear an answer sends it, wherever that arrives.
    const tasks = events.flatMap((event, i) => (i % 5 === 0 ? [event, event] : [event]));
    const done = await runAll(tasks);

    expect(done.filter(({ error }) => error !== "")).toEqual([]);
    expect(proxy.faults).toBeGreaterThan(300);

    const [last] = await runAll([{ id: "last", text: '{"tenant":"t0"}' }]);
    const shown = last?.side["internal:aggregation:orders"] as { [member: string]: { [group: string]: unknown } };
    expect(shown["tenant:AggCount"]).toEqual({ value: 2 * PAIRS + 1 });
    for (let tenant = 0; tenant < TENANTS; tenant++) {
      let sum = 0;
      for (let i = tenant; i < PAIRS; i += TENANTS) sum += 2 * (i + 0.25);
      expect(shown["amount:AggSum"]?.[`t${tenant}`]).toEqual({ value: sum });
    }

    const statuses = new Map<string, Set<unknown>>();
    for (const { id, side } of done) {
      statuses.set(id, (statuses.get(id) ?? new Set()).add(side["internal:completion:paid"]));
    }
    // Whoever asked twice was told the same.
    expect([...statuses.values()].filter((told) => told.size !== 1)).toEqual([]);
    for (let i = 0; i < PAIRS; i++) {
      const told = [`order-${i}`, `payment-${i}`].map((id) => [...(statuses.get(id) ?? [])][0]);
      expect(told.sort()).toEqual(["complete", "triggered"]);
    }
  });
});
