/** What the original's own unit tests hold it to (agglo-behaviour 9, the end), on events of ours of the same shape. */
import { describe, expect, test } from "vitest";
import { eventOf } from "../../engine/core/event/event.ts";
import type { JsonObject } from "../../engine/core/event/json.ts";
import { compilePath, isLeaf, lookup, withValueAt } from "../../engine/core/event/path.ts";
import { Outcome } from "../../engine/core/outcome.ts";
import { finalEvent, finalOf, runEvent, start } from "./harness.ts";

const SHAPE: JsonObject = {
  a: 1,
  b: { c: "x", d: [3, 4, 5] },
  e: [null],
  f: { g: { h: true } },
  i: [{ j: ["y", 0] }, false],
};
/** The keys of the original's flat view of it. */
const FLAT = ["a", "b.c", "b.d.0", "b.d.1", "b.d.2", "e.0", "f.g.h", "i.0.j.0", "i.0.j.1", "i.1"];

describe("the flat view (util_test)", () => {
  function everyPath(value: unknown, prefix: string): string[] {
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([key, inner]) => [prefix + key, ...everyPath(inner, `${prefix}${key}.`)]);
  }

  test("has a key for each scalar and null, and for nothing else", () => {
    const leaves = everyPath(SHAPE, "").filter((path) => isLeaf(lookup(eventOf(SHAPE), compilePath(path))));
    expect(leaves).toEqual(FLAT);
  });

  test.each(["", "b.d.3", "b.d.-1", "b.d.00", "b.d.length", "e.1", "a.0", "b.c.0", "i.j", "f.g.h.i"])(
    "has no %j",
    (path) => expect(lookup(eventOf(SHAPE), compilePath(path))).toBeUndefined(),
  );

  test("writing goes through objects only", () => {
    expect(withValueAt(SHAPE, ["f", "g", "new"], 1).value.f).toEqual({ g: { h: true, new: 1 } });
    expect(withValueAt(SHAPE, ["b", "d", "0"], 1).blockedAt).toBe("d");
    expect(withValueAt(SHAPE, ["a", "x"], 1).blockedAt).toBe("a");
  });
});

/** A file with these processes, in this order, in one pipeline. */
function file(definitions: object[], systems: object[] = []): string {
  const names = definitions.flatMap((definition) => Object.values(definition) as { name: string }[]);
  return JSON.stringify({
    partitionUuid: "6f1c2a50-0000-4000-8000-000000000099",
    externalSystems: [{ externalType: "ExternalKVStore", name: "state", connectionString: "mem:s" }, ...systems],
    processDefinitions: definitions,
    pipelines: [{ name: "P", processes: names.map(({ name }) => ({ name })) }],
  });
}

test("sum, count, head and tail of arrays, wherever they stand (transformer_test)", async () => {
  const spec = (sourceField: string, targetField: string, type: string) => ({
    sourceField,
    targetField,
    transformation: { transformationType: `Transform${type}` },
  });
  const specs = [
    spec("b.d", "sum", "Sum"),
    spec("b.d", "out.count", "Count"),
    spec("e", "out.one", "Count"),
    spec("b.d", "out.head", "PopHead"),
    spec("i", "out.tail", "PopTail"),
    spec("b.nothing", "out.nothing", "Copy"),
    // Every spec reads the event as it came, whatever stands in the result by now.
    spec("sum", "out.again", "Copy"),
  ];
  const runtime = await start(file([{ transformer: { name: "t", specs } }]));
  const final = await finalEvent(runtime, SHAPE);
  const made = Object.fromEntries(Object.entries(final).filter(([key]) => !key.startsWith("internal:")));
  expect(made).toEqual({ sum: 12, out: { count: 3, one: 1, head: 3, tail: false } });
});

test("joins of n: n - 1 triggered, one complete, whatever their order; a missing key never completes (completor_test)", async () => {
  const joinKeys = ["k0", "k1", "k2", "k3", "k4"];
  const runtime = await start(file([{ completer: { name: "c", stateStore: "state", completion: { joinKeys } } }]));
  const events = joinKeys.flatMap((key, i) =>
    ["x", "y", "z"].map((value) => ({ [joinKeys[(i * 2) % 5] ?? key]: value })),
  );
  const settled = await Promise.all(events.map((event) => runEvent(runtime, event)));
  const statuses = settled.map(([result]) => finalOf(result as NonNullable<typeof result>)["internal:completion:c"]);
  expect(statuses.filter((status) => status === "complete")).toHaveLength(3);
  expect(statuses.filter((status) => status === "triggered")).toHaveLength(12);
  for (const key of joinKeys.slice(1)) {
    expect((await finalEvent(runtime, { [key]: "w" }))["internal:completion:c"]).toBe("triggered");
  }
});

test("a tee that fails ends the pipeline without an event (tee_test)", async () => {
  const systems = [{ externalType: "ExternalHttp", name: "gone", connectionString: "http://127.0.0.1:9/" }];
  const after = { annotator: { name: "after", annotations: [{ fieldKey: "x", value: "y" }] } };
  const runtime = await start(file([{ tee: { name: "t", outputConnectorRef: "gone" } }, after], systems));
  const [result] = await runEvent(runtime, { id: 1 });
  expect(result).toMatchObject({ outcome: Outcome.fault, process: "t", event: { value: { id: 1 } } });
});
