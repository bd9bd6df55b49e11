/**
 * Questions from one thread to another over a message port, each answered once.
 *
 *   remoteCalls(port)(question) -> {id, question} -> answerCalls(port, …): the other thread
 *              promise resolves <-  {id, answer}  <-
 */
import type { MessagePort } from "node:worker_threads";

type Asked<Question> = { id: number; question: Question };
type Answered<Answer> = { id: number; answer: Answer };

/** Unanswered questions of one thread; each is an event under way, so more of them means that the other is stuck. */
const WAITING_MAX = 10_000;

/** Answers what is asked over `port`. `answer` never rejects. Returns the answers that are still to come. */
export function answerCalls<Question, Answer extends object>(
  port: MessagePort,
  answer: (question: Question) => Answer | Promise<Answer>,
): ReadonlySet<Promise<void>> {
  const open = new Set<Promise<void>>();
  port.on("message", ({ id, question }: Asked<Question>) => {
    const send = (settled: Answer): void => port.postMessage({ id, answer: settled } satisfies Answered<Answer>);
    const answered = answer(question);
    if (!(answered instanceof Promise)) {
      send(answered);
      return;
    }
    const sent = answered.then(send).finally(() => open.delete(sent));
    open.add(sent);
  });
  return open;
}

/** Asks over a `port` that somebody answers: `gone` when its other end is closed, `stuck` when too much is unanswered. */
export function remoteCalls<Question, Answer extends object>(
  port: MessagePort,
  gone: Answer,
  stuck: Answer,
): (question: Question) => Answer | Promise<Answer> {
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  let closed = false;
  port.on("message", ({ id, answer }: Answered<Answer>) => {
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(answer);
  });
  port.on("close", () => {
    closed = true;
    for (const resolve of waiting.values()) resolve(gone);
    waiting.clear();
  });
  return (question) => {
    if (closed) return gone;
    if (waiting.size >= WAITING_MAX) return stuck;
    const id = ++last;
    port.postMessage({ id, question } satisfies Asked<Question>);
    return new Promise((resolve) => waiting.set(id, resolve));
  };
}
