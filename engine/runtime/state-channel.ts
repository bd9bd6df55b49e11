/**
 * State from another thread: the stores live in the main thread, workers ask for updates over a message port. The main
 * thread does them one after the other, so counts are as exact as with one thread.
 *
 *   worker: remoteStates(port).update(…) -> {id, store, update} -> serveStates(port, states): main thread
 *                      promise resolves  <-    {id, answer}     <-
 */
import type { MessagePort } from "node:worker_threads";
import type { States } from "../core/ports.ts";
import { failedAnswer, type StateAnswer, type StateUpdate } from "../core/state/update.ts";

type Request = { id: number; store: string; update: StateUpdate };
type Reply = { id: number; answer: StateAnswer };

/** Unanswered updates of one worker; each is an event under way, so more of them means that the main thread is stuck. */
const WAITING_MAX = 10_000;

/** Answers what comes in over `port` from the stores of this thread. */
export function serveStates(port: MessagePort, states: States): void {
  port.on("message", ({ id, store, update }: Request) => {
    const send = (answer: StateAnswer): void => port.postMessage({ id, answer } satisfies Reply);
    const answer = states.update(store, update);
    if ("error" in answer) send(answer);
    else void answer.then(send);
  });
}

/** The States port of a worker whose `port` somebody serves. */
export function remoteStates(port: MessagePort): States {
  const waiting = new Map<number, (answer: StateAnswer) => void>();
  let last = 0;
  let closed = false;
  port.on("message", ({ id, answer }: Reply) => {
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(answer);
  });
  port.on("close", () => {
    closed = true;
    for (const resolve of waiting.values()) resolve(GONE);
    waiting.clear();
  });
  return {
    update(store, update) {
      if (closed) return GONE;
      if (waiting.size >= WAITING_MAX) return STUCK;
      const id = ++last;
      port.postMessage({ id, store, update } satisfies Request);
      return new Promise((resolve) => waiting.set(id, resolve));
    },
  };
}

const GONE = failedAnswer("the thread that keeps the state is gone", "error", false);
const STUCK = failedAnswer("the thread that keeps the state does not answer", "overload", true);
