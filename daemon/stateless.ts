/** Events are run before they are answered, and forgotten then. */
import type { Runtimes } from "../engine/runtime/generations.ts";
import { answerPost, type PostAnswer } from "../engine/runtime/post-answer.ts";
import { runEvents, type TextRun } from "../engine/runtime/run-text.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { type Counts, countEvents } from "./counts.ts";
import { type Delivery, messageIdOf, type Take } from "./requests.ts";

export function runAtOnce(runtimes: Runtimes, counts: Counts): Take {
  const answer = (run: TextRun, { wanted }: Delivery): PostAnswer => {
    countEvents(counts, run.events, run);
    return answerPost(run, wanted);
  };
  const answerLater = async (run: Promise<TextRun>, runtime: Runtime, delivery: Delivery): Promise<PostAnswer> => {
    try {
      return answer(await run, delivery);
    } finally {
      runtimes.leave(runtime);
    }
  };
  return (delivery) => {
    const runtime = runtimes.enter();
    let run: TextRun | Promise<TextRun> | undefined;
    try {
      run = runEvents(runtime, delivery.body.events, (index) => messageIdOf(delivery, index), 0);
    } finally {
      if (!(run instanceof Promise)) runtimes.leave(runtime);
    }
    return run instanceof Promise ? answerLater(run, runtime, delivery) : answer(run, delivery);
  };
}
