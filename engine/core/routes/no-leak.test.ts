import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonValue } from "../event/json.ts";
import { link } from "../link.ts";
import { compileAnnotator } from "../processes/annotator.ts";
import { compileFilter } from "../processes/filter.ts";
import { compileRedactor } from "../processes/redactor.ts";
import { compileTee } from "../processes/tee.ts";
import { compileTransformer } from "../processes/transformer.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileRoute } from "./http-config.ts";
import { replyBody } from "./reply.ts";
import { type LinkedSection, linkRoutes, treat, type Verdict } from "./section.ts";

const SECRET = "4111222233334444";

/** Redact first, then everything that could carry a value out: copies, headers, faults, refusals. */
function setUp() {
  const compiler = testCompiler();
  const steps = [
    compileRedactor({ name: "cover", rules: [{ paths: ["**.card"], mask: { keepLast: 4 } }] } as never, compiler, []),
    compileTee({ name: "copy", outputConnectorRef: "archive" } as never, compiler, []),
    compileTransformer(
      {
        name: "note",
        forwardInputFields: true,
        specs: [
          { sourceField: "card", targetField: "internal:card", transformation: { transformationType: 2 } },
          { sourceField: "sums", targetField: "sum", transformation: { transformationType: 1 } },
        ],
      } as never,
      compiler,
      [],
    ),
    compileAnnotator({ name: "mark", annotations: [{ fieldKey: "mark", value: "x" }] } as never, compiler, []),
    compileFilter(
      { name: "refuse", condition: { exists: { ops: [{ key: "refuse", op: 1 }] } } } as never,
      compiler,
      [],
    ),
  ];
  const indexes = steps.map((step) => compiler.plan.steps.push(step) - 1);
  compiler.plan.pipelines.push({ name: "p", steps: indexes });
  const request = { pipelines: ["p"], setHeaders: { "x-card": "{internal:card}" } };
  compiler.plan.routes = [compileRoute({ name: "r", request } as never, [], compiler, [])];
  expect(compiler.report.diagnostics).toEqual([]);
  const ports = testPorts();
  const section = linkRoutes(link(compiler.plan, ports), ports)[0]?.request as LinkedSection;
  return { ports, section };
}

const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<JsonValue>(1, "x", null, [], {}),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "refuse", "mark", "sums", "__proto__"), tie("value"), { maxKeys: 3 }),
    fc
      .tuple(fc.constantFrom<JsonValue>(SECRET, Number(SECRET), [SECRET], { n: SECRET }, { [SECRET]: 1 }), tie("value"))
      .map(([card, rest]) => ({ card, rest })),
  ),
}));

test("whatever comes of an event, what a rule covered is in no body, copy, header, reply, detail or count", () => {
  const { ports, section } = setUp();
  fc.assert(
    fc.property(value, fc.boolean(), (inner, refuse) => {
      ports.sent.length = 0;
      const event = {
        ...(typeof inner === "object" && inner !== null && !Array.isArray(inner) ? inner : { inner }),
        card: SECRET,
      };
      const text = JSON.stringify(refuse ? { ...event, refuse } : event);
      const verdict = treat(section, text, undefined, "application/json") as Verdict;
      const out = [
        verdict.text ?? "",
        verdict.detail,
        ...verdict.setHeaders.map((header) => header.value),
        verdict.reply === undefined ? "" : replyBody(verdict.reply, verdict.detail),
        ...ports.sent.map((sent) => sent.payload),
        JSON.stringify(ports.counted),
      ];
      for (const each of out) expect(each).not.toContain(SECRET);
      expect(verdict.kind).not.toBe("passed");
    }),
    { numRuns: 1000 },
  );
});
