/**
 * Many pipelines on one event, for hosts without a proxy: each gets the event as it came in, one after the other in the
 * order of the file, and none stops another (agglo-behaviour 4; B26: an error is its own pipeline's).
 */
import { newRunContext, type RunContext } from "./context.ts";
import { type Event, forkEvent } from "./event/event.ts";
import type { FaultReason } from "./outcome.ts";
import { Outcome } from "./outcome.ts";
import { type LinkedPipeline, runPipeline } from "./pipeline.ts";
import type { Ports } from "./ports.ts";
import type { Reply } from "./routes/reply.ts";

/** What one pipeline made of the event. */
export type PipelineResult = {
  pipeline: string;
  /** next: it went to its end; stop, refuse or fault: what ended it, and in which process */
  outcome: Outcome;
  process: string;
  /** as far as the pipeline came */
  event: Event;
  /** after a fault; "error" and "" otherwise. `faultDetail` names fields and types, never values. */
  faultReason: FaultReason;
  faultDetail: string;
  refusal: Reply | undefined;
};

/** A promise only when a step had to wait. `event` stays as it is. */
export function runAll(
  pipelines: readonly LinkedPipeline[],
  event: Event,
  ports: Ports,
  deadlineMs: number,
): PipelineResult[] | Promise<PipelineResult[]> {
  return runRest(pipelines, event, ports, deadlineMs, []);
}

function runRest(
  pipelines: readonly LinkedPipeline[],
  event: Event,
  ports: Ports,
  deadlineMs: number,
  results: PipelineResult[],
): PipelineResult[] | Promise<PipelineResult[]> {
  while (results.length < pipelines.length) {
    const context = newRunContext(forkEvent(event), ports);
    context.reservedInPayload = true;
    const outcome = runPipeline(pipelines[results.length] as LinkedPipeline, context, deadlineMs);
    if (typeof outcome !== "number") {
      return outcome.then((settled) => {
        results.push(resultOf(settled, context));
        return runRest(pipelines, event, ports, deadlineMs, results);
      });
    }
    results.push(resultOf(outcome, context));
  }
  return results;
}

function resultOf(outcome: Outcome, context: RunContext): PipelineResult {
  const isFault = outcome === Outcome.fault;
  return {
    pipeline: context.pipeline,
    outcome,
    process: context.process,
    event: context.event,
    faultReason: isFault ? context.faultReason : "error",
    faultDetail: isFault ? context.faultDetail : "",
    refusal: outcome === Outcome.refuse ? context.refusal : undefined,
  };
}

/** The outcome of the first pipeline that refused or faulted, with its reasons in `context`; `next` when none did. */
export function firstFailure(results: readonly PipelineResult[], context: RunContext): Outcome {
  for (let i = 0; i < results.length; i++) {
    const result = results[i] as PipelineResult;
    if (result.outcome !== Outcome.refuse && result.outcome !== Outcome.fault) continue;
    context.pipeline = result.pipeline;
    context.process = result.process;
    context.faultReason = result.faultReason;
    context.faultDetail = result.faultDetail;
    context.refusal = result.refusal;
    return result.outcome;
  }
  return Outcome.next;
}
