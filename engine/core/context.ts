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
  /** after Outcome.fault */
  faultReason: FaultReason;
  faultDetail: string;
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
    faultReason: "error",
    faultDetail: "",
    refusal: undefined,
    pending: undefined,
    waitingAt: 0,
  };
}

/** Ends a step with a fault. `detail` names fields and types, never values. */
export function fault(context: RunContext, reason: FaultReason, detail: string): Outcome {
  context.faultReason = reason;
  context.faultDetail = detail;
  return Outcome.fault;
}

/** The event's id: `internal:messageID` where the host gave one, else made now. Updates of state are idempotent by it. */
export function eventIdOf(context: RunContext): string {
  if (context.eventId === "") {
    const given = getOwn(context.event.side, "internal:messageID");
    context.eventId = typeof given === "string" ? given : context.ports.ids.uuid();
  }
  return context.eventId;
}
