/**
 * Everything the `mem:` systems keep, as one object that a runtime owns: nothing lives in the module, so two runtimes in
 * one process share nothing, and a test looks inside.
 */
import type { KeyValueStore, ObjectStore, Publisher, StateStore, SystemError } from "../core/ports.ts";
import { CONFLICT, failure } from "./failure.ts";
import { type MemoryState, newMemoryState, STATE_LIMITS } from "./memory-state.ts";

/** A mirror that nobody empties must not eat the process: past this much, `mem:` stores refuse. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;

/** Called with each message of a topic, in the order of publishing. */
export type Subscriber = (id: string, message: Uint8Array) => void;

export type MemoryStore = KeyValueStore & ObjectStore & { keys(): string[] };

/** What the `mem:` systems keep their things in: this process's memory, or another's. */
export type Stores = {
  keyValueStore(name: string): KeyValueStore;
  state(name: string): StateStore;
  objectStore(instance: string): ObjectStore;
  topic(name: string): Publisher;
};

export type Memory = {
  /** the key-value store of the external system `name`: each external has its own */
  keyValueStore(name: string): MemoryStore;
  /** counts and joins of the external system `name`, apart from its values */
  state(name: string): MemoryState;
  /** the object store `instance`, one for everybody who names it */
  objectStore(instance: string): MemoryStore;
  topic(name: string): Publisher;
  /** Returns what ends the subscription. */
  subscribe(topic: string, subscriber: Subscriber): () => void;
  /** what all stores hold together */
  bytes(): number;
};

/** What all stores of one Memory may hold together. */
type Budget = { bytes: number; bytesMax: number };

export function newMemory(bytesMax: number = MEMORY_BYTES_MAX): Memory {
  const budget: Budget = { bytes: 0, bytesMax };
  const keyValueStores = new Map<string, MemoryStore>();
  const states = new Map<string, MemoryState>();
  const objectStores = new Map<string, MemoryStore>();
  const subscribers = new Map<string, Set<Subscriber>>();
  return {
    keyValueStore: (name) => findOrAdd(keyValueStores, name, () => newStore(budget, true)),
    state: (name) => findOrAdd(states, name, () => newMemoryState(STATE_LIMITS, Date.now)),
    objectStore: (instance) => findOrAdd(objectStores, instance, () => newStore(budget, false)),
    topic: (name) => newTopic(findOrAdd(subscribers, name, newSubscribers)),
    subscribe(topic, subscriber) {
      const set = findOrAdd(subscribers, topic, newSubscribers);
      set.add(subscriber);
      return () => {
        set.delete(subscriber);
      };
    },
    bytes: () => budget.bytes,
  };
}

function findOrAdd<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function newSubscribers(): Set<Subscriber> {
  return new Set();
}

// Key-value stores overwrite. An object stays as it was put (agglo-behaviour 5.4); putting the same once more, as a retry
// does, is no conflict.
function newStore(budget: Budget, overwrites: boolean): MemoryStore {
  const values = new Map<string, Uint8Array>();
  const set = (key: string, value: Uint8Array | undefined): SystemError | undefined => {
    const growth = sizeOf(key, value) - sizeOf(key, values.get(key));
    if (growth > 0 && budget.bytes + growth > budget.bytesMax) return full(budget);
    budget.bytes += growth;
    if (value === undefined) values.delete(key);
    else values.set(key, copyOf(value));
    return undefined;
  };
  return {
    async put(key, value) {
      const before = values.get(key);
      if (before !== undefined && !overwrites) return sameBytes(before, value) ? undefined : CONFLICT;
      return set(key, value);
    },
    async get(key) {
      const value = values.get(key);
      return value === undefined ? undefined : copyOf(value);
    },
    async delete(key) {
      return set(key, undefined);
    },
    async compareAndSet(key, before, next) {
      return sameBytes(values.get(key), before) ? set(key, next) : CONFLICT;
    },
    list: async (prefix) => [...values.keys()].filter((key) => key.startsWith(prefix)),
    keys: () => [...values.keys()],
  };
}

// Not slice(): a Buffer's is a view, and its owner goes on writing.
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function sizeOf(key: string, value: Uint8Array | undefined): number {
  return value === undefined ? 0 : key.length * 2 + value.byteLength;
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}

function full(budget: Budget): SystemError {
  return failure("full", `the stores in memory hold ${budget.bytes} of ${budget.bytesMax} bytes`, false);
}

function newTopic(subscribers: ReadonlySet<Subscriber>): Publisher {
  return {
    async publish(id, message) {
      let failed: SystemError | undefined;
      for (const subscriber of subscribers) {
        try {
          subscriber(id, copyOf(message));
        } catch (thrown) {
          // One subscriber's fault is not the others': they still get the message.
          failed = failure("subscriber", `a subscriber failed: ${String(thrown)}`, false);
        }
      }
      return failed;
    },
  };
}
