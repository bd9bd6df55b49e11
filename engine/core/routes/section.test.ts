import { describe, expect, test } from "vitest";
import type { JsonObject } from "../event/json.ts";
import { link } from "../pipeline.ts";
import { newPlan, newStep, type Plan, type Step } from "../plan.ts";
import { compileAnnotator } from "../processes/annotator.ts";
import { compileContinuation } from "../processes/continuation.ts";
import { compileFilter } from "../processes/filter.ts";
import { compileRedactor } from "../processes/redactor.ts";
import { compileTee } from "../processes/tee.ts";
import { compileTransformer } from "../processes/transformer.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileRoute } from "./http-config.ts";
import { type LinkedSection, linkRoutes, treat, type Verdict } from "./section.ts";

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

function run(linked: LinkedSection, text: string, http?: JsonObject): Verdict {
  const verdict = treat(linked, text, http);
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

test("a step of a process that does not exist is a fault, not a pass", () => {
  const plan = newPlan();
  plan.steps.push(newStep("gone", "g"));
  plan.pipelines.push({ name: "p", steps: [0] });
  const ports = testPorts();
  const linked = link(plan, ports);
  const { linked: host } = section([[]]);
  expect(run({ ...host, pipelines: linked.pipelines }, "{}")).toMatchObject({ kind: "faulted", reason: "error" });
});
