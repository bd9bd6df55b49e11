/** Events are on disk before they are answered; workers run them afterwards (workers.ts). */
import type { DurableLog } from "../engine/runtime/durable-log/log.ts";
import { isLogFailure, type LogFailure } from "../engine/runtime/durable-log/log-failure.ts";
import { type Runtimes, withRuntime } from "../engine/runtime/generations.ts";
import { answerPost, overloaded, type PostAnswer, refusePost } from "../engine/runtime/post-answer.ts";
import { messageIdOf } from "../engine/runtime/posts.ts";
import type { Take } from "./requests.ts";

export function keepFirst(log: DurableLog, runtimes: Runtimes): Take {
  return async (post) => {
    const { id, output, accept } = post;
    if (output) return { answer: refusePost(400, NO_OUTPUT, accept), id: "" };
    const split = await withRuntime(runtimes, ({ posts }) => posts.split(post));
    if (split.answer !== undefined) return { answer: split.answer, id: "" };
    const { payloads } = split;
    const appending = payloads.map((payload, index) => log.append(payload, messageIdOf(id, payloads.length, index)));
    const failures = (await Promise.all(appending)).filter(isLogFailure);
    const [failure] = failures;
    if (failure !== undefined) return { answer: refused(failure, payloads.length - failures.length, accept), id };
    return { answer: answerPost({ ...NOTHING_FAILED, events: payloads.length }, post), id };
  };
}

const NO_OUTPUT = "events are kept here and run later: there are no final events to answer with";
const NOTHING_FAILED = { finals: [], failures: [], unreadable: "" };

function refused({ code, message }: LogFailure, kept: number, accept: string): PostAnswer {
  const detail = kept === 0 ? message : `${message}; ${kept} of the events are kept nevertheless`;
  return code === "tooLarge" ? refusePost(413, detail, accept) : overloaded(detail, accept);
}
