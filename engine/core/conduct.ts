/**
 * What a pipeline asks for around one of its steps: tries after a fault of the outside, a record of how far it came,
 * measuring. Steps without any of it are run directly (pipeline.ts).
 */
import { checkpointIdOf, save } from "./checkpoint.ts";
import type { RunContext } from "./context.ts";
import { copyObject, type JsonObject } from "./event/json.ts";
import { Outcome } from "./outcome.ts";
import type { PipelineOptions, StepOptions } from "./plan.ts";
import type { Span, TeeTarget } from "./ports.ts";
import type { LinkedStep } from "./processes/step.ts";

export type Conduct = {
  run: (linked: LinkedStep, conduct: Conduct, context: RunContext) => Outcome;
  /** `<pipeline>.<process>` */
  name: string;
  options: StepOptions;
  /** where it is kept that this step is finished; null: nowhere */
  checkpoint: TeeTarget | null;
  /** how many steps are finished when this one is */
  done: number;
};

const NOTHING: StepOptions = { retriesMax: 0, backOffMs: 0, tracing: false, latency: false, counter: false };

/** undefined: the step at `position` is just run. */
export function linkConduct(
  pipeline: string,
  step: LinkedStep,
  position: number,
  options: PipelineOptions | undefined,
): Conduct | undefined {
  if (options === undefined) return undefined;
  const own = options.steps[position] ?? null;
  if (own === null && options.checkpoint === null) return undefined;
  const name = `${pipeline}.${step.step.name}`;
  return { run: runConducted, name, options: own ?? NOTHING, checkpoint: options.checkpoint, done: position + 1 };
}

function runConducted(linked: LinkedStep, conduct: Conduct, context: RunContext): Outcome {
  const options = conduct.options;
  const watch = startWatch("process", conduct.name, options.tracing, options.latency || options.counter, context);
  const retries = options.retriesMax > 0 && linked.step.waits !== "never";
  const outcome = retries ? runWithRetries(linked, options, context) : linked.run(linked, context);
  if (outcome === Outcome.wait) {
    const pending = context.pending as Promise<Outcome>; // a step that waits leaves it
    context.pending = pending.then((settled) => stepEnded(settled, conduct, watch, context));
    return Outcome.wait;
  }
  const ended = stepEnded(outcome, conduct, watch, context);
  if (typeof ended === "number") return ended;
  context.pending = ended;
  return Outcome.wait;
}

function stepEnded(
  outcome: Outcome,
  conduct: Conduct,
  watch: Watch | undefined,
  context: RunContext,
): Outcome | Promise<Outcome> {
  stopWatch(watch, outcome, conduct.options.latency, conduct.options.counter, context);
  if (outcome !== Outcome.next || conduct.checkpoint === null || checkpointIdOf(context) === "") return outcome;
  return save(conduct.checkpoint, conduct.done, context);
}

/** One step's tries at one event. */
type Tries = {
  linked: LinkedStep;
  options: StepOptions;
  context: RunContext;
  made: number;
  /** the event before the first */
  value: JsonObject;
  side: JsonObject;
};

function runWithRetries(linked: LinkedStep, options: StepOptions, context: RunContext): Outcome {
  const event = context.event;
  const tries: Tries = { linked, options, context, made: 0, value: event.value, side: copyObject(event.side) };
  // One id for all tries: a target that has the first one's copy knows the second's.
  context.effectId = context.ports.ids.uuid();
  const outcome = tryOnce(tries);
  if (typeof outcome === "number") return outcome;
  context.pending = outcome;
  return Outcome.wait;
}

function tryOnce(tries: Tries): Outcome | Promise<Outcome> {
  const context = tries.context;
  tries.made++;
  const outcome = tries.linked.run(tries.linked, context);
  if (outcome !== Outcome.wait) return judge(outcome, tries);
  const pending = context.pending as Promise<Outcome>; // a step that waits leaves it
  return pending.then((settled) => judge(settled, tries));
}

// Stops, refusals and what is wrong with the event itself would end the next try just so (B23).
function judge(outcome: Outcome, tries: Tries): Outcome | Promise<Outcome> {
  const context = tries.context;
  const isOver = outcome !== Outcome.fault || !context.retryable || tries.made > tries.options.retriesMax;
  const delayMs = isOver ? 0 : backOffMs(tries.options.backOffMs, tries.made, context.ports.random.fraction());
  // A try that could only begin after the deadline is none: the fault there is says more than "timeout".
  const isLate = context.deadlineMs !== 0 && context.ports.clock.nowMs() + delayMs >= context.deadlineMs;
  if (isOver || isLate) {
    context.effectId = "";
    return outcome;
  }
  return context.ports.delays.sleep(delayMs).then(() => {
    context.event.value = tries.value;
    context.event.side = copyObject(tries.side);
    return tryOnce(tries);
  });
}

const BACK_OFF_MS_MAX = 30_000;

/** Before try number `made + 1`: doubled each time, capped, and ±50 % so that many that failed together come back apart. */
export function backOffMs(firstMs: number, made: number, fraction: number): number {
  const fullMs = Math.min(BACK_OFF_MS_MAX, firstMs * 2 ** (made - 1));
  return Math.min(BACK_OFF_MS_MAX, Math.round(fullMs * (0.5 + fraction)));
}

export type Watch = {
  kind: "pipeline" | "process";
  name: string;
  startNs: number;
  span: Span | undefined;
  /** the context's traceparent around the span */
  outer: string;
};

/** undefined: nothing is measured. */
export function startWatch(
  kind: "pipeline" | "process",
  name: string,
  tracing: boolean,
  measures: boolean,
  context: RunContext,
): Watch | undefined {
  if (!tracing && !measures) return undefined;
  const instruments = context.ports.instruments;
  const outer = context.traceparent;
  const span = tracing ? instruments.span(kind, name, outer) : undefined;
  if (span !== undefined) context.traceparent = span.traceparent;
  return { kind, name, startNs: measures ? instruments.nowNs() : 0, span, outer };
}

export function stopWatch(
  watch: Watch | undefined,
  outcome: Outcome,
  latency: boolean,
  counter: boolean,
  context: RunContext,
): void {
  if (watch === undefined) return;
  const instruments = context.ports.instruments;
  // A stop and a refusal are what the pipeline is there for: only a fault is a failure.
  const succeeded = outcome !== Outcome.fault;
  if (latency) instruments.latency(watch.kind, watch.name, instruments.nowNs() - watch.startNs);
  if (counter) instruments.ended(watch.kind, watch.name, succeeded);
  if (watch.span === undefined) return;
  watch.span.end(succeeded);
  context.traceparent = watch.outer;
}
