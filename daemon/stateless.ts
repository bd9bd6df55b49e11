/** Events are run before they are answered, and forgotten then. */
import type { Runtimes } from "../engine/runtime/generations.ts";
import { answerPost } from "../engine/runtime/post-answer.ts";
import { runEvents } from "../engine/runtime/run-text.ts";
import { type Counts, countEvents } from "./counts.ts";
import { messageIdOf, type Take } from "./requests.ts";

export function runAtOnce(runtimes: Runtimes, counts: Counts): Take {
  return async (delivery) => {
    const { events } = delivery.body;
    const runtime = runtimes.enter();
    try {
      const run = await runEvents(runtime, events, (index) => messageIdOf(delivery, index), 0);
      countEvents(counts, events.length, run);
      return answerPost(run, delivery.wanted);
    } finally {
      runtimes.leave(runtime);
    }
  };
}
