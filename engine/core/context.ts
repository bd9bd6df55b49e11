/** One run of pipelines over one event: what steps read and where they leave more than their outcome says. */
import type { Event } from "./event/event.ts";
import { getOwn } from "./event/json.ts";
import type { FaultReason } from "./outcome.ts";
import { Outcome } from "./outcome.ts";
import type { Ports } from "./ports.ts";
import type { Reply } from "./routes/reply.ts";

export type RunContext = {
  event: Event;
  ports: Ports;
  /** stable id of the event, the same for every retry of a step; "" until somebody asks (eventIdOf) */
  eventId: string;
  /** true where a rule guards traffic: a condition that cannot be evaluated is then never "no" */
  strict: boolean;
  /** true in hosts without a proxy: reserved keys go into tees and the final event, as the original writes them */
  reservedInPayload: boolean;
  /** names of the pipeline and process that run now, or that ended the run */
  pipeline: string;
  process: string;
  /** where the running step stands in the plan: its pipeline's index and its own in there */
  pipelineAt: number;
  stepAt: number;
  /** after Outcome.fault */
  faultReason: FaultReason;
  faultDetail: string;
  /** whether the same step may succeed on another try (retryableFault) */
  retryable: boolean;
  /** the id of what the running step sends out, the same for its every try; "" where it is tried once (effectIdOf) */
  effectId: string;
  /** clock time by which the run must have ended; 0: never */
  deadlineMs: number;
  /** what the run is a part of, in a trace (W3C Trace Context); "": nothing */
  traceparent: string;
  /** a checkpoint's record of the event is kept outside (checkpoint.ts) */
  recorded: boolean;
  /** after Outcome.refuse */
  refusal: Reply | undefined;
  /** after Outcome.wait: what the step will have answered. Never rejects. */
  pending: Promise<Outcome> | undefined;
  /** index of the step that waits */
  waitingAt: number;
};

export function newRunContext(event: Event, ports: Ports): RunContext {
  return {
    event,
    ports,
    eventId: "",
    strict: false,
    reservedInPayload: false,
    pipeline: "",
    process: "",
    pipelineAt: 0,
    stepAt: 0,
    faultReason: "error",
    faultDetail: "",
    retryable: false,
    effectId: "",
    deadlineMs: 0,
    traceparent: "",
    recorded: false,
    refusal: undefined,
    pending: undefined,
    waitingAt: 0,
  };
}

/** Ends a step with a fault. `detail` names fields and types, never values. */
export function fault(context: RunContext, reason: FaultReason, detail: string): Outcome {
  context.faultReason = reason;
  context.faultDetail = detail;
  context.retryable = false;
  return Outcome.fault;
}

/** A fault of the outside, which may be over by the next try: only these are retried (conduct.ts). */
export function retryableFault(context: RunContext, reason: FaultReason, detail: string): Outcome {
  fault(context, reason, detail);
  context.retryable = true;
  return Outcome.fault;
}

/** A random id for what a step sends out. The tries of one step share it, so a target that has it knows the second. */
export function effectIdOf(context: RunContext): string {
  return context.effectId !== "" ? context.effectId : context.ports.ids.uuid();
}

/** The event's id: `internal:messageID` where the host gave one, else made now. Updates of state are idempotent by it. */
export function eventIdOf(context: RunContext): string {
  if (context.eventId === "") {
    const given = getOwn(context.event.side, "internal:messageID");
    context.eventId = typeof given === "string" ? given : context.ports.ids.uuid();
  }
  return context.eventId;
}
