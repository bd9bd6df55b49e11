/**
 * State from another thread: the stores live in the main thread, workers ask for updates over a message port
 * (thread-calls.ts). The main thread does them one after the other, so counts are as exact as with one thread.
 */
import type { MessagePort } from "node:worker_threads";
import type { States } from "../core/ports.ts";
import { failedAnswer, type StateAnswer, type StateUpdate } from "../core/state/update.ts";
import { answerCalls, remoteCalls } from "./thread-calls.ts";

type Question = { store: string; update: StateUpdate };

/** Answers what comes in over `port` from the stores of this thread. Returns the answers that are still to come. */
export function serveStates(port: MessagePort, states: States): ReadonlySet<Promise<void>> {
  return answerCalls<Question, StateAnswer>(port, ({ store, update }) => states.update(store, update));
}

/** The States port of a worker whose `port` somebody serves. */
export function remoteStates(port: MessagePort): States {
  const ask = remoteCalls<Question, StateAnswer>(port, GONE, STUCK);
  return { update: (store, update) => ask({ store, update }) };
}

const GONE = failedAnswer("the thread that keeps the state is gone", "error", false);
const STUCK = failedAnswer("the thread that keeps the state does not answer", "overload", true);
