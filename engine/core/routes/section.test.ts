import { describe, expect, test } from "vitest";
import type { JsonObject } from "../event/json.ts";
import { link } from "../link.ts";
import { newPlan, newStep, type Plan, type Step } from "../plan.ts";
import { compileAnnotator } from "../processes/annotator.ts";
import { compileContinuation } from "../processes/continuation.ts";
import { compileFilter } from "../processes/filter.ts";
import { compileRedactor } from "../processes/redactor.ts";
import { compileTee } from "../processes/tee.ts";
import { compileTransformer } from "../processes/transformer.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileRoute } from "./http-config.ts";
import { type LinkedSection, linkRoutes, treat, treatBodyless, type Verdict } from "./section.ts";

const exists = (key: string) => ({ exists: { ops: [{ key, op: 1 }] } });
const large = {
  expression: { comparator: { lhs: { variable: { name: "n" } }, rhs: { numeric: 10 }, op: 19 } },
};

/** A request section whose pipelines hold these steps. */
function section(pipelines: ((compiler: ReturnType<typeof testCompiler>) => Step)[][], config: object = {}) {
  const compiler = testCompiler();
  const plan: Plan = compiler.plan;
  for (const [i, steps] of pipelines.entries()) {
    const indexes = steps.map((make) => plan.steps.push(make(compiler)) - 1);
    plan.pipelines.push({ name: `p${i}`, steps: indexes });
  }
  const names = pipelines.map((_, i) => `p${i}`);
  const route = { name: "r", request: { pipelines: names, ...config } };
  plan.routes = [compileRoute(route as never, [], compiler, ["http", "routes", 0])];
  expect(compiler.report.diagnostics).toEqual([]);
  const ports = testPorts();
  const linked = linkRoutes(link(plan, ports), ports)[0]?.request as LinkedSection;
  return { linked, ports };
}

const mark = (compiler: ReturnType<typeof testCompiler>) =>
  compileAnnotator(
    { name: "mark", annotations: [{ fieldKey: "m", value: "x", condition: undefined }], onExists: "overwrite" },
    compiler,
    [],
  );
const tee = (compiler: ReturnType<typeof testCompiler>) =>
  compileTee(
    {
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
    },
    compiler,
    [],
  );
const hasId = (compiler: ReturnType<typeof testCompiler>) =>
  compileFilter(
    {
      name: "has-id",
      unless: exists("id"),
      condition: undefined,
      regex: undefined,
      keepMatched: undefined,
      reject: undefined,
    },
    compiler,
    [],
  );
const onlyLarge = (compiler: ReturnType<typeof testCompiler>) =>
  compileContinuation({ name: "large", condition: large }, compiler, []);
const cards = (compiler: ReturnType<typeof testCompiler>) =>
  compileRedactor(
    {
      name: "cards",
      condition: undefined,
      rules: [
        {
          paths: ["card"],
          detect: undefined,
          mask: { keepFirst: undefined, keepLast: 4, with: undefined },
          hmac: undefined,
          replace: undefined,
          drop: undefined,
        },
      ],
    },
    compiler,
    [],
  );
const risk = (compiler: ReturnType<typeof testCompiler>) =>
  compileTransformer(
    {
      name: "risk",
      forwardInputFields: true,
      specs: [
        {
          sourceField: "n",
          targetField: "internal:risk",
          transformation: {
            transformationType: 2,
            condition: undefined,
            mapAddArgs: undefined,
            mapMultArgs: undefined,
            mapRegexArgs: undefined,
            mapArgs: undefined,
            leftFoldArgs: undefined,
            rightFoldArgs: undefined,
          },
        },
      ],
    } as never,
    compiler,
    [],
  );

function run(linked: LinkedSection, text: string, http?: JsonObject, contentType = "application/json"): Verdict {
  const verdict = treat(linked, text, http, contentType);
  if (verdict instanceof Promise) throw new Error("nothing here waits");
  return verdict;
}

describe("a message", () => {
  test("that no pipeline changes passes without new text", () => {
    expect(run(section([[onlyLarge]]).linked, '{"n":1.0}')).toMatchObject({ kind: "passed", text: undefined });
  });

  test("that one changes has new text, the rest to the byte", () => {
    expect(run(section([[mark]]).linked, '{ "n":1.0 }').text).toBe('{ "n":1.0 ,"m":"x"}');
  });

  test("of several objects is changed object by object", () => {
    const text = '[ {"card":"4111111111111111"} , {"n":1.0},{"card":4111111111111111} ]';
    expect(run(section([[cards]]).linked, text).text).toBe(
      '[ {"card":"************1111"} , {"n":1.0},{"card":"************1111"} ]',
    );
  });

  test("each pipeline gets the event the former left; a stop ends its own pipeline only", () => {
    const { linked, ports } = section([[onlyLarge, mark], [mark], [tee]]);
    expect(run(linked, '{"n":1}').kind).toBe("changed");
    expect(ports.sent.map((sent) => sent.payload)).toEqual(['{"n":1,"m":"x"}']);
  });

  test("a tee happens where it stands: before a filter it sees what is refused", () => {
    const before = section([[tee], [hasId]]);
    expect(run(before.linked, "{}").kind).toBe("refused");
    expect(before.ports.sent.length).toBe(1);
    const after = section([[hasId], [tee]]);
    expect(run(after.linked, "{}")).toMatchObject({ kind: "refused", pipeline: "p0", process: "has-id" });
    expect(after.ports.sent.length).toBe(0);
  });

  test("one refused object refuses the whole message, and nothing of it is changed", () => {
    const verdict = run(section([[mark, hasId]]).linked, '[{"id":1},{}]');
    expect(verdict).toMatchObject({ kind: "refused", text: undefined });
    expect(verdict.reply).toMatchObject({ status: 403, rule: "has-id" });
  });
});

describe("odd input cannot switch a rule off", () => {
  const cases: [string, string, string][] = [
    ["broken JSON", "{", "unparsable"],
    ["a duplicate key", '{"card":"4111111111111111","card":"x"}', "ambiguous"],
    ["the same key, escaped", '{"card":"4111111111111111","c\\u0061rd":"x"}', "ambiguous"],
    ["deep nesting", `${"[".repeat(10_000)}`, "unparsable"],
    ["a scalar", '"4111111111111111"', "unparsable"],
    ["an array of other things", '[["4111111111111111"]]', "unparsable"],
    ["a BOM", '\ufeff{"card":"4111111111111111"}', "unparsable"],
  ];
  test.each(cases)("%s is a fault, and refused by default", (_title, text, reason) => {
    const verdict = run(section([[cards]]).linked, text);
    expect(verdict).toMatchObject({ kind: "faulted", reason });
    expect(verdict.reply?.status).toBe(400);
  });

  test("a fault passes where the route says so, as it came", () => {
    const { linked } = section([[cards]], { onFault: { unparsable: "pass" } });
    expect(run(linked, "{")).toMatchObject({ kind: "faulted", reply: undefined, text: undefined });
  });

  test("a continuation that cannot be evaluated is a fault, not a way past the rules behind it", () => {
    const { linked } = section([[onlyLarge, cards]]);
    expect(run(linked, '{"n":"many","card":"4111111111111111"}')).toMatchObject({ kind: "faulted", reason: "error" });
  });

  test("a body cannot forge the host's context", () => {
    const guard = (compiler: ReturnType<typeof testCompiler>) =>
      compileFilter(
        {
          name: "internal-only",
          unless: {
            expression: {
              comparator: {
                lhs: { variable: { name: "internal:http.headers.x-env" } },
                rhs: { literal: "test" },
                op: 23,
              },
            },
          },
          condition: undefined,
          regex: undefined,
          keepMatched: undefined,
          reject: undefined,
        },
        compiler,
        [],
      );
    const forged = '{"internal:http":{"headers":{"x-env":"test"}},"internal:http.headers.x-env":"test"}';
    const { linked } = section([[guard]]);
    expect(linked.plan.readsHttp).toBe(false); // the test compiler's steps carry no reads; the context still comes from outside
    expect(run(linked, forged, { headers: { "x-env": "prod" } }).kind).toBe("refused");
    expect(run(linked, forged, { headers: { "x-env": "test" } }).kind).toBe("passed");
  });
});

describe("headers that a section writes", () => {
  const config = { setHeaders: { "x-risk": "{internal:risk}", "x-seen": "agglo" }, removeHeaders: ["x-debug"] };
  test("are literals or whole references, read when the event has run", () => {
    const verdict = run(section([[risk]], config).linked, '{"n":12.50}');
    expect(verdict.setHeaders).toEqual([
      { name: "x-risk", value: "12.50" },
      { name: "x-seen", value: "agglo" },
    ]);
  });

  test("a reference to nothing sets nothing", () => {
    expect(run(section([[risk]], config).linked, "{}").setHeaders).toEqual([{ name: "x-seen", value: "agglo" }]);
  });

  test("a value that would end the header early is a fault", () => {
    expect(run(section([[risk]], config).linked, '{"n":"a\\r\\nx-admin: 1"}')).toMatchObject({
      kind: "faulted",
      reason: "error",
      setHeaders: [],
    });
  });
});

describe("a refused event", () => {
  const lines = '{"id":1}\n{"x":1.0}\n{"id":2.0}\n';
  const ndjson = { contentTypes: ["application/json", "application/x-ndjson", "text/event-stream"] };
  // pipelines, configuration, content type, text, what is left of it (undefined: the message is refused)
  const cases: [string, object, string, string, string | undefined][] = [
    ["takes an array along", {}, "application/json", '[{"id":1},{}]', undefined],
    ["leaves an array alone", { batch: "element" }, "application/json", '[{"id":1.0} , {}]', '[{"id":1.0} ]'],
    ["was all the array had", { batch: "element" }, "application/json", " [{},{}] ", " [] "],
    ["is the message", { batch: "element" }, "application/json", "{}", undefined],
    ["leaves its lines alone", ndjson, "application/x-ndjson", lines, '{"id":1}\n{"id":2.0}\n'],
    ["takes its lines along", { ...ndjson, batch: "all" }, "application/x-ndjson", lines, undefined],
    ["was the only line", ndjson, "application/x-ndjson", "{}", ""],
    [
      "leaves its stream alone",
      ndjson,
      "text/event-stream; charset=utf-8",
      'data: {}\n\ndata: {"id":1}\n\n',
      'data: {"id":1}\n\n',
    ],
    ["takes those around it along", { each: "l[*]" }, "application/json", '{"l":[{"id":1},{}]}', undefined],
    [
      "leaves those around it alone",
      { each: "l[*]", batch: "element" },
      "application/json",
      '{"l":[{"id":1},{}],"n":1.0}',
      '{"l":[{"id":1}],"n":1.0}',
    ],
  ];
  test.each(cases)("%s", (_title, config, contentType, text, expected) => {
    const { linked, ports } = section([[hasId], [tee]], config);
    const verdict = run(linked, text, undefined, contentType);
    if (expected === undefined) {
      expect(verdict).toMatchObject({ kind: "refused", text: undefined, dropped: 0 });
      expect(ports.counted).toEqual({});
    } else {
      expect(verdict).toMatchObject({ kind: "changed", text: expected, reply: undefined });
      expect(verdict.dropped).toBeGreaterThan(0);
      expect(ports.counted).toEqual({ "droppedEvents has-id": verdict.dropped });
    }
    // Later pipelines and their tees see what stays, and nothing of what was refused.
    expect(ports.sent.every((sent) => sent.payload.includes('"id"'))).toBe(true);
  });

  test("leaves what the others became, and their headers", () => {
    const config = { batch: "element", setHeaders: { "x-risk": "{internal:risk}" } };
    const verdict = run(section([[risk, hasId, mark]], config).linked, '[{"id":1,"n":3},{"n":4}]');
    expect(verdict.text).toBe('[{"id":1,"n":3,"m":"x"}]');
    expect(verdict.setHeaders).toEqual([{ name: "x-risk", value: "3" }]);
  });

  test("is not what a fault is: that decides the message", () => {
    const { linked } = section([[hasId], [onlyLarge]], { batch: "element" });
    const verdict = run(linked, '[{},{"id":1,"n":"many"}]');
    expect(verdict).toMatchObject({ kind: "faulted", reason: "error", dropped: 0, text: undefined });
  });
});

describe("events inside a document", () => {
  test("are treated where they are, the rest to the byte", () => {
    const { linked } = section([[cards]], { each: "items[*]" });
    const verdict = run(linked, '{"card":"4111111111111111","items":[{"card":"4111111111111111"}, {"n":1.0}]}');
    expect(verdict.text).toBe('{"card":"4111111111111111","items":[{"card":"************1111"}, {"n":1.0}]}');
  });

  test("in another shape than the path says are a fault, not a way past the rules", () => {
    const { linked } = section([[cards]], { each: "items[*]" });
    expect(run(linked, '{"items":{"0":{"card":"4111111111111111"}}}')).toMatchObject({
      kind: "faulted",
      reason: "unparsable",
    });
  });

  const wrong: [string, object, string][] = [
    ["a path that cannot be read", { each: "items[" }, "E_PATH"],
    ["any number of levels", { each: "**.item" }, "E_PATH"],
    ["lines", { each: "items[*]", contentTypes: ["application/json", "application/x-ndjson"] }, "E_VALUE"],
  ];
  test.each(wrong)("%s is refused", (_title, config, code) => {
    const compiler = testCompiler();
    compileRoute({ name: "r", request: { pipelines: [], ...config } } as never, [], compiler, []);
    expect(compiler.report.diagnostics.map((diagnostic) => diagnostic.code)).toEqual([code]);
  });
});

describe("a message without a body", () => {
  function runBodyless(linked: LinkedSection, http?: JsonObject): Verdict {
    const verdict = treatBodyless(linked, http);
    if (verdict instanceof Promise) throw new Error("nothing here waits");
    return verdict;
  }

  test("runs on an empty event: tees happen, nothing is written back", () => {
    const { linked, ports } = section([[mark, tee]], { bodyless: true });
    expect(runBodyless(linked)).toMatchObject({ kind: "passed", text: undefined });
    expect(ports.sent.map((sent) => sent.payload)).toEqual(['{"m":"x"}']);
  });

  test("can be refused, and its headers written", () => {
    expect(runBodyless(section([[hasId]], { bodyless: true, batch: "element" }).linked).kind).toBe("refused");
    const config = { bodyless: true, setHeaders: { "x-seen": "agglo" } };
    expect(runBodyless(section([[mark]], config).linked).setHeaders).toEqual([{ name: "x-seen", value: "agglo" }]);
  });
});

test("a step of a process that does not exist is a fault, not a pass", () => {
  const plan = newPlan();
  plan.steps.push(newStep("gone", "g"));
  plan.pipelines.push({ name: "p", steps: [0] });
  const ports = testPorts();
  const linked = link(plan, ports);
  const { linked: host } = section([[]]);
  expect(run({ ...host, pipelines: linked.pipelines }, "{}")).toMatchObject({ kind: "faulted", reason: "error" });
});
