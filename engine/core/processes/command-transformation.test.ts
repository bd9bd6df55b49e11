import { describe, expect, test } from "vitest";
import { newRunContext, type RunContext } from "../context.ts";
import { eventOf } from "../event/event.ts";
import { type JsonObject, type JsonValue, newRawNumber } from "../event/json.ts";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { runPipelines } from "../pipeline.ts";
import type { CommandRequest } from "../ports.ts";
import { type TestPorts, testCompiler, testPorts } from "../testing.ts";
import { compileTee } from "./tee.ts";
import { TRANSFORMATION_TYPES, type Transformation } from "./transformation.ts";
import { compileTransformer } from "./transformer.ts";

type Config = Parameters<typeof compileTransformer>[0];
type Kind = keyof Pick<typeof Transformation, "map" | "leftFold" | "rightFold" | "copy">;
const TYPES = {
  map: "TransformMap",
  leftFold: "TransformLeftFold",
  rightFold: "TransformRightFold",
  copy: "TransformCopy",
} as const;

function config(...specs: [string, string, Kind, object?][]): Config {
  const program = { path: "/bin/program" };
  return {
    name: "t",
    forwardInputFields: true,
    specs: specs.map(([sourceField, targetField, kind, condition]) => ({
      sourceField,
      targetField,
      transformation: {
        condition,
        transformationType: TRANSFORMATION_TYPES[TYPES[kind]],
        ...(kind === "copy" ? {} : { [`${kind}Args`]: program }),
      },
    })),
  } as Config;
}

function setUp(transformer: Config, value: JsonObject, ports: TestPorts) {
  const compiler = testCompiler();
  const step = compileTransformer(transformer, compiler, []);
  compiler.plan.steps.push(step);
  compiler.plan.pipelines.push({ name: "p", steps: [0] });
  const context = newRunContext(eventOf(value), ports);
  return { step, compiler, context, run: () => runPipelines(link(compiler.plan, ports).pipelines, context, 0) };
}

async function apply(kind: Kind, source: JsonValue, program: (request: CommandRequest) => string) {
  const ports = testPorts();
  ports.answerCommand = program;
  const { run, context } = setUp(config(["in", "out", kind]), { in: source }, ports);
  const outcome = await run();
  return { ports, context, outcome, out: context.event.value.out };
}

/** A program that wraps what it reads. */
const wraps = (request: CommandRequest) => JSON.stringify({ read: request.stdin });
const line = (json: string) => ({ read: `${json}\n` });

describe("TransformMap (B20)", () => {
  const cases: [string, JsonValue, JsonValue][] = [
    ["each element of an array", [{ a: 1 }, [2], "x"], [line('{"a":1}'), line("[2]"), { read: "x" }]],
    ["each member of an object", { k: { a: 1 }, l: "x" }, { k: line('{"a":1}'), l: { read: "x" } }],
    ["a string, which goes in without quotes", 'say "hi"', { read: 'say "hi"' }],
    ["an empty array", [], []],
    ["an empty object", {}, {}],
    ["null", null, null],
  ];
  test.each(cases)("runs the program for %s", async (_title, source, expected) => {
    const { outcome, out } = await apply("map", source, wraps);
    expect(outcome).toBe(Outcome.next);
    expect(out).toEqual(expected);
  });

  test.each(['{"a":1}', "[1,2]", '"text"', "5", "true", "null", ""])("takes the result %j", async (stdout) => {
    const { outcome, out } = await apply("map", "x", () => stdout);
    expect(outcome).toBe(Outcome.next);
    expect(out).toEqual(stdout === "" ? null : JSON.parse(stdout));
  });

  test.each<[string, JsonValue]>([
    ["a number", 5],
    ["a number", newRawNumber("1.50")],
    ["a boolean", true],
    ["a number", [{}, 5]],
    ["null", [null]],
  ])("refuses %s", async (found, source) => {
    const { outcome, context } = await apply("map", source, wraps);
    expect(outcome).toBe(Outcome.fault);
    expect(context.faultDetail).toBe(
      `spec 0 (in to out): a command needs an object, an array or a string, found ${found}`,
    );
    expect(context.event.value).toEqual({ in: source });
  });

  test("stops at the first element whose program fails, and changes nothing", async () => {
    const { outcome, context, ports } = await apply("map", ["a", "b", "c"], (request) =>
      request.stdin === "b" ? "no JSON" : "1",
    );
    expect(outcome).toBe(Outcome.fault);
    expect(context.faultDetail).toContain('spec 0 (in to out): "/bin/program" did not write one JSON value');
    expect(ports.ran.length).toBe(2);
    expect(context.event.value).toEqual({ in: ["a", "b", "c"] });
  });

  test("runs at most 1000 programs for one event", async () => {
    const { outcome, context, ports } = await apply("map", Array(1001).fill("x"), () => "1");
    expect(outcome).toBe(Outcome.fault);
    expect(context.faultDetail).toContain("more than 1000 commands for one event");
    expect(ports.ran.length).toBe(1000);
  });

  test("numbers go in and come out as they are written", async () => {
    const { out, ports } = await apply(
      "map",
      [{ n: newRawNumber("12345678901234567890") }],
      (request) => request.stdin,
    );
    expect(ports.ran[0]?.stdin).toBe('{"n":12345678901234567890}\n');
    expect(out).toEqual([{ n: newRawNumber("12345678901234567890") }]);
  });
});

/** A program that joins the accumulator and the element's `k`. */
const joins = (request: CommandRequest) => {
  const read = JSON.parse(request.stdin) as { k: string; "internal:acc": string | null };
  return JSON.stringify((read["internal:acc"] ?? "") + read.k);
};
const LIST = [{ k: "a" }, { k: "b" }, { k: "c" }];

describe("the folds", () => {
  test.each<[Kind, JsonValue, JsonValue]>([
    ["leftFold", LIST, "abc"],
    ["rightFold", LIST, "cba"],
    ["leftFold", [{ k: "a" }], "a"],
    ["leftFold", [], null],
    ["rightFold", [], null],
    ["leftFold", null, null],
  ])("%s of %j is %j", async (kind, source, expected) => {
    expect((await apply(kind, source, joins)).out).toBe(expected);
  });

  test("find null before the first element, in a key of its own", async () => {
    const { ports } = await apply("leftFold", [{ k: "a" }], joins);
    expect(ports.ran[0]?.stdin).toBe('{"k":"a","internal:acc":null}\n');
  });

  test("leave the source as it was", async () => {
    const list = [{ k: "a" }, { k: "b" }];
    await apply("rightFold", list, joins);
    expect(list).toEqual([{ k: "a" }, { k: "b" }]);
  });

  test.each<[Kind, JsonValue, string]>([
    ["leftFold", { a: {} }, "a fold needs an array, found an object"],
    ["rightFold", "x", "a fold needs an array, found a string"],
    ["leftFold", [{ k: "a" }, 5], "a fold needs objects as elements, found a number"],
    ["leftFold", [{ "internal:acc": 1 }], '"internal:acc" of an element is the fold\'s own, found a number'],
  ])("%s of %j is refused", async (kind, source, error) => {
    const { outcome, context } = await apply(kind, source, joins);
    expect(outcome).toBe(Outcome.fault);
    expect(context.faultDetail).toBe(`spec 0 (in to out): ${error}`);
  });
});

describe("a transformer with commands", () => {
  test("waits and says so; one without does not", () => {
    const ports = testPorts();
    const { step } = setUp(config(["in", "out", "map"]), {}, ports);
    expect([step.waits, step.spawns]).toEqual(["always", true]);
    const plain = setUp(config(["in", "out", "copy"]), { in: 1 }, ports);
    expect([plain.step.waits, plain.step.spawns]).toEqual(["never", false]);
    expect(plain.run()).toBe(Outcome.next);
  });

  test("applies all specs in order, each on the event as it came in", async () => {
    const ports = testPorts();
    ports.answerCommand = wraps;
    const specs = config(["a", "b", "copy"], ["b", "c", "map"], ["missing", "d", "map"], ["a", "e.f", "copy"]);
    const { run, context } = setUp(specs, { a: 1, b: "old" }, ports);
    expect(await run()).toBe(Outcome.next);
    expect(context.event.value).toEqual({ a: 1, b: 1, c: { read: "old" }, e: { f: 1 } });
  });

  test("runs no program for a spec whose condition does not hold", async () => {
    const ports = testPorts();
    const { run } = setUp(config(["a", "b", "map", { exists: { ops: [{ key: "zz", op: 1 }] } }]), { a: "x" }, ports);
    expect(await run()).toBe(Outcome.next);
    expect(ports.ran).toEqual([]);
  });

  test("puts what a program makes under a reserved key beside the event", async () => {
    const ports = testPorts();
    ports.answerCommand = () => '"low"';
    const { run, context } = setUp(config(["a", "internal:risk", "map"]), { a: "x" }, ports);
    await run();
    expect(context.event.side["internal:risk"]).toBe("low");
    expect(context.event.value).toEqual({ a: "x" });
  });

  test("a program that is not there is a fault that another try would not mend; one that fails is", async () => {
    for (const retryable of [false, true]) {
      const ports = testPorts();
      ports.answerCommand = () => ({ code: "x", message: "ended with exit status 1", retryable, stderr: "" });
      const { run, context } = setUp(config(["a", "b", "map"]), { a: "x" }, ports);
      expect(await run()).toBe(Outcome.fault);
      expect(context.retryable).toBe(retryable);
    }
  });
});

describe("a tee whose copy is made by a command", () => {
  function setUpTee(ports: TestPorts, answer: () => string) {
    ports.answerCommand = answer;
    const { compiler, context } = setUp(config(["in", "out", "map"]), { in: "x" }, ports);
    compiler.findTransformer = () => 0;
    const tee: Parameters<typeof compileTee>[0] = {
      ...({} as Parameters<typeof compileTee>[0]),
      name: "mirror",
      outputConnectorRef: "archive",
      transformerRef: "t",
    };
    compiler.plan.steps.push(compileTee(tee, compiler, []));
    compiler.plan.pipelines = [{ name: "p", steps: [1] }];
    return { context, run: () => runPipelines(link(compiler.plan, ports).pipelines, context, 0) };
  }
  const recorded = (context: RunContext) => context.event.side["internal:tee:output"];

  test("waits for it where tees wait", async () => {
    const ports = testPorts();
    const delivered: string[] = [];
    ports.tees.waits = true;
    ports.tees.deliver = async (_target, _sending, id, payload) => {
      delivered.push(`${id} ${payload}`);
      return { error: "", retryable: false, response: "" };
    };
    const { run, context } = setUpTee(ports, () => "5");
    expect(await run()).toBe(Outcome.next);
    expect(delivered).toEqual(['id-1 {"in":"x","out":5}']);
    expect(recorded(context)).toMatchObject([{ uuid: "id-1" }]);
    expect(context.event.value).toEqual({ in: "x" });
  });

  test("never delays a proxy: the copy follows by itself, under the id that was recorded", async () => {
    const ports = testPorts();
    const { run, context } = setUpTee(ports, () => "5");
    expect(run()).toBe(Outcome.next);
    expect(recorded(context)).toMatchObject([{ uuid: "id-1" }]);
    expect(ports.sent).toEqual([]);
    context.event.value = { changed: "since" };
    await new Promise(setImmediate);
    expect(ports.sent.map(({ id, payload }) => [id, payload])).toEqual([["id-1", '{"in":"x","out":5}']]);
  });

  test("a copy that could not be made is counted as lost", async () => {
    const ports = testPorts();
    expect(setUpTee(ports, () => "no JSON").run()).toBe(Outcome.next);
    await new Promise(setImmediate);
    expect(ports.sent).toEqual([]);
    expect(ports.counted).toEqual({ "teeSkipped mirror|command": 1 });
  });
});
