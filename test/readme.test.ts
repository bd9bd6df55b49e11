import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { newRunContext } from "../engine/core/context.ts";
import { eventOf } from "../engine/core/event/event.ts";
import type { JsonObject } from "../engine/core/event/json.ts";
import { link } from "../engine/core/link.ts";
import { Outcome } from "../engine/core/outcome.ts";
import { runPipelines } from "../engine/core/pipeline.ts";
import { testPorts } from "../engine/core/testing.ts";
import { loadText } from "../engine/runtime/configuration.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test("the README's file loads and does what the README says", () => {
  const text = /```json\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const { plan, diagnostics } = loadText(text, "README.md");
  expect(diagnostics).toEqual([]);
  if (plan === undefined) return;
  const ports = testPorts();
  const run = (value: JsonObject) => {
    const context = newRunContext(eventOf(value), ports);
    return { outcome: runPipelines(link(plan, ports).pipelines, context, 0), context };
  };
  expect(readme).toContain('reaches the upstream as `{"items":[{"card":"************1111"}]}`');
  expect(run({ items: [{ card: "4111111111111111" }] }).context.event.value).toEqual({
    items: [{ card: "************1111" }],
  });
  const refused = run({ items: [] });
  expect(refused.outcome).toBe(Outcome.refuse);
  expect(refused.context.refusal?.status).toBe(422);
});
