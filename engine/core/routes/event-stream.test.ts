import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { compileFilter } from "../processes/filter.ts";
import { compileRedactor } from "../processes/redactor.ts";
import type { LinkedStep } from "../processes/step.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { type EventStream, type InTime, newEventStream, pushText, takeText } from "./event-stream.ts";
import { compileRoute } from "./http-config.ts";
import { faulted, type LinkedSection, linkRoutes } from "./section.ts";

const NDJSON = "application/x-ndjson";
const SSE = "text/event-stream";
const LIMIT = 40;

/** Drops events with `secret`, covers `card`; faults pass, if not said otherwise. */
function section(config: object = {}): LinkedSection {
  const compiler = testCompiler();
  const filter = { name: "f", condition: { exists: { ops: [{ key: "secret", op: 1 }] } } };
  const redactor = { name: "r", rules: [{ paths: ["card"], replace: "*" }] };
  compiler.plan.steps.push(
    compileFilter(filter as never, compiler, []),
    compileRedactor(redactor as never, compiler, []),
  );
  compiler.plan.pipelines.push({ name: "p", steps: [0, 1] });
  const route = { name: "r", request: { pipelines: ["p"], limits: { bodyBytes: LIMIT }, contentTypes: [NDJSON, SSE] } };
  Object.assign(route.request, config);
  compiler.plan.routes = [compileRoute(route as never, [], compiler, ["http", "routes", 0])];
  expect(compiler.report.diagnostics).toEqual([]);
  const ports = testPorts();
  const linked = linkRoutes(link(compiler.plan, ports), ports)[0]?.request as LinkedSection;
  linked.plan.onFault = { ...linked.plan.onFault, unparsable: null, tooLarge: null, timeout: null };
  return linked;
}

const atOnce: InTime = (_section, verdict) => verdict;

function stream(type: string, linked = section()): EventStream {
  return newEventStream(linked, type, undefined, "", atOnce);
}

/** What comes out when the text comes in these pieces. */
function through(target: EventStream, pieces: readonly string[]): string {
  let out = "";
  for (const [i, piece] of pieces.entries()) {
    expect(pushText(target, piece, i === pieces.length - 1)).toBeUndefined();
    out += takeText(target);
  }
  return out;
}

/** A piece of a text that goes on. */
function push(target: EventStream, piece: string): void {
  expect(pushText(target, piece, false)).toBeUndefined();
}

/** Pieces of random sizes, also empty ones. */
const cutAt = (text: string) =>
  fc.array(fc.nat(text.length), { maxLength: 12 }).map((cuts) => {
    const at = [0, ...cuts.sort((a, b) => a - b), text.length];
    return at.slice(1).map((end, i) => text.slice(at[i], end));
  });

const line = fc.constantFrom(
  ...['{"a":1}', '{"card":1}', '{"secret":1}', "none", "", " ", '{"a":"ä€"}', '{"card":"\u00e9"}'],
  ...[
    `{"a":"${"x".repeat(LIMIT)}"}`,
    `{"a":"${"ä".repeat(20)}"}`,
    `{"a":"${"x".repeat(LIMIT - 9)}"}`,
    '{"a":"\udc80"}',
  ],
);
const ndjsonText = fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n"))).map((lines) => lines.flat().join(""));
const field = fc
  .tuple(fc.constantFrom("data: ", "data:", "id: ", ":", "", "data"), line)
  .map((parts) => parts.join(""));
const sseText = fc
  .tuple(fc.constantFrom("", "\ufeff"), fc.array(fc.tuple(field, fc.constantFrom("\n", "\r", "\r\n", "\n\n", "\r\r"))))
  .map(([mark, lines]) => mark + lines.flat().join(""));

describe("the same comes out wherever it was cut", () => {
  test.each([
    [NDJSON, ndjsonText],
    [SSE, sseText],
  ])("%s", (type, texts) => {
    const inputs = texts.chain((text) => fc.tuple(fc.constant(text), cutAt(text)));
    fc.assert(
      fc.property(inputs, ([text, pieces]) => {
        const [whole, cut] = [stream(type), stream(type)];
        whole.damaged = true;
        cut.damaged = true;
        expect(through(cut, pieces)).toBe(through(whole, [text]));
        expect(cut.verdict).toEqual(whole.verdict);
      }),
      { numRuns: 500 },
    );
  });
});

test("an event goes on as soon as it has ended, not later", () => {
  const target = stream(NDJSON);
  push(target, '{"card":1}\n{"ca');
  expect(takeText(target)).toBe('{"card":"*"}\n');
  push(target, 'rd":2}');
  expect(takeText(target)).toBe("");
  push(target, "\n");
  expect(takeText(target)).toBe('{"card":"*"}\n');
});

describe("an event larger than a body may be", () => {
  const large = `{"card":"${"x".repeat(LIMIT)}"}\n`;

  test("passes alone, whole or in pieces, and is a fault", () => {
    for (const pieces of [[`${large}{"card":1}\n`], [large.slice(0, 45), large.slice(45), '{"card":1}\n']]) {
      const target = stream(NDJSON);
      expect(through(target, pieces)).toBe(`${large}{"card":"*"}\n`);
      expect(target.verdict).toMatchObject({ kind: "faulted", reason: "tooLarge" });
    }
  });

  test("is not held beyond the limit", () => {
    const target = stream(NDJSON);
    for (let i = 0; i < 100; i++) push(target, "x".repeat(10));
    expect(target.held.length).toBeLessThanOrEqual(LIMIT);
  });

  test("is measured in bytes", () => {
    const [fits, not] = [stream(NDJSON), stream(NDJSON)];
    push(fits, `{"a":"${"ä".repeat(15)}"}\n`); // 39 bytes
    push(not, `{"a":"${"€".repeat(11)}"}\n`); // 42 bytes
    expect([fits.verdict.kind, not.verdict.kind]).toEqual(["passed", "faulted"]);
  });

  test("ends the message where that fault is answered", () => {
    const linked = section();
    linked.plan.onFault = { ...linked.plan.onFault, tooLarge: { status: 413 } as never };
    const target = stream(NDJSON, linked);
    push(target, `${large}{"card":1}\n`);
    expect(target.verdict.reply).toMatchObject({ status: 413 });
  });
});

describe("a step that waits", () => {
  /** The section's first step waits for what the test gives. */
  function waiting(pending: Promise<Outcome>, inTime: InTime): EventStream {
    const linked = section();
    const step = linked.pipelines[0]?.steps[0] as LinkedStep;
    step.run = (_step, context) => {
      context.pending = pending;
      return Outcome.wait;
    };
    return newEventStream(linked, NDJSON, undefined, "", inTime);
  }

  test("is waited for, event by event", async () => {
    const target = waiting(Promise.resolve(Outcome.next), atOnce);
    await pushText(target, '{"card":1}\n{"card":2}\n', true);
    expect(takeText(target)).toBe('{"card":"*"}\n{"card":"*"}\n');
  });

  test("but not for ever: what the host gives up on is a fault of its event, and those behind it go on", async () => {
    const late: InTime = (linked) => Promise.resolve(faulted(linked, "timeout", "late"));
    const target = waiting(new Promise(() => {}), late);
    await pushText(target, '{"card":1}\n{"card":2}\n', true);
    expect(takeText(target)).toBe('{"card":1}\n{"card":2}\n');
    expect(target.verdict).toMatchObject({ kind: "faulted", reason: "timeout" });
  });
});
