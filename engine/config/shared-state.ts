/** What is to be known of state that is shared where one might not think so, or is not where one might. */
import { complain, type DocumentPath, type Report } from "../core/diagnostic.ts";
import type { Plan } from "../core/plan.ts";
import { aggregationMember } from "../core/processes/aggregator.ts";
import { stateStoreOf } from "../core/processes/state.ts";
import { pipelinesOf } from "../core/routes/route.ts";

/**
 * State is kept by the pipeline's name and `<key>:<AggType>` (agglo-behaviour 11): two aggregators that agree in both add
 * to the same numbers, as in the original, and hardly as it was meant.
 */
export function complainOfSharedState(plan: Plan, report: Report): void {
  const owners = new Map<string, string>();
  for (const [i, pipeline] of plan.pipelines.entries()) {
    for (const [j, index] of pipeline.steps.entries()) {
      const step = plan.steps[index];
      if (step?.process !== "aggregator" || step.settings === undefined) continue;
      const member = aggregationMember(step);
      const place = JSON.stringify([pipeline.name, stateStoreOf(step), member]);
      const owner = owners.get(place);
      owners.set(place, step.name);
      if (owner === undefined) continue;
      const message = `"${owner}" and "${step.name}" add to the same state ${member}: an event that both take counts twice`;
      const remedy = "take one out, or give it a pipeline of another name";
      complain(report, "W_SHARED_STATE", ["pipelines", i, "processes", j, "name"], message, remedy);
    }
  }
}

/** A route's traffic is spread over hosts, and what is in memory is one host's (design/engine.md, "Ports, workers, state"). */
export function complainOfLocalState(
  plan: Plan,
  definitions: readonly { at: DocumentPath }[],
  systems: readonly { type: string; name: string; connectionString: string }[],
  report: Report,
): void {
  const inRoutes = stepsOfRoutes(plan);
  for (const [i, step] of plan.steps.entries()) {
    const store = stateStoreOf(step);
    const system = systems.find((other) => other.type === "ExternalKVStore" && other.name === store);
    if (!inRoutes.has(i) || !/^(?:mem:|local$)/.test(system?.connectionString ?? "")) continue;
    const message = `"${step.name}" keeps its state in the memory of one host: with several, each has its own, gone when it ends`;
    const path = [...(definitions[i]?.at ?? []), "stateStore"];
    complain(report, "W_LOCAL_STATE", path, message, "fine for one host; several need a store outside");
  }
}

function stepsOfRoutes(plan: Plan): Set<number> {
  const pipelines = (plan.routes ?? []).flatMap(pipelinesOf);
  return new Set(pipelines.flatMap((index) => plan.pipelines[index]?.steps ?? []));
}
