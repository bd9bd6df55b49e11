import { describe, expect, test } from "vitest";
import { newRunContext } from "../context.ts";
import { newEvent } from "../event/event.ts";
import type { JsonObject } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import { stringify } from "../event/write.ts";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { runPipelines } from "../pipeline.ts";
import { failedAnswer } from "../state/update.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileCompleter } from "./completer.ts";

type Config = Parameters<typeof compileCompleter>[0];

function setUp(joinKeys: string[], timeoutMs = 0, more: Partial<Config> = {}) {
  const compiler = testCompiler();
  const plan = compiler.plan;
  plan.partition = "u";
  plan.targets.push({ type: "ExternalKVStore", name: "state", outputType: "kvstore", connectionString: "inMemStore" });
  const config = { name: "c", condition: undefined, stateStore: "state", completion: { joinKeys, timeoutMs }, ...more };
  plan.steps.push(compileCompleter(config, compiler, []));
  plan.pipelines.push({ name: "p", steps: [0] });
  expect(compiler.report.diagnostics).toEqual([]);
  const ports = testPorts();
  let nowMs = 1_795_364_938_565;
  ports.clock.nowMs = () => nowMs;
  const linked = link(plan, ports);
  const send = (text: string, id?: string) => {
    const value = parseText(text, 0, text.length, 64).value as JsonObject;
    const context = newRunContext(newEvent(value, text, 0, text.length), ports);
    if (id !== undefined) context.event.side["internal:messageID"] = id;
    const outcome = runPipelines(linked.pipelines, context, 0);
    const side = context.event.side;
    return { outcome, context, status: side["internal:completion:c"], state: side["internal:completion:state:c"] };
  };
  return {
    ports,
    send,
    statuses: (texts: string[]) => texts.map((text) => send(text).status),
    passMs: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe("what joins", () => {
  const cases: [string, string, boolean][] = [
    ["5", "5", true],
    ["5", "5.0", true],
    ["5", "5e0", true],
    // B15: the original joins 5 with "5.000000", and what is alike in six decimals.
    ["5", '"5"', false],
    ["5", '"5.000000"', false],
    ["0.00000001", "0.00000002", false],
    ["12345678901234567890", "12345678901234567891", false],
    ["true", "true", true],
    ["true", '"true"', false],
    ['"a"', '"a"', true],
    // B34: nothing is found by its prefix.
    ['"a"', '"a:b"', false],
    ['"k"', '"k:1"', false],
    ['""', '""', true],
    ['"__proto__"', '"__proto__"', true],
  ];
  test.each(cases)("%s and %s: %s", (a, b, joined) => {
    const { statuses } = setUp(["a", "b"]);
    expect(statuses([`{"a":${a}}`, `{"b":${b}}`])).toEqual(["triggered", joined ? "complete" : "triggered"]);
  });

  test("a value that holds another's key completes, after it or before (B34)", () => {
    const { statuses } = setUp(["a", "b"]);
    const texts = ['{"a":"k"}', '{"a":"k:1"}', '{"b":"k:1"}', '{"b":"k"}'];
    expect(statuses(texts)).toEqual(["triggered", "triggered", "complete", "complete"]);
  });

  test("null, an object and nothing are missing: the event passes as it is", () => {
    const { send, ports } = setUp(["a", "b"]);
    for (const text of ["{}", '{"a":null}', '{"a":{"b":1}}', '{"a":[1],"c":1}']) {
      const { outcome, status } = send(text);
      expect([outcome, status]).toEqual([Outcome.next, undefined]);
    }
    expect(ports.stores).toEqual({});
    expect(send('{"a":null,"b":1}').status).toBe("triggered");
  });

  test("an event with several join keys marks the first only", () => {
    const { statuses } = setUp(["a", "b"]);
    expect(statuses(['{"b":1,"a":1}', '{"a":1,"b":2}', '{"b":1}'])).toEqual(["triggered", "triggered", "complete"]);
  });

  test("keys are paths", () => {
    const { statuses } = setUp(["order.ids.0", "payment.order"]);
    expect(statuses(['{"order":{"ids":[7]}}', '{"payment.order":7}'])).toEqual(["triggered", "complete"]);
  });

  test("nothing where the condition does not hold (B16)", () => {
    const { statuses } = setUp(["a"], 0, { condition: { exists: { ops: [{ key: "go", op: 1 }] } } });
    expect(statuses(['{"a":1}', '{"a":1,"go":1}'])).toEqual([undefined, "complete"]);
  });

  test("a text longer than a key may be is an error that does not quote it", () => {
    const { outcome, context } = setUp(["a"]).send(`{"a":"${"x".repeat(2000)}"}`);
    expect(outcome).toBe(Outcome.fault);
    expect(context.faultDetail).toBe('"a": a text longer than 1024 characters joins nothing');
  });
});

describe("the state of a complete value", () => {
  test("has the value as it came, every join key, and the deadline in nanoseconds", () => {
    const { send } = setUp(["a", "b"], 250);
    expect(send('{"a":12345678901234567890}').state).toBeUndefined();
    const { state } = send('{"b":12345678901234567890}');
    expect(stringify(state as JsonObject)).toBe(
      '{"value":12345678901234567890,"resolved":{"a":true,"b":true},"deadline":1795364938815000000}',
    );
  });

  test("has -1 for no deadline", () => {
    expect(setUp(["a"]).send('{"a":"x"}').state).toEqual({ value: "x", resolved: { a: true }, deadline: -1 });
  });
});

describe("time", () => {
  test("who comes after the deadline is timedout once, then the value starts over (B16)", () => {
    const { statuses, passMs } = setUp(["a", "b"], 100);
    expect(statuses(['{"a":1}'])).toEqual(["triggered"]);
    passMs(101);
    expect(statuses(['{"b":1}', '{"b":1}', '{"a":1}'])).toEqual(["timedout", "triggered", "complete"]);
  });
});

describe("trying again", () => {
  test("an event that completed is complete again, and starts nothing anew", () => {
    const { send, ports } = setUp(["a", "b"]);
    send('{"a":1}', "m1");
    expect(send('{"b":1}', "m2").status).toBe("complete");
    expect(send('{"b":1}', "m2").status).toBe("complete");
    expect(send('{"a":1}', "m1").status).toBe("triggered");
    expect(ports.stores.state?.pending).toEqual({});
  });

  test("after a store that failed is a try like the first", async () => {
    const { send, ports } = setUp(["a"]);
    const states = ports.states;
    ports.states = { update: () => Promise.resolve(failedAnswer("busy", "error", true)) };
    const failed = send('{"a":1}', "m1");
    expect(await failed.outcome).toBe(Outcome.fault);
    expect(failed.context).toMatchObject({ faultDetail: 'store "state": busy', retryable: true });
    ports.states = states;
    expect(send('{"a":1}', "m1").status).toBe("complete");
  });
});
