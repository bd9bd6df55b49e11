/** The Tees port for hosts whose pipelines wait for their tees, as the original's do: each goes straight to its system. */
import { isObject } from "../core/event/json.ts";
import { parseText } from "../core/event/parse.ts";
import type { Counters, Delivery, SystemError, Tees, TeeTarget } from "../core/ports.ts";
import { failure, isSystemError } from "./failure.ts";
import { type Sent, sendEvent } from "./send.ts";
import type { SystemPort } from "./system.ts";

/** Sends one payload, whatever its target is. Never rejects. */
export type Deliver = (target: TeeTarget, id: string, payload: string) => Promise<Sent | SystemError>;

/** Sends to the open system that `find` gives for a target. */
export function deliverTo(find: (target: TeeTarget) => SystemPort | undefined): Deliver {
  return async (target, id, payload) => {
    const port = find(target);
    if (port === undefined) return failure("notOpen", `the system "${target.name}" is not open`, false);
    return sendEvent(port, id, payload);
  };
}

/** For hosts whose pipelines wait for their tees, as the original's do. */
export function directTees(deliver: Deliver, counters: Counters): Tees {
  const send = (target: TeeTarget, id: string, payload: string): Promise<Delivery> => {
    counters.add("teeOffered", target.name, 1);
    return deliver(target, id, payload).then(
      (answer) => settle(counters, target, answer),
      (thrown: unknown) => settle(counters, target, failure("bug", String(thrown), false)),
    );
  };
  return { waits: true, deliver: send, offer: (target, id, payload) => void send(target, id, payload) };
}

function settle(counters: Counters, target: TeeTarget, answer: Sent | SystemError): Delivery {
  const delivery = isSystemError(answer)
    ? { error: answer.message, retryable: answer.retryable, response: "" }
    : deliveryOf(target, answer.reply);
  if (isSystemError(answer)) counters.add("teeDropped", `${target.name}|failed`, 1);
  else counters.add("teeSent", target.name, 1);
  return delivery;
}

/** Deeper replies would overflow whoever prints the event later. */
const REPLY_DEPTH_MAX = 64;

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
