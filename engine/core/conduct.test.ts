import { describe, expect, test } from "vitest";
import { backOffMs } from "./conduct.ts";
import { effectIdOf, eventIdOf, fault, newRunContext, type RunContext, retryableFault } from "./context.ts";
import { eventOf } from "./event/event.ts";
import { setOwn } from "./event/json.ts";
import { Outcome } from "./outcome.ts";
import { runPipeline } from "./pipeline.ts";
import { STEP_OPTIONS, testOptions, testPipeline, testPorts } from "./testing.ts";

/** A step whose tries end so, one after the other; each waits. */
function tries(...ends: ((context: RunContext) => Outcome)[]): (context: RunContext) => Outcome {
  let made = 0;
  return (context) => {
    const end = ends[Math.min(made++, ends.length - 1)] as (context: RunContext) => Outcome;
    context.pending = Promise.resolve().then(() => end(context));
    return Outcome.wait;
  };
}

const next = () => Outcome.next;
const down = (context: RunContext) => retryableFault(context, "error", "the store is down");

const ENDS: [string, (context: RunContext) => Outcome, Outcome, number][] = [
  ["a stop", () => Outcome.stop, Outcome.stop, 1],
  ["a refusal", () => Outcome.refuse, Outcome.refuse, 1],
  ["a fault of the event itself", (context) => fault(context, "error", "expected a number"), Outcome.fault, 1],
  ["success", next, Outcome.next, 1],
  ["a fault of the outside", down, Outcome.fault, 4],
];

function setUp(run: (context: RunContext) => Outcome, retriesMax: number, backOff = 100) {
  const ports = testPorts();
  const options = testOptions({ steps: [{ ...STEP_OPTIONS, retriesMax, backOffMs: backOff }] });
  const context = newRunContext(eventOf({ a: 1 }), ports);
  return { ports, context, pipeline: testPipeline("p", [run], options) };
}

describe("a process with a retry strategy", () => {
  test.each(ENDS)(
    "that ends with %s is tried as often as that makes sense (B23)",
    async (_title, end, outcome, made) => {
      let runs = 0;
      const { pipeline, context } = setUp(
        tries((inner) => {
          runs++;
          return end(inner);
        }),
        3,
      );
      expect(await runPipeline(pipeline, context, 0)).toBe(outcome);
      expect(runs).toBe(made);
    },
  );

  test("goes on when a later try succeeds, having slept between tries and never after the last", async () => {
    const { pipeline, context, ports } = setUp(tries(down, down, next), 5);
    expect(await runPipeline(pipeline, context, 0)).toBe(Outcome.next);
    expect(ports.slept).toEqual([100, 200]);
  });

  test("that fails for good has slept once less than it was tried", async () => {
    const { pipeline, context, ports } = setUp(tries(down), 2);
    expect(await runPipeline(pipeline, context, 0)).toBe(Outcome.fault);
    expect(context.faultDetail).toBe("the store is down");
    expect(ports.slept).toEqual([100, 200]);
  });

  test("is tried once where no retries are asked for", async () => {
    const { pipeline, context, ports } = setUp(tries(down), 0);
    expect(await runPipeline(pipeline, context, 0)).toBe(Outcome.fault);
    expect(ports.slept).toEqual([]);
  });

  test("that fails without waiting is tried again too", async () => {
    let runs = 0;
    const { pipeline, context } = setUp((inner) => (runs++ === 0 ? down(inner) : Outcome.next), 1);
    expect(await runPipeline(pipeline, context, 0)).toBe(Outcome.next);
    expect(runs).toBe(2);
  });

  test("is not tried again when that could only begin after the deadline", async () => {
    const { pipeline, context, ports } = setUp(tries(down), 5);
    expect(await runPipeline(pipeline, context, 250)).toBe(Outcome.fault);
    expect(ports.slept).toEqual([100]);
    expect(context.faultDetail).toBe("the store is down");
  });

  test("finds the event at each try as it was at the first", async () => {
    const seen: unknown[] = [];
    const spoil = (context: RunContext) => {
      seen.push([context.event.value, context.event.side["internal:x"]]);
      context.event.value = { spoilt: true };
      setOwn(context.event.side, "internal:x", "spoilt");
      return down(context);
    };
    const { pipeline, context } = setUp(tries(spoil), 2);
    setOwn(context.event.side, "internal:x", "first");
    await runPipeline(pipeline, context, 0);
    expect(seen).toEqual(Array(3).fill([{ a: 1 }, "first"]));
  });

  test("sends under one id at every try, and the next process under another", async () => {
    const ids: string[] = [];
    const note = (end: (context: RunContext) => Outcome) => (context: RunContext) => {
      ids.push(`${effectIdOf(context)} of ${eventIdOf(context)}`);
      return end(context);
    };
    const options = testOptions({ steps: [{ ...STEP_OPTIONS, retriesMax: 2 }, null] });
    const pipeline = testPipeline("p", [tries(note(down), note(next)), tries(note(next))], options);
    expect(await runPipeline(pipeline, newRunContext(eventOf({}), testPorts()), 0)).toBe(Outcome.next);
    expect(ids).toEqual(["id-1 of id-2", "id-1 of id-2", "id-3 of id-2"]);
  });
});

describe("the delay before a try", () => {
  test.each([
    [1, 0.5, 100],
    [2, 0.5, 200],
    [5, 0.5, 1600],
    [1, 0, 50],
    [1, 0.999, 150],
    [20, 0.5, 30_000],
    [20, 0.999, 30_000],
    [20, 0, 15_000],
    [1000, 0.5, 30_000],
  ])("number %i with %d of chance is %i ms", (made, fraction, ms) => {
    expect(backOffMs(100, made, fraction)).toBe(ms);
  });

  test("stays zero when it begins with zero", () => {
    expect(backOffMs(0, 7, 0.9)).toBe(0);
  });
});

describe("what is measured", () => {
  const measures = { ...STEP_OPTIONS, tracing: true, latency: true, counter: true };

  test("of a process: its span, its latency and how it ended, under pipeline and process", () => {
    const ports = testPorts();
    const pipeline = testPipeline("p", [next], testOptions({ steps: [measures] }));
    expect(runPipeline(pipeline, newRunContext(eventOf({}), ports), 0)).toBe(Outcome.next);
    expect(ports.measured).toEqual([
      "begin process p.one",
      "process p.one.latency 0",
      "process p.one.success",
      "end process p.one true",
    ]);
  });

  test("of both: the process's span is in the pipeline's, and that in what the event came with", () => {
    const ports = testPorts();
    const steps = [
      { ...STEP_OPTIONS, tracing: true },
      { ...STEP_OPTIONS, tracing: true },
    ];
    const pipeline = testPipeline("p", [next, next], testOptions({ steps, tracing: true }));
    const context = newRunContext(eventOf({}), ports);
    context.traceparent = "request";
    expect(runPipeline(pipeline, context, 0)).toBe(Outcome.next);
    expect(ports.measured.filter((line) => line.startsWith("begin"))).toEqual([
      "begin pipeline p in request",
      "begin process p.one in p",
      "begin process p.two in p",
    ]);
    expect(context.traceparent).toBe("request");
  });

  test("of a pipeline: success is counted (B27), and a stop is one", () => {
    for (const end of [Outcome.next, Outcome.stop, Outcome.refuse]) {
      const ports = testPorts();
      const pipeline = testPipeline("p", [() => end], testOptions({ metrics: true }));
      expect(runPipeline(pipeline, newRunContext(eventOf({}), ports), 0)).toBe(end);
      expect(ports.measured).toEqual(["pipeline p.latency 0", "pipeline p.success"]);
    }
  });

  test("of a failure: the process that failed and its pipeline, and no process behind it", async () => {
    const ports = testPorts();
    const options = testOptions({ metrics: true, tracing: true, steps: [measures, measures] });
    const pipeline = testPipeline("p", [tries(down), next], options);
    expect(await runPipeline(pipeline, newRunContext(eventOf({}), ports), 0)).toBe(Outcome.fault);
    expect(ports.measured).toEqual([
      "begin pipeline p",
      "begin process p.one in p",
      "process p.one.latency 0",
      "process p.one.failure",
      "end process p.one false",
      "pipeline p.latency 4",
      "pipeline p.failure",
      "end pipeline p false",
    ]);
  });

  test("of several tries: one run", async () => {
    const ports = testPorts();
    const options = testOptions({ steps: [{ ...measures, tracing: false, latency: false, retriesMax: 3 }] });
    await runPipeline(testPipeline("p", [tries(down, down, next)], options), newRunContext(eventOf({}), ports), 0);
    expect(ports.measured).toEqual(["process p.one.success"]);
  });

  test("nothing where nothing is asked for, and without a promise", () => {
    const ports = testPorts();
    expect(runPipeline(testPipeline("p", [next, next]), newRunContext(eventOf({}), ports), 0)).toBe(Outcome.next);
    expect(ports.measured).toEqual([]);
  });
});
