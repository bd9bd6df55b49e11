/** What runs when an exchange is over, on one event of all of it (http.md, `exchange`). Nothing of it can go back. */
import { newRunContext } from "../context.ts";
import { eventOf } from "../event/event.ts";
import type { JsonObject } from "../event/json.ts";
import { Outcome } from "../outcome.ts";
import { type LinkedPipeline, runPipelines } from "../pipeline.ts";
import type { Ports } from "../ports.ts";
import type { ExchangePlan } from "./route.ts";

export type LinkedExchange = { plan: ExchangePlan; pipelines: LinkedPipeline[]; ports: Ports };

/** How a run on an exchange ended, and why when it faulted: names and types, no values. */
export type ExchangeEnd = { outcome: "done" | "refused" | "faulted"; detail: string };

/** A promise only when a step had to wait. */
export function runExchange(linked: LinkedExchange, value: JsonObject): ExchangeEnd | Promise<ExchangeEnd> {
  const context = newRunContext(eventOf(value), linked.ports);
  const end = (outcome: Outcome): ExchangeEnd => {
    if (outcome === Outcome.fault) return { outcome: "faulted", detail: `${context.process}: ${context.faultDetail}` };
    return { outcome: outcome === Outcome.refuse ? "refused" : "done", detail: "" };
  };
  const outcome = runPipelines(linked.pipelines, context, 0);
  return typeof outcome === "number" ? end(outcome) : outcome.then(end);
}
