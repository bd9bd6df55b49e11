import { describe, expect, onTestFinished, test } from "vitest";
import { ndjson } from "../core/body/ndjson.ts";
import type { JsonObject } from "../core/event/json.ts";
import { newEventStream, pushText, takeText } from "../core/routes/event-stream.ts";
import { type LinkedSection, treat, treatBodyless, type Verdict } from "../core/routes/section.ts";
import { loadText, type ReadOptions } from "./configuration.ts";
import { exposition } from "./exposition.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const definitions = [
  {
    filter: { name: "no-bad", condition: { exists: { ops: [{ key: "bad", op: "Exists" }] } }, reject: { status: 422 } },
  },
  { annotator: { name: "mark", onExists: "overwrite", annotations: [{ fieldKey: "m", value: "x" }] } },
  { tee: { name: "mirror", outputConnectorRef: "copies" } },
  {
    transformer: {
      name: "risk",
      forwardInputFields: true,
      specs: [
        { sourceField: "n", targetField: "internal:risk", transformation: { transformationType: "TransformCopy" } },
      ],
    },
  },
];

async function start(config: object, options: ReadOptions = {}): Promise<{ runtime: Runtime; copies: JsonObject[] }> {
  const file = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    processDefinitions: definitions,
    externalSystems: [
      { externalType: "ExternalObjectStore", name: "copies", connectionString: "mem:copies" },
      { externalType: "ExternalKVStore", name: "state", connectionString: "mem:state" },
    ],
    ...config,
  };
  const { plan, systems, diagnostics } = loadText(JSON.stringify(file), "test.json", options);
  if (plan === undefined) throw new Error(JSON.stringify(diagnostics));
  const copies: JsonObject[] = [];
  const tees = (_target: unknown, payload: string) => copies.push(JSON.parse(payload) as JsonObject);
  const runtime = await startRuntime(plan, systems, { log: () => {}, tees });
  onTestFinished(() => runtime.close(1000));
  return { runtime, copies };
}

const one = (name: string, processes: string[]) => ({
  name,
  processes: processes.map((process) => ({ name: process })),
});

/** The verdict on a request to the first route, observed as a host does. */
async function verdictOn(runtime: Runtime, body: string | undefined): Promise<Verdict> {
  const section = runtime.routes[0]?.request;
  if (section === undefined) throw new Error("no section");
  const verdict =
    body === undefined
      ? await treatBodyless(section, undefined)
      : await treat(section, body, undefined, "application/json");
  runtime.observe("r", "request", verdict);
  return verdict;
}

function counted(runtime: Runtime, name: string): { [label: string]: number } {
  const rows = runtime.counters.snapshot().filter((row) => row.name === name);
  return Object.fromEntries(rows.map((row) => [row.label, row.value]));
}

describe("a dry run", () => {
  const route = (section: object) => ({
    pipelines: [one("p", ["mirror", "no-bad", "mark"])],
    http: { version: 1, routes: [{ name: "r", enforce: false, request: { pipelines: ["p"], ...section } }] },
  });

  test("lets every message pass as it came, copies included, and counts what would have become of it", async () => {
    const { runtime, copies } = await start(route({ setHeaders: { "x-a": "1" }, removeHeaders: ["x-b"] }));
    for (const body of ['{"a":1}', '{"bad":1}', "{", '[{"a":1},{"bad":2}]', undefined]) {
      expect(await verdictOn(runtime, body)).toMatchObject({
        kind: "passed",
        text: undefined,
        reply: undefined,
        setHeaders: [],
        dropped: 0,
      });
    }
    expect(runtime.routes[0]?.request?.plan.removeHeaders).toEqual([]);
    expect(copies).toEqual([{ a: 1 }, { bad: 1 }, { a: 1 }, { bad: 2 }, {}]);
    expect(counted(runtime, "messages")).toEqual({ "r|request|passed": 5 });
    expect(counted(runtime, "faults")).toEqual({});
    expect(counted(runtime, "wouldHave")).toEqual({
      "r|request|changed|": 1,
      "r|request|refused|": 2,
      "r|request|faulted|unparsable": 1,
      "r|request|passed|": 1,
    });
    expect(exposition(runtime.metrics.families())).toContain(
      'agglo_would_have_total{route="r",direction="request",verdict="faulted",reason="unparsable"} 1',
    );
  });

  test("says what an enforcing route would have answered", async () => {
    const { runtime } = await start(route({}));
    expect((await verdictOn(runtime, '{"bad":1}')).would).toMatchObject({
      kind: "refused",
      process: "no-bad",
      reply: { status: 422, rule: "no-bad" },
    });
  });

  test("of a body that comes in pieces lets each go on, and says the gravest that would have been", async () => {
    const { runtime } = await start(route({ contentTypes: ["application/x-ndjson"] }));
    const section = runtime.routes[0]?.request as LinkedSection;
    const stream = newEventStream(section, ndjson, "application/x-ndjson", undefined);
    const out: string[] = [];
    for (const piece of ['{"a":1}\n{"ba', 'd":1}\n', "{\n", '{"a":2}']) {
      await pushText(stream, piece, piece.length, piece === '{"a":2}');
      out.push(takeText(stream));
    }
    expect(out.join("")).toBe('{"a":1}\n{"bad":1}\n{\n{"a":2}');
    expect(stream.verdict).toMatchObject({ kind: "passed", dropped: 0 });
    // the refused event would have left alone, the broken one would have ended the message
    expect(stream.verdict.would).toMatchObject({ kind: "faulted", reason: "unparsable", reply: { status: 400 } });
  });

  test("drops no element, and counts none as dropped", async () => {
    const { runtime } = await start(route({ batch: "element" }));
    const verdict = await verdictOn(runtime, '[{"a":1},{"bad":2}]');
    expect(verdict).toMatchObject({ kind: "passed", dropped: 0, would: { kind: "changed", dropped: 1 } });
    expect(counted(runtime, "droppedEvents")).toEqual({});
  });
});

describe("a file without http under a proxy", () => {
  const file = {
    pipelines: [
      one("refuses", ["no-bad"]),
      { ...one("marks", ["mark", "mirror"]), checkpoint: { outputConnectorRef: "state" } },
      one("mirrors", ["mirror"]),
    ],
  };

  test("gives every pipeline the event as it came in, and none stops another", async () => {
    const { runtime, copies } = await start(file, { bind: "observe" });
    const verdict = await verdictOn(runtime, '{"bad":1}');
    expect(verdict).toMatchObject({ kind: "passed", text: undefined, would: { kind: "refused", pipeline: "refuses" } });
    // Reserved keys go along, as the original writes them (agglo-behaviour 5).
    expect(copies).toEqual([
      expect.objectContaining({ bad: 1, m: "x", "internal:name": "marks", "internal:messageID": expect.any(String) }),
      expect.objectContaining({ bad: 1, "internal:name": "mirrors", "internal:messageID": expect.any(String) }),
    ]);
    expect(copies[1]).not.toHaveProperty("m");
  });

  test("goes on with the next event whatever became of one, and keeps no checkpoint", async () => {
    const { runtime, copies } = await start(file, { bind: "observe" });
    expect((await verdictOn(runtime, '[{"bad":1},{"a":2}]')).would?.kind).toBe("refused");
    expect(copies.map(({ a, bad }) => a ?? bad)).toEqual([1, 1, 2, 2]);
    expect(runtime.routes[0]?.request?.pipelines.map((pipeline) => pipeline.options?.checkpoint ?? null)).toEqual([
      null,
      null,
      null,
    ]);
  });
});

describe("metadata of a verdict", () => {
  const metadata = async (body: string, paths = ["internal:risk"]) => {
    const { runtime } = await start({
      pipelines: [one("p", ["risk", "no-bad"])],
      http: { version: 1, routes: [{ name: "r", request: { pipelines: ["p"], metadata: paths } }] },
    });
    return (await verdictOn(runtime, body)).metadata;
  };

  test("are what the file names, also of what is refused; the last event with a value wins", async () => {
    expect(await metadata('[{"n":1},{"n":2},{"a":1}]')).toEqual({ risk: 2 });
    expect(await metadata('{"n":{"score":7},"bad":1}', ["internal:risk.score"])).toEqual({ "risk.score": 7 });
  });

  test("keep a number's digits, and are not as long as a client likes", async () => {
    expect(await metadata('{"n":12345678901234567890}')).toEqual({ risk: "12345678901234567890" });
    expect(await metadata(JSON.stringify({ n: "x".repeat(5000) }))).toBeUndefined();
    expect(await metadata('{"a":1}')).toBeUndefined();
  });
});
