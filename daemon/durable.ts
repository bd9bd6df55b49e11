/** Events are on disk before they are answered; workers run them afterwards (workers.ts). */
import type { DurableLog } from "../engine/runtime/durable-log/log.ts";
import { isLogFailure, type LogFailure } from "../engine/runtime/durable-log/log-failure.ts";
import { type Runtimes, withRuntime } from "../engine/runtime/generations.ts";
import { answerPost, overloaded, type PostAnswer, refusePost } from "../engine/runtime/post-answer.ts";
import { messageIdOf, type Post, type Split } from "../engine/runtime/posts.ts";
import type { Take, Taken } from "./requests.ts";

export function keepFirst(log: DurableLog, runtimes: Runtimes): Take {
  return (post) => {
    if (post.output) return { answer: refusePost(400, NO_OUTPUT, post.accept), id: "" };
    const split = withRuntime(runtimes, ({ posts }) => posts.split(post));
    return split instanceof Promise ? split.then((settled) => keep(log, post, settled)) : keep(log, post, split);
  };
}

async function keep(log: DurableLog, post: Post, { payloads, answer }: Split): Promise<Taken> {
  if (answer !== undefined) return { answer, id: "" };
  const { id } = post;
  const appending = payloads.map((payload, index) => log.append(payload, messageIdOf(id, payloads.length, index)));
  const failures = (await Promise.all(appending)).filter(isLogFailure);
  const [failure] = failures;
  if (failure !== undefined) return { answer: refused(failure, payloads.length - failures.length, post.accept), id };
  return { answer: answerPost({ ...NOTHING_FAILED, events: payloads.length }, post), id };
}

const NO_OUTPUT = "events are kept here and run later: there are no final events to answer with";
const NOTHING_FAILED = { finals: [], failures: [], unreadable: "" };

function refused({ code, message }: LogFailure, kept: number, accept: string): PostAnswer {
  const detail = kept === 0 ? message : `${message}; ${kept} of the events are kept nevertheless`;
  return code === "tooLarge" ? refusePost(413, detail, accept) : overloaded(detail, accept);
}
