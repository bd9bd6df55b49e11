/** Several server processes behind one Envoy: they count as one, and one that dies is replaced. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Client, newClient } from "./client.ts";
import { type Servers, startServers } from "./servers.ts";

const PROCESSES = 3;
/** However busy the machine is: what takes long is not what is tested here. */
const PATIENT = { deadlineMs: 10_000 };
const CONFIG = {
  pipelines: [{ name: "p", processes: [{ name: "count" }] }],
  processDefinitions: [
    {
      aggregator: {
        name: "count",
        stateStore: "state",
        aggregation: { key: "one", aggregationType: "AggSum" },
        forwardState: true,
      },
    },
  ],
  externalSystems: [{ externalType: "ExternalKVStore", name: "state", connectionString: "mem:state" }],
  http: {
    version: 1,
    routes: [
      {
        name: "all",
        request: { pipelines: ["p"], limits: PATIENT, setHeaders: { "x-sum": "{internal:aggregation:p}" } },
      },
    ],
  },
};

let servers: Servers;
let client: Client;
beforeAll(async () => {
  servers = await startServers(CONFIG, PROCESSES);
  client = newClient(servers.envoy.port, 16);
  await vi.waitFor(async () => expect(await servers.healthy()).toBe(PROCESSES), 20_000);
}, 60_000);
afterAll(async () => {
  client?.close();
  await servers?.stop();
});

/** Sends an event and tells the sum that the server saw with it; undefined: it could not. */
async function add(one: number): Promise<number | undefined> {
  const { status, body } = await client.ask({ body: JSON.stringify({ one }) });
  if (status !== 200) return undefined;
  const { headers } = JSON.parse(body.toString()) as { headers: { "x-sum": string } };
  return (JSON.parse(headers["x-sum"]) as { "one:AggSum": { value: number } })["one:AggSum"].value;
}

const REQUESTS = 300;

test("a sum is exact however many processes add to it, and outlives each of them", async () => {
  const sums = await Promise.all(Array.from({ length: REQUESTS }, () => add(1)));
  expect(sums.sort((a = 0, b = 0) => a - b)).toEqual(Array.from({ length: REQUESTS }, (_, i) => i + 1));
  const streams = await servers.metrics();
  for (let i = 0; i < PROCESSES; i++) {
    expect(streams.get(`agglo_streams_total{server="${i}"}`)).toBeGreaterThan(0);
  }

  const before = servers.pids();
  process.kill(before[1] as number, "SIGKILL");
  // What was under way there may be lost, nothing after it: Envoy takes another one before its health check knows.
  const later: (number | undefined)[] = [];
  while (servers.pids()[1] === before[1]) later.push(await add(1));
  expect(later.filter((sum) => sum === undefined).length).toBeLessThanOrEqual(1);
  await vi.waitFor(async () => {
    const metrics = await servers.metrics();
    expect(metrics.get('agglo_server_up{server="1"}')).toBe(1);
    expect(metrics.get('agglo_server_restarts_total{server="1"}')).toBe(1);
  }, 20_000);
  expect(servers.log().some(({ msg }) => /process 1 ended with SIGKILL/.test(String(msg)))).toBe(true);
  const last = Math.max(REQUESTS, ...later.filter((sum) => sum !== undefined));
  const lost = later.filter((sum) => sum === undefined).length; // counted, or not
  const next = (await add(1)) as number;
  expect(next).toBeGreaterThan(last);
  expect(next).toBeLessThanOrEqual(last + lost + 1);
}, 120_000);

test("a reload reaches every process, and all of them end with the first", async () => {
  await servers.write({ ...CONFIG, partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301" });
  expect(await servers.reload()).toMatchObject({ status: 200, outcome: "applied" });
  await servers.write({ ...CONFIG, pipelines: [{ name: "p", processes: [{ name: "absent" }] }] });
  const refused = await servers.reload();
  expect([refused.status, refused.message]).toEqual([422, expect.stringContaining("E_REFERENCE")]);
  expect(await add(1)).toBe(1); // another partition is another sum
  const pids = servers.pids();
  servers.server.child.kill("SIGTERM");
  expect((await servers.server.ended).code).toBe(0);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
}, 120_000);
