/**
 * The `mem:` stores of several processes: one process has them, the others ask it. It does one thing after the other, so
 * what is counted and joined is as exact as with one process, and outlives every process but its own.
 */
import type { ObjectAbout, SystemError } from "../core/ports.ts";
import { failedAnswer, type StateAnswer, type StateUpdate } from "../core/state/update.ts";
import { failure } from "../systems/failure.ts";
import type { Stores } from "../systems/memory.ts";
import { answerOn, newAsker, type Port } from "./asking.ts";

type Question =
  | { do: "update"; store: string; update: StateUpdate }
  | { do: "put"; store: string; key: string; value: Uint8Array }
  | { do: "get" | "delete"; store: string; key: string }
  | { do: "compareAndSet"; store: string; key: string; before: Uint8Array | undefined; next: Uint8Array | undefined }
  | { do: "list"; store: string; prefix: string }
  | { do: "putObject"; store: string; key: string; value: Uint8Array; about: ObjectAbout | undefined }
  | { do: "publish"; topic: string; id: string; message: Uint8Array };

type Answer = StateAnswer | SystemError | Uint8Array | string[] | undefined;

/** Each is an event under way: more of them mean that the process with the stores is stuck. */
const WAITING_MAX = 10_000;
const GONE = failure("gone", "the process that keeps the state is gone", true);
const STUCK = failure("stuck", "the process that keeps the state does not answer", true);

/** Answers what comes in over `port` from these stores. */
export function serveStores(port: Port, stores: Stores): void {
  answerOn<Question, Answer>(port, async (question) => {
    switch (question.do) {
      case "update":
        return stores.state(question.store).update(question.update);
      case "put":
        return stores.keyValueStore(question.store).put(question.key, question.value);
      case "get":
        return stores.keyValueStore(question.store).get(question.key);
      case "delete":
        return stores.keyValueStore(question.store).delete(question.key);
      case "compareAndSet":
        return stores.keyValueStore(question.store).compareAndSet(question.key, question.before, question.next);
      case "list":
        return stores.keyValueStore(question.store).list(question.prefix);
      case "putObject":
        return stores.objectStore(question.store).put(question.key, question.value, question.about);
      case "publish":
        return stores.topic(question.topic).publish(question.id, question.message);
    }
  });
}

/** The stores of a process whose `port` somebody serves. */
export function remoteStores(port: Port): Stores {
  const ask = newAsker<Question, Answer>(port, { waitingMax: WAITING_MAX, stuck: STUCK, gone: GONE });
  const done = (question: Question) => ask(question) as Promise<SystemError | undefined>;
  return {
    state: (store) => ({
      async update(update) {
        const answer = (await ask({ do: "update", store, update })) as StateAnswer | SystemError;
        if (answer === STUCK) return failedAnswer(STUCK.message, "overload", true);
        return answer === GONE ? failedAnswer(GONE.message, "error", true) : (answer as StateAnswer);
      },
    }),
    keyValueStore: (store) => ({
      put: (key, value) => done({ do: "put", store, key, value }),
      get: (key) => ask({ do: "get", store, key }) as Promise<Uint8Array | undefined | SystemError>,
      delete: (key) => done({ do: "delete", store, key }),
      compareAndSet: (key, before, next) => done({ do: "compareAndSet", store, key, before, next }),
      list: (prefix) => ask({ do: "list", store, prefix }) as Promise<string[] | SystemError>,
    }),
    objectStore: (store) => ({ put: (key, value, about) => done({ do: "putObject", store, key, value, about }) }),
    topic: (topic) => ({ publish: (id, message) => done({ do: "publish", topic, id, message }) }),
  };
}
