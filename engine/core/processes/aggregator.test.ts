import { describe, expect, test } from "vitest";
import { newRunContext } from "../context.ts";
import { newEvent } from "../event/event.ts";
import type { JsonObject } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { runPipelines } from "../pipeline.ts";
import type { States } from "../ports.ts";
import { failedAnswer } from "../state/update.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { AGGREGATION_TYPES } from "./aggregation.ts";
import { compileAggregator } from "./aggregator.ts";

type Type = keyof typeof AGGREGATION_TYPES;
type Config = Parameters<typeof compileAggregator>[0];

function aggregating(key: string, type: Type, groupByKeys: string[] = [], more: Partial<Config> = {}): Config {
  return {
    name: `${key} ${type}`,
    condition: undefined,
    stateStore: "state",
    aggregation: { key, aggregationType: AGGREGATION_TYPES[type], groupByKeys },
    asyncCheckpoint: undefined,
    forwardState: true,
    ...more,
  };
}

/** One pipeline, `p`, of these aggregators. */
function setUp(configs: Config[], states?: States) {
  const compiler = testCompiler();
  const plan = compiler.plan;
  plan.partition = "u";
  plan.targets.push({ type: "ExternalKVStore", name: "state", outputType: "kvstore", connectionString: "inMemStore" });
  const steps: number[] = [];
  plan.pipelines.push({ name: "p", steps });
  for (const config of configs) {
    steps.push(plan.steps.push(compileAggregator(config, compiler, [])) - 1);
  }
  expect(compiler.report.diagnostics).toEqual([]);
  const ports = testPorts();
  if (states !== undefined) ports.states = states;
  const linked = link(plan, ports);
  /** Runs one event, JSON text; `id` makes it a certain one. */
  const send = (text: string, id?: string) => {
    const value = parseText(text, 0, text.length, 64).value as JsonObject;
    const context = newRunContext(newEvent(value, text, 0, text.length), ports);
    if (id !== undefined) context.event.side["internal:messageID"] = id;
    const outcome = runPipelines(linked.pipelines, context, 0);
    return { outcome, context, state: context.event.side["internal:aggregation:p"] };
  };
  return { ports, send, all: (texts: string[]) => texts.map((text) => send(text)).at(-1)?.state };
}

describe("each type", () => {
  const cases: [Type, string[], object][] = [
    ["AggSum", ["1", "5.50", "-2"], { value: 4.5 }],
    ["AggMax", ["1", "5", "2"], { value: 5 }],
    // B10: the original's maximum of negative numbers is 0.
    ["AggMax", ["-3", "-1", "-2"], { value: -1 }],
    ["AggMin", ["3", "1", "2"], { value: 1 }],
    ["AggAvg", ["1", "5"], { num: 2, sum: 6 }],
    ["AggCount", ['"a"', "null", "false", "12345678901234567890"], { value: 4 }],
    ["AggDiscreteHistogram", ['"a"', "true", '"a"'], { buckets: { a: 2, true: 1 } }],
    // B11: the original refuses numbers.
    ["AggDiscreteHistogram", ["5", "5.0", "5e0", "0.00001"], { buckets: { "5": 3, "0.00001": 1 } }],
  ];
  test.each(cases)("%s of %j", (type, values, leaf) => {
    expect(setUp([aggregating("n", type)]).all(values.map((value) => `{"n":${value}}`))).toEqual({
      [`n:${type}`]: leaf,
    });
  });

  const refused: [Type, string, string][] = [
    ["AggSum", '"5"', "AggSum needs a number, found a string"],
    ["AggMax", "true", "AggMax needs a number, found a boolean"],
    ["AggMin", "null", "AggMin needs a number, found null"],
    ["AggAvg", '"x"', "AggAvg needs a number, found a string"],
    ["AggSum", "1e999", "AggSum: the number is beyond what can be computed with"],
    ["AggDiscreteHistogram", "null", "AggDiscreteHistogram needs a string, a boolean or a number, found null"],
    [
      "AggDiscreteHistogram",
      `"${"x".repeat(1025)}"`,
      "AggDiscreteHistogram: a text longer than 1024 characters names no bucket",
    ],
  ];
  test.each(refused)(
    "%s refuses what it cannot fold, and later events are as if it had not been (B13): %#",
    (type, value, detail) => {
      const { send } = setUp([aggregating("n", type)]);
      const before = send('{"n":1}').state;
      const { outcome, context } = send(`{"n":${value}}`);
      expect(outcome).toBe(Outcome.fault);
      expect(context.faultDetail).toBe(`"n": ${detail}`);
      expect(context.faultReason).toBe("error");
      expect(send("{}").state).toEqual(before);
    },
  );
});

describe("the key", () => {
  test("is a path, into arrays too", () => {
    const { all } = setUp([aggregating("a.b.1", "AggSum")]);
    expect(all(['{"a":{"b":[7,2]}}', '{"a.b":[7,3]}'])).toEqual({ "a.b.1:AggSum": { value: 5 } });
  });

  test.each(["{}", '{"n":{}}', '{"n":[1]}'])(
    "absent or a container, %s: the state is left alone and forwarded",
    (text) => {
      const { send, ports } = setUp([aggregating("n", "AggCount")]);
      expect(send(text).state).toEqual({});
      expect(ports.stores.state?.aggregations).toEqual({ "u:p:as": {} });
      send('{"n":1}');
      expect(send(text).state).toEqual({ "n:AggCount": { value: 1 } });
    },
  );
});

describe("groups", () => {
  test("of three names: minimum, maximum, count and sum of each (aggregation_test)", () => {
    const types: Type[] = ["AggMin", "AggMax", "AggCount", "AggSum"];
    const { all } = setUp(types.map((type) => aggregating("n", type, ["name"])));
    const events: [string, number][] = [
      ["kevin", 12],
      ["alice", 2],
      ["bob", 4],
      ["kevin", 2],
      ["alice", 10],
      ["bob", 1],
      ["alice", 2],
      ["bob", 1],
    ];
    expect(all(events.map(([name, n]) => JSON.stringify({ name, n })))).toEqual({
      "n:AggMin": { kevin: { value: 2 }, alice: { value: 2 }, bob: { value: 1 } },
      "n:AggMax": { kevin: { value: 12 }, alice: { value: 10 }, bob: { value: 4 } },
      "n:AggCount": { kevin: { value: 2 }, alice: { value: 3 }, bob: { value: 3 } },
      "n:AggSum": { kevin: { value: 14 }, alice: { value: 14 }, bob: { value: 6 } },
    });
  });

  const names: [string, string][] = [
    ["{}", "nil"],
    ['{"g":null}', "<nil>"],
    ['{"g":"a.b"}', "a.b"],
    ['{"g":"__proto__"}', "__proto__"],
    ['{"g":true}', "true"],
    ['{"g":1234567}', "1234567"],
    ['{"g":0.00001}', "0.00001"],
    ['{"g":1.50}', "1.5"],
    ['{"g":12345678901234567890}', "12345678901234567890"],
    ['{"g":{"x":1}}', "nil"],
    ['{"g":[1]}', "nil"],
  ];
  test.each(names)("of %s: %s (B12)", (text, group) => {
    const { send } = setUp([aggregating("n", "AggCount", ["g"])]);
    const { state } = send(text.replace("{", text === "{}" ? '{"n":1' : '{"n":1,'));
    expect(JSON.stringify(state)).toBe(`{"n:AggCount":{"${group}":{"value":1}}}`);
  });

  test("are paths, and nest in the order of the file", () => {
    const { all } = setUp([aggregating("n", "AggDiscreteHistogram", ["repository.name", "tags.0"])]);
    expect(all(['{"n":"x","repository":{"name":"r"},"tags":["t"]}'])).toEqual({
      "n:AggDiscreteHistogram": { r: { t: { buckets: { x: 1 } } } },
    });
  });

  test("of a text longer than a key may be are an error that does not quote it", () => {
    const { outcome, context } = setUp([aggregating("n", "AggCount", ["g"])]).send(`{"n":1,"g":"${"x".repeat(1025)}"}`);
    expect(outcome).toBe(Outcome.fault);
    expect(context.faultDetail).toBe('"g": a text longer than 1024 characters names no group');
  });
});

describe("what is forwarded", () => {
  test("is the state of all aggregators of the pipeline, those without forwardState too", () => {
    const { send } = setUp([aggregating("a", "AggSum", [], { forwardState: false }), aggregating("b", "AggCount")]);
    expect(send('{"a":2,"b":0}').state).toEqual({ "a:AggSum": { value: 2 }, "b:AggCount": { value: 1 } });
  });

  test("is nothing without forwardState, or where the condition does not hold", () => {
    const none = setUp([aggregating("a", "AggSum", [], { forwardState: false })]);
    expect(none.send('{"a":2}').state).toBeUndefined();
    const condition = { exists: { ops: [{ key: "x.y", op: 1 }] } };
    const { send } = setUp([aggregating("a", "AggSum", [], { condition })]);
    expect(send('{"a":2}').state).toBeUndefined();
    expect(send('{"a":2,"x":{"y":1}}').state).toEqual({ "a:AggSum": { value: 2 } });
  });

  test("is what the basic example's daemon gives (C1)", () => {
    const { send } = setUp([aggregating("someNum", "AggSum")]);
    expect(send('{"someVocab":"buzz/fizz","someReference":12}').state).toEqual({});
    expect(send('{"someNum":1}').state).toEqual({ "someNum:AggSum": { value: 1 } });
    expect(send('{"someNum":5}').state).toEqual({ "someNum:AggSum": { value: 6 } });
    expect(send('{"someNum":"str"}').outcome).toBe(Outcome.fault);
    const single = setUp([aggregating("someNum", "AggSum")]);
    expect(single.send('{"someDict":{"someFixed":"foobar"},"someNum":367.5,"someString":"abc"}').state).toEqual({
      "someNum:AggSum": { value: 367.5 },
    });
  });
});

describe("counting", () => {
  test("an event again, as a retry does, counts it once; its place in the plan makes it another update", () => {
    const { send } = setUp([aggregating("n", "AggSum"), aggregating("n", "AggSum")]);
    send('{"n":3}', "m1");
    expect(send('{"n":3}', "m1").state).toEqual({ "n:AggSum": { value: 6 } });
    expect(send('{"n":3}', "m2").state).toEqual({ "n:AggSum": { value: 12 } });
  });
});

describe("a store that answers later", () => {
  const later = (error: string, reason: "overload" | "error" = "error"): States & { asked: string[] } => {
    const asked: string[] = [];
    return {
      asked,
      update: (store, update) => {
        asked.push(`${store} ${update.kind === "fold" && update.numbers.length > 0 ? "change" : "read"}`);
        const answer = failedAnswer(error, reason, error === "busy");
        return Promise.resolve({ ...answer, values: { x: 1 } });
      },
    };
  };

  test("is waited for", async () => {
    const { send } = setUp([aggregating("n", "AggSum")], later(""));
    const { outcome, context } = send('{"n":1}');
    expect(await outcome).toBe(Outcome.next);
    expect(context.event.side["internal:aggregation:p"]).toEqual({ x: 1 });
  });

  test("is not asked when there is nothing to keep and nothing to forward", () => {
    const states = later("");
    expect(setUp([aggregating("n", "AggSum", [], { forwardState: false })], states).send("{}").outcome).toBe(
      Outcome.next,
    );
    expect(states.asked).toEqual([]);
  });

  test("that is full or fails makes a fault of that kind, retried only if that may help", async () => {
    const full = setUp([aggregating("n", "AggSum")], later("full", "overload"));
    const overload = full.send('{"n":1}');
    expect(await overload.outcome).toBe(Outcome.fault);
    expect(overload.context).toMatchObject({
      faultReason: "overload",
      faultDetail: 'store "state": full',
      retryable: false,
    });
    expect(full.ports.counted).toEqual({ "stateOverflows state": 1 });
    const busy = setUp([aggregating("n", "AggSum")], later("busy")).send('{"n":1}');
    expect(await busy.outcome).toBe(Outcome.fault);
    expect(busy.context).toMatchObject({ faultReason: "error", retryable: true });
  });

  test("is not waited for with asyncCheckpoint, and what fails is counted", async () => {
    const asynchronous = { asyncCheckpoint: true, forwardState: false };
    const { send, ports } = setUp([aggregating("n", "AggSum", [], asynchronous)], later("down"));
    expect(send('{"n":1}').outcome).toBe(Outcome.next);
    await Promise.resolve();
    expect(send('{"n":"no number"}').outcome).toBe(Outcome.next);
    expect(ports.counted).toEqual({ "stateErrors n AggSum": 2 });
  });

  test("with asyncCheckpoint is still read for forwardState", async () => {
    const states = later("");
    const { outcome } = setUp([aggregating("n", "AggSum", [], { asyncCheckpoint: true })], states).send('{"n":1}');
    expect(await outcome).toBe(Outcome.next);
    expect(states.asked).toEqual(["state change", "state read"]);
  });
});
