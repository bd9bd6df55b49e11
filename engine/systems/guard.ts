/** Ports that answer `closed` once their system is: closing ends this way to a system, whatever stands behind it. */
import type { KeyValueStore, LocalFile, ObjectStore, Publisher, StateStore } from "../core/ports.ts";
import { failedAnswer } from "../core/state/update.ts";
import { CLOSED } from "./failure.ts";

export type Closing = { closed: boolean };

export function guardStore(store: KeyValueStore, state: Closing): KeyValueStore {
  return {
    put: async (key, value) => (state.closed ? CLOSED : store.put(key, value)),
    get: async (key) => (state.closed ? CLOSED : store.get(key)),
    delete: async (key) => (state.closed ? CLOSED : store.delete(key)),
    compareAndSet: async (key, before, next) => (state.closed ? CLOSED : store.compareAndSet(key, before, next)),
    list: async (prefix) => (state.closed ? CLOSED : store.list(prefix)),
  };
}

/** At once where the store answers at once. */
export function guardStates(states: StateStore, state: Closing): StateStore {
  return {
    update: (update) => (state.closed ? failedAnswer(CLOSED.message, "error", false) : states.update(update)),
  };
}

export function guardObjects(objects: ObjectStore, state: Closing): ObjectStore {
  return { put: async (key, value, about) => (state.closed ? CLOSED : objects.put(key, value, about)) };
}

export function guardPublisher(publisher: Publisher, state: Closing): Publisher {
  return { publish: async (id, message, about) => (state.closed ? CLOSED : publisher.publish(id, message, about)) };
}

export function guardFile(file: LocalFile, state: Closing): LocalFile {
  return {
    write: async (id, content) => (state.closed ? CLOSED : file.write(id, content)),
    read: async (id) => (state.closed ? CLOSED : file.read(id)),
    remove: async (id) => (state.closed ? CLOSED : file.remove(id)),
  };
}
