/**
 * Questions from one process to another, and their answers, over whatever carries messages both ways:
 *
 *   newAsker(port)(question) -> {id, question} -> answerOn(port, answer)
 *          promise resolves  <-  {id, answer}  <-
 */
import type { ChildProcess } from "node:child_process";

/** One end of a way to another process. */
export type Port = {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** The other end is gone. */
  onClose(listener: () => void): void;
};

export type AskerOptions<Answer> = {
  /** unanswered questions at a time; one more gets `stuck` at once */
  waitingMax: number;
  stuck: Answer;
  /** what everybody gets whose answer cannot come any more */
  gone: Answer;
};

/** Never rejects. */
export type Ask<Question, Answer> = (question: Question) => Promise<Answer>;

export function newAsker<Question, Answer>(port: Port, options: AskerOptions<Answer>): Ask<Question, Answer> {
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  let closed = false;
  port.onMessage((message) => {
    const { id, answer } = message as { id: number; answer: Answer };
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(answer);
  });
  port.onClose(() => {
    closed = true;
    for (const resolve of waiting.values()) resolve(options.gone);
    waiting.clear();
  });
  return async (question) => {
    if (closed) return options.gone;
    if (waiting.size >= options.waitingMax) return options.stuck;
    const id = ++last;
    port.post({ id, question });
    return await new Promise<Answer>((resolve) => waiting.set(id, resolve));
  };
}

/** `answer` must not throw or reject. */
export function answerOn<Question, Answer>(port: Port, answer: (question: Question) => Promise<Answer>): void {
  port.onMessage((message) => {
    const { id, question } = message as { id: number; question: Question };
    void answer(question).then((settled) => port.post({ id, answer: settled }));
  });
}

/**
 * The way between a process and its child, as seen from either; each topic is a way of its own. The child must have been
 * forked with `serialization: "advanced"`: bytes stay bytes.
 */
export function ipcPort(peer: ChildProcess | NodeJS.Process, topic: string): Port {
  return {
    // What cannot be sent any more is answered by `onClose`.
    post: (message) => void peer.send?.({ topic, message }, undefined, undefined, () => {}),
    onMessage: (listener) =>
      void peer.on("message", (sent: { topic?: unknown; message?: unknown } | null) => {
        if (sent?.topic === topic) listener(sent.message);
      }),
    onClose: (listener) => void peer.once("disconnect", listener),
  };
}
