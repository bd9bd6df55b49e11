import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Fold } from "../core/state/update.ts";
import { keepsObjects, keepsValues } from "../systems/contract.ts";
import { isSystemError } from "../systems/failure.ts";
import { newMemory, type Stores } from "../systems/memory.ts";
import { ipcPort } from "./asking.ts";
import { remoteStores } from "./shared-stores.ts";

// The process with the stores is a child here and the parent asks: the way has no direction.
const child = fork(fileURLToPath(new URL("./testing/store-process.ts", import.meta.url)), {
  serialization: "advanced",
});
let stores: Stores;
beforeAll(() => {
  stores = remoteStores(ipcPort(child, "stores"));
});
afterAll(() => void child.kill("SIGKILL"));

const fold = (id: string): Fold => ({
  kind: "fold",
  id,
  key: "k",
  path: [],
  numbers: [{ name: "n", operator: "add", operand: 1 }],
  reads: true,
});

let opened = 0;
keepsValues("a key-value store of another process", () => stores.keyValueStore(`store ${++opened}`));
keepsObjects("an object store of another process", () => stores.objectStore(`objects ${++opened}`));

describe("the stores of another process", () => {
  test("keep values as bytes", async () => {
    const store = stores.keyValueStore("a");
    expect(await store.put("k", Buffer.from([0, 255, 10]))).toBeUndefined();
    expect(await store.get("k")).toEqual(expect.objectContaining({ length: 3 }));
    expect([...((await store.get("k")) as Uint8Array)]).toEqual([0, 255, 10]);
    expect(await stores.keyValueStore("b").get("k")).toBeUndefined();
    await store.delete("k");
    expect(await store.get("k")).toBeUndefined();
  });

  test("answer errors as values: an object stays as it was put", async () => {
    const objects = stores.objectStore("o");
    expect(await objects.put("k", Buffer.from("1"))).toBeUndefined();
    expect(await objects.put("k", Buffer.from("2"))).toMatchObject({ code: "conflict", retryable: false });
    expect(await stores.topic("t").publish("id", Buffer.from("x"))).toBeUndefined();
  });

  test("change state as this process's own would, the same update once", async () => {
    const own = newMemory().state("s");
    for (const id of ["1", "2", "2"]) expect(await stores.state("s").update(fold(id))).toEqual(own.update(fold(id)));
  });

  test("are gone with their process: calls answer so, and so do those under way", async () => {
    const open = stores.keyValueStore("a").get("k");
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    await open;
    const late = await stores.keyValueStore("a").get("k");
    expect(late !== undefined && isSystemError(late) && late.code).toBe("gone");
    expect(await stores.state("s").update(fold("9"))).toMatchObject({ reason: "error", retryable: true });
  });
});
