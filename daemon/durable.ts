/** Events are on disk before they are answered; workers run them afterwards (workers.ts). */
import type { Event } from "../engine/core/event/event.ts";
import type { DurableLog } from "../engine/runtime/durable-log/log.ts";
import { isLogFailure, type LogFailure } from "../engine/runtime/durable-log/log-failure.ts";
import { answerPost, type PostAnswer, refusePost } from "../engine/runtime/post-answer.ts";
import { overloaded } from "./gate.ts";
import { messageIdOf, type Take } from "./requests.ts";

export function keepFirst(log: DurableLog): Take {
  return async (delivery) => {
    const { body, wanted } = delivery;
    if (wanted.output) return refusePost(400, NO_OUTPUT, wanted.accept);
    const appending = body.events.map((event, index) => log.append(payloadOf(event), messageIdOf(delivery, index)));
    const failures = (await Promise.all(appending)).filter(isLogFailure);
    const [failure] = failures;
    if (failure !== undefined) return refused(failure, body.events.length - failures.length, wanted.accept);
    return answerPost({ ...NOTHING_FAILED, events: body.events.length }, wanted);
  };
}

const NO_OUTPUT = "events are kept here and run later: there are no final events to answer with";
const NOTHING_FAILED = { finals: [], failures: [], unreadable: "" };

/** The text of the event as it came. */
function payloadOf({ text, start, end }: Event): Buffer {
  return Buffer.from(text.slice(start, end));
}

function refused({ code, message }: LogFailure, kept: number, accept: string): PostAnswer {
  const detail = kept === 0 ? message : `${message}; ${kept} of the events are kept nevertheless`;
  return code === "tooLarge" ? refusePost(413, detail, accept) : overloaded(detail, accept);
}
