import { afterEach, expect, test } from "vitest";
import { treat, type Verdict } from "../core/routes/section.ts";
import type { Fold } from "../core/state/update.ts";
import { loadText } from "./configuration.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const configOf = (setHeaders: { [name: string]: string }) => ({
  pipelines: [{ name: "orders", processes: [{ name: "total" }, { name: "paid" }] }],
  processDefinitions: [
    {
      aggregator: {
        name: "total",
        stateStore: "state",
        aggregation: { key: "amount", aggregationType: "AggSum", groupByKeys: ["country"] },
        forwardState: true,
      },
    },
    { completer: { name: "paid", stateStore: "state", completion: { joinKeys: ["order", "payment"] } } },
  ],
  externalSystems: [{ externalType: "ExternalKVStore", name: "state", connectionString: "local" }],
  http: {
    version: 1,
    routes: [{ name: "all", request: { pipelines: ["orders"], setHeaders } }],
  },
});

let runtime: Runtime | undefined;
afterEach(() => runtime?.close(0));

async function start(setHeaders: { [name: string]: string }): Promise<(text: string) => Verdict | Promise<Verdict>> {
  const loaded = loadText(JSON.stringify(configOf(setHeaders)), "test.json");
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  runtime = await startRuntime(loaded.plan, loaded.systems, { log: () => undefined });
  const section = runtime.routes[0]?.request;
  if (section === undefined) throw new Error("no section");
  return (text) => treat(section, text, undefined, "application/json");
}

test("a route counts and joins in memory without waiting or changing a byte, and tells it in a header", async () => {
  const send = await start({ "x-joined": "{internal:completion:paid}" });
  const verdicts = ['[{"amount":1.50,"country":"de","order":7}]', '{"amount":2,"country":"de","payment":7}'].map(send);
  expect(verdicts).toMatchObject([
    { kind: "passed", text: undefined, setHeaders: [{ name: "x-joined", value: "triggered" }] },
    { kind: "passed", text: undefined, setHeaders: [{ name: "x-joined", value: "complete" }] },
  ]);
  const read: Fold = { kind: "fold", id: "", key: ":orders:as", path: [], numbers: [], reads: true };
  const { values } = runtime?.memory.state("state").update(read) ?? {};
  expect(values).toEqual({ "amount:AggSum": { de: { value: 3.5 } } });
});

test("where rules only count, what cannot be counted passes, and is a fault", async () => {
  const send = await start({});
  expect(send('{"amount":"a lot"}')).toMatchObject({
    kind: "faulted",
    reason: "error",
    reply: undefined,
    process: "total",
    detail: '"amount": AggSum needs a number, found a string',
  });
});
