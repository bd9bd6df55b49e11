/** Looking on while pipelines run: what each step got and left. For `binge explain`; nothing of it is in the way of traffic. */
import type { RunContext } from "../core/context.ts";
import { getOwn, type JsonObject, newObject, setOwn } from "../core/event/json.ts";
import { stringify, writeEvent } from "../core/event/write.ts";
import { Outcome } from "../core/outcome.ts";
import type { LinkedPipeline } from "../core/pipeline.ts";
import type { LinkedStep } from "../core/processes/step.ts";

/** One run of one step. */
export type StepRun = {
  /** counts from 0 in the order in which events came */
  event: number;
  pipeline: string;
  /** the process's key, and its name in the file */
  process: string;
  name: string;
  outcome: Outcome;
  /** after a fault */
  detail: string;
  /** the event's text */
  before: string;
  after: string;
  /** what it wrote under `internal:` */
  reserved: JsonObject;
};

/** Tells `see` every run of every step of these pipelines from now on, in the order in which they end. */
export function traceSteps(pipelines: readonly LinkedPipeline[], see: (run: StepRun) => void): void {
  const events: object[] = [];
  const steps = new Set(pipelines.flatMap((pipeline) => pipeline.steps));
  for (const step of steps) {
    const { run } = step;
    step.run = (linked, context) => {
      const known = context.event.parsed ?? context.event; // forks of an event are still that event
      if (!events.includes(known)) events.push(known);
      const before = snapshot(context);
      const ended = (outcome: Outcome): Outcome => {
        see(runOf(step, events.indexOf(known), before, outcome, context));
        return outcome;
      };
      const outcome = run(linked, context);
      if (outcome !== Outcome.wait || context.pending === undefined) return ended(outcome);
      context.pending = context.pending.then(ended);
      return outcome;
    };
  }
}

type Snapshot = { text: string; side: JsonObject };

function snapshot({ event }: RunContext): Snapshot {
  const side = newObject();
  for (const key of Object.keys(event.side)) setOwn(side, key, event.side[key] as JsonObject[string]);
  return { text: writeEvent(event), side };
}

function runOf(step: LinkedStep, event: number, before: Snapshot, outcome: Outcome, context: RunContext): StepRun {
  const reserved = newObject();
  for (const [key, value] of Object.entries(context.event.side)) {
    const was = getOwn(before.side, key);
    if (was === undefined || stringify(was) !== stringify(value)) setOwn(reserved, key, value);
  }
  return {
    event,
    pipeline: context.pipeline,
    process: step.step.process,
    name: step.step.name,
    outcome,
    detail: outcome === Outcome.fault ? `${context.faultReason}: ${context.faultDetail}` : "",
    before: before.text,
    after: writeEvent(context.event),
    reserved,
  };
}
