import { describe, expect, test } from "vitest";
import { newRunContext } from "../context.ts";
import { eventOf } from "../event/event.ts";
import type { JsonObject } from "../event/json.ts";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { runPipelines } from "../pipeline.ts";
import { replyBody } from "../routes/reply.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileValidator } from "./validator.ts";

type Config = Parameters<typeof compileValidator>[0];
const SCHEMA = { required: ["id"], properties: { total: { minimum: 0 } } };

function setUp(config: Partial<Config>, ports = testPorts()) {
  const compiler = testCompiler();
  const given: Config = { name: "order", condition: undefined, schema: SCHEMA, reject: undefined, ...config };
  const step = compileValidator(given, compiler, []);
  compiler.plan.steps.push(step);
  compiler.plan.pipelines.push({ name: "p", steps: [0] });
  const run = (value: JsonObject) => {
    const context = newRunContext(eventOf(value), ports);
    return { outcome: runPipelines(link(compiler.plan, ports).pipelines, context, 0), context };
  };
  return { compiler, step, run };
}

describe("a validator", () => {
  test("lets through what matches", () => {
    const { run, step } = setUp({});
    expect(run({ id: 1, total: 0 }).outcome).toBe(Outcome.next);
    expect(step).toMatchObject({ refuses: true, changes: false, waits: "never" });
  });

  test("refuses the rest by 422, with the errors in the problem details", () => {
    const { outcome, context } = setUp({}).run({ total: -1 });
    expect(outcome).toBe(Outcome.refuse);
    expect(context.refusal === undefined ? "" : JSON.parse(replyBody(context.refusal, ""))).toEqual({
      type: "about:blank",
      title: "Unprocessable Content",
      status: 422,
      rule: "order",
      errors: [
        { pointer: "/id", keyword: "required" },
        { pointer: "/total", keyword: "minimum" },
      ],
    });
  });

  test("does not mix up the errors of two messages", () => {
    const { run } = setUp({});
    const first = run({}).context.refusal;
    run({ id: 1, total: -1 });
    expect(first?.errors).toEqual([{ pointer: "/id", keyword: "required" }]);
  });

  test("answers as its reject says", () => {
    const reject = { status: 400, body: "no", headers: { "x-why": "schema" }, grpcStatus: 3 };
    const { refusal } = setUp({ reject }).run({}).context;
    expect(refusal).toEqual({
      status: 400,
      body: "no",
      headers: [{ name: "x-why", value: "schema" }],
      contentType: "text/plain; charset=utf-8",
      grpcStatus: 3,
      rule: "order",
    });
  });

  test("looks at nothing where its condition is false", () => {
    const condition = { exists: { ops: [{ key: "total", op: 1 }] } };
    expect(setUp({ condition }).run({}).outcome).toBe(Outcome.next);
  });

  test("refuses nothing and passes nothing in a host that cannot check schemas", () => {
    const ports = testPorts();
    ports.schemas = { compile: () => ({ flaws: [{ path: [], message: "no" }] }) };
    const { outcome, context } = setUp({}, ports).run({ id: 1 });
    expect(outcome).toBe(Outcome.fault);
    expect(context.faultDetail).toBe("schemas cannot be checked here");
  });
});

describe("its schema is refused at load", () => {
  test("where it is none", () => {
    const { compiler } = setUp({ schema: [] });
    expect(compiler.report.diagnostics).toMatchObject([{ code: "E_TYPE", path: ["schema"] }]);
  });

  test("where its file cannot be read", () => {
    const { compiler } = setUp({ schema: "order.json" });
    expect(compiler.report.diagnostics).toMatchObject([
      { code: "E_VALUE", path: ["schema"], message: 'cannot read the schema: there is no file "order.json"' },
    ]);
  });
});
