import { describe, expect, test } from "vitest";
import { fault, type RunContext } from "./context.ts";
import { newEvent } from "./event/event.ts";
import { setOwn } from "./event/json.ts";
import { Outcome } from "./outcome.ts";
import { type PipelineResult, runAll } from "./run-all.ts";
import { testPipeline, testPorts } from "./testing.ts";

const TEXT = '{"a": 1.0}';
const newOne = () => newEvent({ a: 1 }, TEXT, 0, TEXT.length);

const change = (context: RunContext) => {
  context.event.value = { changed: true };
  setOwn(context.event.side, "internal:mine", context.pipeline);
  return Outcome.next;
};
const later = (run: (context: RunContext) => Outcome) => (context: RunContext) => {
  context.pending = Promise.resolve().then(() => run(context));
  return Outcome.wait;
};
const fails = (context: RunContext) => fault(context, "error", "no such luck");

function told(results: PipelineResult[]): unknown[] {
  return results.map(({ pipeline, outcome, process, faultDetail }) => [pipeline, outcome, process, faultDetail]);
}

describe("many pipelines on one event", () => {
  test("each gets the event as it came, and none what another left", () => {
    const event = newOne();
    setOwn(event.side, "internal:messageID", "m1");
    const results = runAll(
      [testPipeline("p", [change]), testPipeline("q", [change]), testPipeline("r", [])],
      event,
      testPorts(),
      0,
    ) as PipelineResult[];
    expect(results.map((result) => result.event.value)).toEqual([{ changed: true }, { changed: true }, { a: 1 }]);
    expect(results.map((result) => result.event.side)).toEqual([
      { "internal:messageID": "m1", "internal:name": "p", "internal:mine": "p" },
      { "internal:messageID": "m1", "internal:name": "q", "internal:mine": "q" },
      { "internal:messageID": "m1", "internal:name": "r" },
    ]);
    expect(event.value).toBe(event.parsed);
    expect(event.side).toEqual({ "internal:messageID": "m1" });
    // Untouched is the same value still: its text goes out as it came.
    expect(results[2]?.event.value).toBe(event.parsed);
  });

  test.each([
    ["without waiting", (run: (context: RunContext) => Outcome) => run],
    ["waiting", later],
  ])("one that fails or stops hinders no other, and its error is its own (B26), %s", async (_title, wrap) => {
    const pipelines = [
      testPipeline("p", [wrap(change), wrap(fails), wrap(change)]),
      testPipeline("q", [wrap(() => Outcome.stop), wrap(change)]),
      testPipeline("r", [wrap(change)]),
    ];
    expect(told(await runAll(pipelines, newOne(), testPorts(), 0))).toEqual([
      ["p", Outcome.fault, "two", "no such luck"],
      ["q", Outcome.stop, "one", ""],
      ["r", Outcome.next, "one", ""],
    ]);
  });

  test("run one after the other, also where they wait", async () => {
    const order: string[] = [];
    const note = later((context) => {
      order.push(`${context.pipeline}.${context.process}`);
      return Outcome.next;
    });
    await runAll([testPipeline("p", [note, note]), testPipeline("q", [note])], newOne(), testPorts(), 0);
    expect(order).toEqual(["p.one", "p.two", "q.one"]);
  });

  test("none at all is no result", () => {
    expect(runAll([], newOne(), testPorts(), 0)).toEqual([]);
  });

  test("a step that waits past the deadline ends its pipeline with a timeout", async () => {
    const ports = testPorts();
    const slow = (context: RunContext) => {
      context.pending = context.ports.delays.sleep(20).then(() => Outcome.next);
      return Outcome.wait;
    };
    const results = await runAll([testPipeline("p", [slow, change])], newOne(), ports, 10);
    expect(results[0]).toMatchObject({ outcome: Outcome.fault, faultReason: "timeout", process: "one" });
  });
});
