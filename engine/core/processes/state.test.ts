import fc from "fast-check";
import { expect, test } from "vitest";
import { newRunContext } from "../context.ts";
import { eventOf } from "../event/event.ts";
import type { JsonObject } from "../event/json.ts";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { runPipelines } from "../pipeline.ts";
import { failedAnswer, type StateUpdate } from "../state/update.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileAggregator } from "./aggregator.ts";
import { compileCompleter } from "./completer.ts";

const common = { condition: undefined, stateStore: "state", asyncCheckpoint: undefined, forwardState: undefined };
const SUM = { key: "n", aggregationType: 1, groupByKeys: ["group"] };
const COUNT = { key: "n", aggregationType: 5, groupByKeys: undefined };
const PAIR = { joinKeys: ["left", "right"], timeoutMs: undefined };

const FAILURES_MAX = 30;

/** Each step is tried again as often as anything can fail. */
function compile() {
  const compiler = testCompiler();
  const plan = compiler.plan;
  plan.targets.push({ type: "ExternalKVStore", name: "state", outputType: "kvstore", connectionString: "inMemStore" });
  plan.steps.push(compileAggregator({ ...common, name: "sum", aggregation: SUM }, compiler, []));
  plan.steps.push(compileCompleter({ ...common, name: "pair", completion: PAIR }, compiler, []));
  plan.steps.push(compileAggregator({ ...common, name: "count", aggregation: COUNT }, compiler, []));
  const retried = { retriesMax: FAILURES_MAX, backOffMs: 1, tracing: false, latency: false, counter: false };
  const options = { steps: [retried, retried, retried], checkpoint: null, tracing: false, metrics: false };
  plan.pipelines.push({ name: "p", steps: [0, 1, 2], options });
  return plan;
}

type Failure = "none" | "before" | "after";

const event = fc.record({ n: fc.integer({ min: -50, max: 50 }), group: fc.constantFrom("a", "b") });
/** What happens to one update after the other, whose ever it is. */
const failures = fc.array(fc.constantFrom<Failure>("none", "before", "after"), { maxLength: FAILURES_MAX });
const pairs = fc.array(fc.tuple(event, event), { minLength: 1, maxLength: 12 });

test("whatever the order of updates and however tries fail, counts and sums are exact and each pair is complete once", async () => {
  const plan = compile();
  await fc.assert(
    fc.asyncProperty(pairs, failures, fc.scheduler(), async (list, failing, scheduler) => {
      const ports = testPorts();
      const atOnce = ports.states;
      const left = [...failing];
      ports.states = {
        async update(store, update: StateUpdate) {
          await scheduler.schedule(Promise.resolve());
          const failure = left.shift() ?? "none";
          if (failure === "before") return failedAnswer("busy", "error", true);
          const answer = await atOnce.update(store, update);
          return failure === "after" ? failedAnswer("lost", "error", true) : answer;
        },
      };
      const { pipelines } = link(plan, ports);
      const run = (value: JsonObject, id: string) => {
        const context = newRunContext(eventOf(value), ports);
        context.event.side["internal:messageID"] = id;
        return Promise.resolve(runPipelines(pipelines, context, 0)).then((outcome) => {
          expect(outcome).toBe(Outcome.next);
          return context.event.side["internal:completion:pair"];
        });
      };
      const runs = list.map(([one, other], i) =>
        Promise.all([run({ ...one, left: i }, `l${i}`), run({ ...other, right: i }, `r${i}`)]),
      );
      await scheduler.waitFor(Promise.all(runs));
      for (const statuses of await Promise.all(runs)) expect(statuses.sort()).toEqual(["complete", "triggered"]);
      const all = [...list.map(([one]) => one), ...list.map(([, other]) => other)];
      const sums: JsonObject = {};
      for (const { n, group } of all) sums[group] = { value: ((sums[group] as { value: number })?.value ?? 0) + n };
      expect(JSON.parse(JSON.stringify(ports.stores.state?.aggregations[":p:as"]))).toEqual({
        "n:AggSum": sums,
        "n:AggCount": { value: all.length },
      });
      expect(ports.stores.state?.pending).toEqual({});
    }),
  );
});
