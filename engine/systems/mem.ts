/** `mem:`: key-value stores, objects and topics that live as long as the process (memory.ts). For trying out, and tests. */
import type { SystemDefinition } from "../core/definition.ts";
import type { KeyValueStore, ObjectStore, Publisher, StateStore, SystemType } from "../core/ports.ts";
import { failedAnswer } from "../core/state/update.ts";
import { CLOSED } from "./failure.ts";
import { type OpenedSystem, type Parsed, type Refusal, refuse, type SystemDeps, type SystemPort } from "./system.ts";

export const mem: SystemDefinition = {
  key: "mem",
  summary: "Keeps everything in the memory of this process; gone when it ends.",
  types: ["ExternalKVStore", "ExternalObjectStore", "ExternalPubSub"],
  grammar: "mem:NAME (ExternalKVStore: any name, or just `local`; ExternalPubSub: the topic)",
};

type MemType = "ExternalKVStore" | "ExternalObjectStore" | "ExternalPubSub";
export type MemSettings = Parsed & {
  type: MemType /** instance or topic; not looked at by a key-value store */;
  instance: string;
};

export function parseMem(type: SystemType, connectionString: string): MemSettings | Refusal {
  const instance = connectionString.slice("mem:".length);
  switch (type) {
    case "ExternalKVStore":
      // The original ignores the name, and says this in every tee's metadata.
      return { type, instance: "", outputType: "kvstore", connectionString: "inMemStore" };
    case "ExternalObjectStore":
      return { type, instance, outputType: "object", connectionString: `mem:${instance}` };
    case "ExternalPubSub":
      if (instance === "") return refuse(`"${connectionString}" names no topic`, "write mem:TOPIC");
      return { type, instance, outputType: "pubsub", connectionString: `mem:${instance}` };
    default:
      return refuse(`${type} cannot be in memory`, "");
  }
}

export async function openMem(settings: MemSettings, deps: SystemDeps): Promise<OpenedSystem> {
  const state = { closed: false };
  return {
    port: newPort(settings, deps, state),
    async close() {
      state.closed = true;
    },
  };
}

/** Closing ends this way to the store, not the store: the generation after a reload finds it as it was. */
type State = { closed: boolean };

function newPort(settings: MemSettings, deps: SystemDeps, state: State): SystemPort {
  switch (settings.type) {
    case "ExternalKVStore":
      return {
        type: settings.type,
        store: guardStore(deps.memory.keyValueStore(deps.name), state),
        states: guardStates(deps.memory.state(deps.name), state),
      };
    case "ExternalObjectStore":
      return { type: settings.type, objects: guardObjects(deps.memory.objectStore(settings.instance), state) };
    case "ExternalPubSub":
      return { type: settings.type, publisher: guardPublisher(deps.memory.topic(settings.instance), state) };
  }
}

function guardStore(store: KeyValueStore, state: State): KeyValueStore {
  return {
    put: async (key, value) => (state.closed ? CLOSED : store.put(key, value)),
    get: async (key) => (state.closed ? CLOSED : store.get(key)),
    delete: async (key) => (state.closed ? CLOSED : store.delete(key)),
    compareAndSet: async (key, before, next) => (state.closed ? CLOSED : store.compareAndSet(key, before, next)),
    list: async (prefix) => (state.closed ? CLOSED : store.list(prefix)),
  };
}

function guardStates(states: StateStore, state: State): StateStore {
  return {
    update: (update) => (state.closed ? failedAnswer(CLOSED.message, "error", false) : states.update(update)),
  };
}

function guardObjects(objects: ObjectStore, state: State): ObjectStore {
  return { put: async (key, value, about) => (state.closed ? CLOSED : objects.put(key, value, about)) };
}

function guardPublisher(publisher: Publisher, state: State): Publisher {
  return { publish: async (id, message, about) => (state.closed ? CLOSED : publisher.publish(id, message, about)) };
}
