import { expect, test } from "vitest";
import type { SystemConfig } from "../config/external-systems.ts";
import { newMemory } from "../systems/memory.ts";
import { newMemoryBudget } from "./memory-budget.ts";
import { newMetrics } from "./metrics.ts";
import { newSecrets } from "./secrets.ts";
import { newSystemPool } from "./system-pool.ts";

function newPool(environment: { [name: string]: string }) {
  const { counters } = newMetrics();
  const budget = newMemoryBudget(1024 * 1024, counters);
  return newSystemPool({
    stores: newMemory(),
    budget,
    counters,
    secrets: newSecrets(environment),
    spooled: () => [],
    log: () => {},
  });
}

const web = (options: SystemConfig["options"]): SystemConfig => ({
  type: "ExternalHttp",
  name: "web",
  connectionString: "http://127.0.0.1/",
  options,
});

test("the same options are the same instance, others and a secret that was changed are another", async () => {
  const environment = { TOKEN: "one" };
  const pool = newPool(environment);
  const secret = { secretHeaders: { authorization: "${env:TOKEN}" } };
  const queueOf = async (options: SystemConfig["options"]) => {
    const lease = await pool.acquire([web(options)]);
    return "errors" in lease ? lease.errors : lease.find("ExternalHttp", "web")?.queue;
  };
  const first = await queueOf(secret);
  expect(await queueOf({ ...secret })).toBe(first);
  expect(await queueOf({ ...secret, timeoutMs: 5 })).not.toBe(first);
  environment.TOKEN = "two";
  expect(await queueOf(secret)).not.toBe(first);
});

test("all are opened, or none and every reason is said", async () => {
  const pool = newPool({});
  const good = { ...web({}), name: "good" };
  const bad = web({ headers: { host: "x" } });
  expect(await pool.acquire([good, bad])).toEqual({
    errors: ['system "web": the header "host" follows from the message or the connection'],
  });
  expect(pool.queued()).toEqual([]);
});
