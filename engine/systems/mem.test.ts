import { describe, expect, test } from "vitest";
import type { SystemType } from "../core/ports.ts";
import { type Bench, keepsObjects, keepsValues, publishes, takesEvents } from "./contract.ts";
import { openMem, parseMem } from "./mem.ts";
import { type Memory, type MemoryStore, newMemory } from "./memory.ts";
import type { OpenedSystem } from "./system.ts";

async function open(type: SystemType, connectionString: string, memory: Memory, name = "store"): Promise<OpenedSystem> {
  const parsed = parseMem(type, connectionString);
  if ("error" in parsed) throw new Error(parsed.error);
  return openMem(parsed, { name, memory });
}

function lookAt(opened: OpenedSystem, store: MemoryStore): Bench {
  return {
    opened,
    async arrived(id) {
      const value = await store.get(id);
      return value instanceof Uint8Array ? Buffer.from(value).toString("utf8").replace(/\n$/, "") : undefined;
    },
    ids: async () => store.keys().sort(),
    end: () => opened.close(),
  };
}

async function openTopic(): Promise<Bench> {
  const memory = newMemory();
  const received: [string, string][] = [];
  memory.subscribe("orders", (id, message) => received.push([id, Buffer.from(message).toString("utf8")]));
  const opened = await open("ExternalPubSub", "mem:orders", memory);
  return {
    opened,
    arrived: async (id) => received.find((message) => message[0] === id)?.[1],
    ids: async () => received.map((message) => message[0]).sort(),
    end: () => opened.close(),
  };
}

takesEvents("a key-value store in memory", async () => {
  const memory = newMemory();
  return lookAt(await open("ExternalKVStore", "mem:", memory), memory.keyValueStore("store"));
});
takesEvents("an object store in memory", async () => {
  const memory = newMemory();
  return lookAt(await open("ExternalObjectStore", "mem:b", memory), memory.objectStore("b"));
});
takesEvents("a topic in memory", openTopic);
keepsValues("a key-value store in memory", () => newMemory().keyValueStore("store"));
keepsObjects("an object store in memory", () => newMemory().objectStore("b"));
publishes("a topic in memory", () => {
  const memory = newMemory();
  return { publisher: memory.topic("t"), subscribe: (subscriber) => memory.subscribe("t", subscriber) };
});

describe("memory", () => {
  test("gives each external its own key-value store, whatever its connection string", async () => {
    const memory = newMemory();
    const one = await open("ExternalKVStore", "mem:x", memory, "one");
    await open("ExternalKVStore", "mem:x", memory, "two");
    if (one.port.type === "ExternalKVStore") await one.port.store.put("k", Buffer.from("v"));
    expect(memory.keyValueStore("one").keys()).toEqual(["k"]);
    expect(memory.keyValueStore("two").keys()).toEqual([]);
  });

  test("gives everybody who names an instance the same objects, and another runtime others", async () => {
    const memory = newMemory();
    const one = await open("ExternalObjectStore", "mem:x", memory, "one");
    if (one.port.type === "ExternalObjectStore") await one.port.objects.put("k", Buffer.from("v"));
    expect(memory.objectStore("x").keys()).toEqual(["k"]);
    expect(memory.objectStore("y").keys()).toEqual([]);
    expect(newMemory().objectStore("x").keys()).toEqual([]);
  });

  test("outlives the closing of one way to it, as a reload closes the old one", async () => {
    const memory = newMemory();
    const before = await open("ExternalKVStore", "mem:", memory);
    if (before.port.type === "ExternalKVStore") await before.port.store.put("k", Buffer.from("v"));
    const after = await open("ExternalKVStore", "mem:", memory);
    await before.close();
    if (after.port.type === "ExternalKVStore") expect(await after.port.store.get("k")).toEqual(Uint8Array.of(0x76));
    expect.assertions(1);
  });

  test("refuses what would pass its bound over all stores, and counts what is replaced once", async () => {
    const memory = newMemory(20);
    const store = memory.keyValueStore("a");
    expect(await store.put("k", new Uint8Array(10))).toBeUndefined();
    expect(await store.put("k", new Uint8Array(12))).toBeUndefined();
    expect(memory.bytes()).toBe(14);
    expect(await memory.objectStore("b").put("k", new Uint8Array(5))).toMatchObject({ code: "full", retryable: false });
    expect(memory.bytes()).toBe(14);
  });

  test("needs a topic to publish to", () => {
    expect(parseMem("ExternalPubSub", "mem:")).toMatchObject({ code: "E_CONNECTION", remedy: "write mem:TOPIC" });
  });
});
