import { describe, expect, test } from "vitest";
import { newRunContext, type RunContext } from "../context.ts";
import { eventOf, newEvent } from "../event/event.ts";
import { type JsonObject, setOwn } from "../event/json.ts";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { runPipelines } from "../pipeline.ts";
import type { CommandFailure } from "../ports.ts";
import { type TestPorts, testCompiler, testPorts } from "../testing.ts";
import { compileSpawner } from "./spawner.ts";

type Config = Parameters<typeof compileSpawner>[0];

const JOB = { runnable: { pathToExec: "/bin/score", cmdArgs: ["--fast"] } };

function setUp(config: Partial<Config>, ports: TestPorts, event = eventOf({ id: 1 })) {
  const compiler = testCompiler();
  const whole: Config = {
    name: "score",
    condition: undefined,
    delayInMs: undefined,
    doSync: undefined,
    job: JOB,
    timeoutMs: undefined,
    outputBytes: undefined,
    ...config,
  };
  const step = compileSpawner(whole, compiler, []);
  compiler.plan.steps.push(step);
  compiler.plan.pipelines.push({ name: "p", steps: [0] });
  const context = newRunContext(event, ports);
  return { step, context, run: () => runPipelines(link(compiler.plan, ports).pipelines, context, 0) };
}

const failed = (code: string, stderr: string, retryable = true): CommandFailure => ({
  code,
  message: "ended with exit status 1",
  retryable,
  stderr,
});

describe("a spawner that is waited for", () => {
  test("gives the command the event as it came, and keeps what it wrote beside the event", async () => {
    const ports = testPorts();
    ports.answerCommand = () => ' {"risk": 12345678901234567890}\n';
    const text = '{ "amount": 1.50 }';
    const { run, context, step } = setUp({ doSync: true }, ports, newEvent({ amount: 1.5 }, text, 0, text.length));
    expect(await run()).toBe(Outcome.next);
    expect(ports.ran).toEqual([
      {
        path: "/bin/score",
        args: ["--fast"],
        stdin: `${text}\n`,
        delayMs: 0,
        timeoutMs: 10_000,
        outputBytesMax: 1_048_576,
      },
    ]);
    expect(context.event.side["internal:spawn:output"]).toEqual([{ score: { risk: expect.anything() } }]);
    expect(context.event.value).toBe(context.event.parsed);
    expect([step.waits, step.spawns, step.changes, step.refuses]).toEqual(["always", true, false, false]);
  });

  test("appends to what others left, and a body key of that name is not it", async () => {
    const ports = testPorts();
    const { run, context } = setUp({ doSync: true }, ports, eventOf({ "internal:spawn:output": "forged" }));
    setOwn(context.event.side, "internal:spawn:output", [{ first: {} }]);
    await run();
    expect(context.event.side["internal:spawn:output"]).toEqual([{ first: {} }, { score: null }]);
    expect(context.event.value).toEqual({ "internal:spawn:output": "forged" });
  });

  const ANSWERS: [string, "object" | "null" | string][] = [
    ['{"a":1}', "object"],
    ["null", "null"],
    ["", "null"],
    [" \n", "null"],
    ["[1]", "found an array"],
    ['"text"', "found a string"],
    ["5", "found a number"],
    ["1.50", "found a number"],
    ["true", "found a boolean"],
    ["warning {}", "did not write one JSON value: not valid JSON"],
    ['{"a":1} {"b":2}', "did not write one JSON value"],
    ["[".repeat(65) + "]".repeat(65), "nested deeper"],
  ];
  test.each(ANSWERS)("that writes %j: %s", async (stdout, expected) => {
    const ports = testPorts();
    ports.answerCommand = () => stdout;
    const { run, context } = setUp({ doSync: true }, ports);
    const outcome = await run();
    if (expected === "object" || expected === "null") {
      expect(outcome).toBe(Outcome.next);
      const value = expected === "null" ? null : { a: 1 };
      expect(context.event.side["internal:spawn:output"]).toEqual([{ score: value }]);
    } else {
      expect(outcome).toBe(Outcome.fault);
      expect([context.process, context.retryable]).toEqual(["score", false]);
      expect(context.faultDetail).toContain(expected);
      expect(context.event.side["internal:spawn:output"]).toBeUndefined();
    }
  });

  test.each([
    ["exit", true, "error"],
    ["overload", true, "overload"],
    ["ENOENT", false, "error"],
  ] as const)("whose command fails (%s) is a fault of the outside", async (code, retryable, reason) => {
    const ports = testPorts();
    ports.answerCommand = () => failed(code, "no database", retryable);
    const { run, context } = setUp({ doSync: true }, ports);
    expect(await run()).toBe(Outcome.fault);
    expect(context).toMatchObject({ faultReason: reason, retryable });
    expect(context.faultDetail).toBe('running job: "/bin/score" ended with exit status 1: no database');
    expect(ports.counted).toEqual({ "spawned score|failed": 1 });
  });

  test("keeps to itself in a proxy what the command says of its failure: it may quote the event", async () => {
    const ports = testPorts();
    ports.answerCommand = () => failed("exit", "bad card 4111111111111111");
    const { run, context } = setUp({ doSync: true }, ports);
    context.strict = true;
    await run();
    expect(context.faultDetail).toBe('running job: "/bin/score" ended with exit status 1');
  });

  test("gets no more time than its run has", async () => {
    const ports = testPorts();
    const { context, step } = setUp({ doSync: true, delayInMs: 30, timeoutMs: 5000 }, ports);
    const run = (deadlineMs: number): unknown => {
      context.deadlineMs = deadlineMs;
      return runOf(step, context);
    };
    await run(0);
    await run(130);
    expect(ports.ran.map((request) => [request.delayMs, request.timeoutMs])).toEqual([
      [30, 5000],
      [30, 100],
    ]);
    expect(await run(30)).toBe(Outcome.fault);
    expect(ports.ran.length).toBe(2);
    expect([context.faultReason, context.retryable]).toEqual(["timeout", false]);
  });

  test("two events at once: each gets what was made of it (B18)", async () => {
    const ports = testPorts();
    ports.answerCommand = (request) => `{"of":${(JSON.parse(request.stdin) as JsonObject).id}}`;
    const both = [1, 2, 3].map((id) => setUp({ doSync: true }, ports, eventOf({ id })));
    await Promise.all(both.map(({ run }) => run()));
    expect(both.map(({ context }) => context.event.side["internal:spawn:output"])).toEqual(
      [1, 2, 3].map((of) => [{ score: { of } }]),
    );
  });
});

async function runOf(step: ReturnType<typeof compileSpawner>, context: RunContext): Promise<Outcome> {
  const compiler = testCompiler();
  compiler.plan.steps.push(step);
  compiler.plan.pipelines.push({ name: "p", steps: [0] });
  return runPipelines(link(compiler.plan, context.ports).pipelines, context, context.deadlineMs);
}

describe("a spawner that nobody waits for", () => {
  test("goes on at once, whatever becomes of the command; a failure is counted", async () => {
    const ports = testPorts();
    const answers: (string | CommandFailure)[] = ["no JSON at all", failed("exit", "")];
    ports.answerCommand = () => answers.shift() ?? "";
    for (let i = 0; i < 2; i++) {
      const { run, context, step } = setUp({ delayInMs: 500 }, ports);
      context.deadlineMs = 1;
      expect(run()).toBe(Outcome.next); // and not a promise
      expect(context.event.side["internal:spawn:output"]).toBeUndefined();
      expect(step.waits).toBe("never");
    }
    await new Promise(setImmediate);
    expect(ports.ran.map((request) => [request.delayMs, request.timeoutMs])).toEqual(Array(2).fill([500, 10_000]));
    expect(ports.counted).toEqual({ "spawned score|ended": 1, "spawned score|failed": 1 });
  });

  test("does nothing when its condition does not hold", () => {
    const ports = testPorts();
    const { run } = setUp({ condition: { exists: { ops: [{ key: "missing", op: 1 }] } } }, ports);
    expect(run()).toBe(Outcome.next);
    expect(ports.ran).toEqual([]);
  });

  test.each([
    [true, '{"id":1,"internal:name":"p"}\n'],
    [false, '{"id":1}\n'],
  ])("sends reserved keys along only in hosts without a proxy (%s)", (reserved, stdin) => {
    const ports = testPorts();
    const { run, context } = setUp({}, ports);
    context.reservedInPayload = reserved;
    run();
    expect(ports.ran[0]?.stdin).toBe(stdin);
  });
});
