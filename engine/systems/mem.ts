/** `mem:`: key-value stores, objects and topics that live as long as the process (memory.ts). For trying out, and tests. */
import type { SystemDefinition } from "../core/definition.ts";
import type { SystemType } from "../core/ports.ts";
import { CLOSED } from "./failure.ts";
import { type Closing, guardObjects, guardPublisher, guardStates, guardStore } from "./guard.ts";
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
    probe: async () => (state.closed ? CLOSED : { found: "in the memory of this process" }),
    async close() {
      state.closed = true;
    },
  };
}

// Closing ends this way to the store, not the store: the generation after a reload finds it as it was.
function newPort(settings: MemSettings, deps: SystemDeps, state: Closing): SystemPort {
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
