import { describe, expect, test } from "vitest";
import { newRunContext, type RunContext } from "../context.ts";
import type { ConfigOf } from "../definition.ts";
import { newEvent } from "../event/event.ts";
import { type JsonObject, setOwn } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { runPipelines } from "../pipeline.ts";
import type { Step } from "../plan.ts";
import type { Delivery } from "../ports.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileAnnotator } from "./annotator.ts";
import { compileTee } from "./tee.ts";
import { compileTransformer } from "./transformer.ts";

type TeeConfig = Parameters<typeof compileTee>[0];
const none: TeeConfig = {
  name: "t",
  outputConnectorRef: "archive",
  condition: undefined,
  additionalBody: undefined,
  transformerRef: undefined,
  include: undefined,
  sample: undefined,
  rate: undefined,
  keyPrefix: undefined,
  batch: undefined,
  spool: undefined,
};

function setUp(config: Partial<TeeConfig>, text = '{ "n": 12.50 }', shape: object = {}, deadlineMs = 0) {
  const compiler = testCompiler();
  compiler.findTransformer = (name) => (name === "shape" ? 1 : -1);
  const plan = compiler.plan;
  plan.steps.push(compileTee({ ...none, ...config }, compiler, []));
  const spec = { sourceField: "n", targetField: "only.n", transformation: { transformationType: 2 } };
  plan.steps.push(
    compileTransformer(
      { name: "shape", forwardInputFields: false, specs: [spec], ...shape } as ConfigOf<never>,
      compiler,
      [],
    ),
  );
  const note = { fieldKey: "after", value: "x", condition: undefined };
  plan.steps.push(compileAnnotator({ name: "a", annotations: [note], onExists: undefined }, compiler, []));
  plan.pipelines.push({ name: "p", steps: [0, 2] });
  expect(compiler.report.diagnostics).toEqual([]);
  const ports = testPorts();
  const value = parseText(text, 0, text.length, 9).value as JsonObject;
  const context: RunContext = newRunContext(newEvent(value, text, 0, text.length), ports);
  const { pipelines } = link(plan, ports);
  const again = () => runPipelines(pipelines, newRunContext(newEvent(value, text, 0, text.length), ports), 0);
  const step = plan.steps[0] as Step;
  return { ports, context, step, run: () => runPipelines(pipelines, context, deadlineMs), again };
}

describe("what a tee sends", () => {
  test("is the very text of an event that nobody changed", () => {
    const { ports, run } = setUp({});
    expect(run()).toBe(Outcome.next);
    expect(ports.sent[0]).toMatchObject({ id: "id-1", payload: '{ "n": 12.50 }', target: { name: "archive" } });
  });

  test("is what its transformer makes, while the event goes on as it was", () => {
    const { ports, context, run } = setUp({ transformerRef: "shape" });
    run();
    expect(ports.sent[0]?.payload).toBe('{"only":{"n":12.50}}');
    expect(Object.keys(context.event.value)).toEqual(["n", "after"]);
  });

  test("has the additional body merged in, and only the copy", () => {
    const { ports, context, run } = setUp({ additionalBody: { by: "agglo", tags: ["x"] } }, '{"tags":["a"]}');
    run();
    expect(ports.sent[0]?.payload).toBe('{"tags":["a","x"],"by":"agglo"}');
    expect(context.event.value).toEqual({ tags: ["a"], after: "x" });
  });

  test("cannot be merged where a scalar stands already", () => {
    const { context, run } = setUp({ additionalBody: { a: { b: 2 } } }, '{"a":{"b":1}}');
    expect(run()).toBe(Outcome.fault);
    expect(context.faultDetail).toBe('additionalBody: key conflict at "a.b"');
  });

  test("holds reserved keys only where they are asked for", () => {
    const { ports, context, run } = setUp(
      { include: ["internal:http", "internal:missing"] },
      '{"internal:http":"plain"}',
    );
    setOwn(context.event.side, "internal:http", { path: "/x" });
    run();
    expect(JSON.parse(ports.sent[0]?.payload ?? "")).toEqual({ "internal:http": { path: "/x" } });
  });

  test("holds them all in hosts without a proxy, as the original does", () => {
    const { ports, context, run } = setUp({});
    context.reservedInPayload = true;
    run();
    expect(JSON.parse(ports.sent[0]?.payload ?? "")).toEqual({ n: 12.5, "internal:name": "p" });
  });

  const COPY = { transformationType: 2 };
  const carried: [string, boolean, object[], object][] = [
    ["a transformer that forwards", true, [], { n: 12.5, "internal:name": "p", "internal:mark": { a: 1 } }],
    [
      "one that copies the event itself",
      false,
      [{ transformation: COPY }],
      { n: 12.5, "internal:name": "p", "internal:mark": { a: 1 } },
    ],
    ["one that does neither", false, [{ sourceField: "n", targetField: "m", transformation: COPY }], { m: 12.5 }],
    [
      "one that writes a reserved key, which stays out of the event",
      false,
      [{ sourceField: "n", targetField: "internal:mark.n", transformation: COPY }],
      { "internal:mark": { a: 1, n: 12.5 } },
    ],
  ];
  test.each(carried)("there, with %s", (_title, forwardInputFields, specs, expected) => {
    const { ports, context, run } = setUp({ transformerRef: "shape" }, undefined, { forwardInputFields, specs });
    context.reservedInPayload = true;
    setOwn(context.event.side, "internal:mark", { a: 1 });
    run();
    expect(JSON.parse(ports.sent[0]?.payload ?? "")).toEqual(expected);
    expect(context.event.side["internal:mark"]).toEqual({ a: 1 });
  });

  test("there, what include names although the transformer leaves it out", () => {
    const { ports, context, run } = setUp({ transformerRef: "shape", include: ["internal:name"] });
    context.reservedInPayload = true;
    run();
    expect(JSON.parse(ports.sent[0]?.payload ?? "")).toEqual({ only: { n: 12.5 }, "internal:name": "p" });
  });
});

test("the event gains a record of each copy, beside the body", () => {
  const { context, run } = setUp({});
  run();
  const entry = { uuid: "id-1", outputType: "object", connectionString: "mem:archive" };
  expect(context.event.side["internal:tee:output"]).toEqual([entry]);
});

describe("where a tee waits for its target", () => {
  test("the pipeline goes on when the copy has arrived, with the reply on record", async () => {
    const { ports, context, run } = setUp({});
    ports.tees.waits = true;
    ports.tees.deliver = () => Promise.resolve({ error: "", retryable: false, response: '{"ok":true}' });
    expect(await run()).toBe(Outcome.next);
    expect(context.event.value.after).toBe("x");
    expect(context.event.side["internal:tee:output"]).toMatchObject([{ response: { ok: true } }]);
  });

  test("an error of the target is a fault of the pipeline", async () => {
    const { ports, context, run } = setUp({});
    ports.tees.waits = true;
    ports.tees.deliver = () => Promise.resolve({ error: "error status 500", retryable: true, response: "" });
    expect(await run()).toBe(Outcome.fault);
    expect(context.faultDetail).toBe("error status 500");
    expect(context.event.value.after).toBeUndefined();
  });
});

test("a tee whose result is read is waited for where others are queued", async () => {
  const { ports, context, run, step } = setUp({});
  step.waits = "always";
  ports.tees.deliver = () => Promise.resolve({ error: "", retryable: false, response: '{"risk":3}' });
  expect(await run()).toBe(Outcome.next);
  expect(context.event.side["internal:tee:output"]).toMatchObject([{ response: { risk: 3 } }]);
  expect(ports.sent).toEqual([]);
});

test("a target that is waited for has as long as the deadline, and what it says later changes nothing", async () => {
  const { ports, context, run, step } = setUp({}, undefined, {}, 50);
  step.waits = "always";
  let answer: (delivery: Delivery) => void = () => {};
  ports.tees.deliver = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  expect(await run()).toBe(Outcome.fault);
  expect(ports.slept).toEqual([50]);
  expect([context.faultReason, context.faultDetail]).toEqual([
    "timeout",
    '"archive" has not answered within the deadline',
  ]);
  answer({ error: "", retryable: false, response: "{}" });
  await new Promise(setImmediate);
  expect(context.event.side["internal:tee:output"]).toBeUndefined();
});

test("how the copies are to be sent goes along, one object for all of them", () => {
  const { ports, run, again } = setUp({ keyPrefix: "a/", batch: { events: 2 } as TeeConfig["batch"] });
  run();
  again();
  expect(ports.sent[0]?.sending).toMatchObject({ keyPrefix: "a/", batch: { events: 2, codec: "ndjson" } });
  expect(ports.sent[1]?.sending).toBe(ports.sent[0]?.sending);
});

test("an event that is not in the share passes uncopied, without a record, and is counted", () => {
  const { ports, context, run } = setUp({ sample: { percent: 50, by: undefined } });
  ports.random.fraction = () => 0.7;
  expect(run()).toBe(Outcome.next);
  expect(ports.sent).toEqual([]);
  expect(context.event.side["internal:tee:output"]).toBeUndefined();
  expect(ports.counted).toEqual({ "teeSkipped t|sample": 1 });
});

test("the bucket of a rate is kept from event to event", () => {
  const { ports, run, again } = setUp({ rate: { perSecond: 1, burst: 1 } });
  run();
  again();
  expect(ports.sent).toHaveLength(1);
  expect(ports.counted).toEqual({ "teeOffered archive": 1, "teeDropped archive|rate": 1 });
});
