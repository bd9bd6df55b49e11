import { expect, test } from "vitest";
import type { Fold } from "../core/state/update.ts";
import { openMem, parseMem } from "./mem.ts";
import { newMemory } from "./memory.ts";
import { statesOf } from "./states.ts";
import type { OpenedSystem } from "./system.ts";

const fold: Fold = {
  kind: "fold",
  id: "1",
  key: "k",
  path: ["n"],
  numbers: [{ name: "value", operator: "add", operand: 2 }],
  reads: true,
};

const memory = newMemory();

async function open(name: string, type: "ExternalKVStore" | "ExternalObjectStore"): Promise<OpenedSystem> {
  const parsed = parseMem(type, "mem:x");
  if ("error" in parsed) throw new Error(parsed.error);
  return openMem(parsed, { name, memory });
}

test("each key-value store in memory keeps its own state, answers at once, and outlives the closing of one way to it", async () => {
  const one = await open("one", "ExternalKVStore");
  const two = await open("two", "ExternalKVStore");
  const states = statesOf((name) => (name === "one" ? one.port : two.port));
  expect(states.update("one", fold)).toMatchObject({ error: "", values: { n: { value: 2 } } });
  expect(states.update("one", { ...fold, id: "2" })).toMatchObject({ values: { n: { value: 4 } } });
  expect(states.update("two", fold)).toMatchObject({ values: { n: { value: 2 } } });
  await one.close();
  expect(states.update("one", fold)).toMatchObject({ error: "the system is closed", reason: "error" });
  const again = await open("one", "ExternalKVStore");
  expect(statesOf(() => again.port).update("one", { ...fold, id: "3" })).toMatchObject({ values: { n: { value: 6 } } });
});

test("a store that is not open, is none, or keeps no state says so", async () => {
  const objects = await open("objects", "ExternalObjectStore");
  const plain = await open("plain", "ExternalKVStore");
  if (plain.port.type !== "ExternalKVStore") throw new Error("no key-value store");
  const { type, store } = plain.port;
  const ports = { objects: objects.port, plain: { type, store } };
  const states = statesOf((name) => (name === "gone" ? undefined : ports[name as keyof typeof ports]));
  expect(states.update("gone", fold)).toMatchObject({ error: "it is not open" });
  expect(states.update("objects", fold)).toMatchObject({ error: "it is not open" });
  expect(states.update("plain", fold)).toMatchObject({ error: "it keeps no counts and joins" });
});
