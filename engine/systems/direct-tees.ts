/** The Tees port for hosts whose pipelines wait for their tees, as the original's do: each goes straight to its system. */
import { isObject } from "../core/event/json.ts";
import { parseText } from "../core/event/parse.ts";
import {
  type Counters,
  type Delivery,
  REPLY_DEPTH_MAX,
  type SystemError,
  type TeeSending,
  type Tees,
  type TeeTarget,
} from "../core/ports.ts";
import { failure, isSystemError } from "./failure.ts";
import { keyPrefixAt, type Outgoing, type Sent, send } from "./send.ts";
import type { SystemPort } from "./system.ts";

/** Sends in one call, whatever the target is. Never rejects, and always answers. */
export type Deliver = (target: TeeTarget, outgoing: Outgoing) => Promise<Sent | SystemError>;

/** Sends to the open system that `find` gives for a target. */
export function deliverTo(find: (target: TeeTarget) => SystemPort | undefined): Deliver {
  return async (target, outgoing) => {
    const port = find(target);
    if (port === undefined) return failure("notOpen", `the system "${target.name}" is not open`, false);
    return send(port, outgoing);
  };
}

/** For hosts whose pipelines wait for their tees, as the original's do. */
export function directTees(deliver: Deliver, nowMs: () => number, counters: Counters): Tees {
  const sendNow = (target: TeeTarget, sending: TeeSending, id: string, payload: string): Promise<Delivery> => {
    counters.add("teeOffered", target.name, 1);
    const keyPrefix = keyPrefixAt(sending.keyPrefix, nowMs());
    return deliver(target, { id, keyPrefix, body: Buffer.from(payload), codec: null }).then(
      (answer) => settle(counters, target, answer),
      (thrown: unknown) => settle(counters, target, failure("bug", String(thrown), false)),
    );
  };
  return {
    waits: true,
    deliver: sendNow,
    offer: (target, sending, id, payload) => void sendNow(target, sending, id, payload),
  };
}

function settle(counters: Counters, target: TeeTarget, answer: Sent | SystemError): Delivery {
  const delivery = isSystemError(answer)
    ? { error: answer.message, retryable: answer.retryable, response: "" }
    : deliveryOf(target, answer.reply);
  if (isSystemError(answer)) counters.add("teeDropped", `${target.name}|${refusalReason(answer)}`, 1);
  else counters.add("teeSent", target.name, 1);
  return delivery;
}

/**
 * Why an event was lost:
 * - `full`: no room in the queue, or none in the process's memory
 * - `rate`: over the tee's rate
 * - `tooLarge`: larger than the queue's share of memory, or than its target takes
 * - `retries`: the target would not have it, for good or until the retries were used up
 * - `spool`: the disk of its spool failed or is full
 * - `shutdown`: still there when the process ended
 */
export type DropReason = "full" | "rate" | "tooLarge" | "retries" | "spool" | "shutdown";

/** Why an event is lost that its target refused. */
export function refusalReason(error: SystemError): "tooLarge" | "retries" {
  return error.code === "tooLarge" || error.code === "http413" ? "tooLarge" : "retries";
}

/** A reply is a JSON object or nothing; `null` and `{}` are nothing too (agglo-behaviour 3.7, 11). */
function deliveryOf(target: TeeTarget, reply: string): Delivery {
  const text = reply.trim();
  if (text === "") return { error: "", retryable: false, response: "" };
  const parsed = parseText(text, 0, text.length, REPLY_DEPTH_MAX);
  const object = isObject(parsed.value) ? parsed.value : undefined;
  // A key that stands twice is no error here: the last one counts, as in the original.
  if (parsed.fault === "unparsable" || (object === undefined && parsed.value !== null)) {
    const found = parsed.fault === "unparsable" ? `: ${parsed.detail}` : "";
    return { error: `the reply of "${target.name}" is not a JSON object${found}`, retryable: false, response: "" };
  }
  const isNothing = object === undefined || Object.keys(object).length === 0;
  return { error: "", retryable: false, response: isNothing ? "" : text };
}
