import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import type { ObjectAbout } from "../core/ports.ts";
import { newMemory } from "./memory.ts";
import { findSystem } from "./registry.ts";
import { keyPrefixAt, type Outgoing, send } from "./send.ts";

const LINES = "{}\n{}\n";
const batch: Outgoing = { id: "b1", keyPrefix: "dt=1/", body: Buffer.from(LINES), codec: "ndjson.gz" };

describe("a batch", () => {
  test("is one object under its prefix, its id and its codec, and the store is told what it is", async () => {
    const puts: (string | ObjectAbout | undefined)[] = [];
    const objects = {
      put: async (key: string, _value: Uint8Array, about?: ObjectAbout) => {
        puts.push(key, about);
        return undefined;
      },
    };
    await send({ type: "ExternalObjectStore", objects }, batch);
    expect(puts).toEqual(["dt=1/b1.ndjson.gz", { contentType: "application/x-ndjson", contentEncoding: "gzip" }]);
  });

  test("is one value of a key-value store; only an event by itself gains a line end", async () => {
    const store = newMemory().keyValueStore("kv");
    await send({ type: "ExternalKVStore", store }, { ...batch, codec: "ndjson" });
    await send({ type: "ExternalKVStore", store }, { ...batch, body: Buffer.from("{}"), codec: null });
    expect(store.keys()).toEqual(["dt=1/b1.ndjson", "dt=1/b1"]);
    expect(Buffer.from((await store.get("dt=1/b1.ndjson")) as Uint8Array).toString()).toBe(LINES);
    expect(Buffer.from((await store.get("dt=1/b1")) as Uint8Array).toString()).toBe("{}\n");
  });

  test("is one message with its id, and headers that say how it is written", async () => {
    const published: unknown[] = [];
    const publisher = {
      publish: async (id: string, message: Uint8Array, about?: object) => {
        published.push(id, Buffer.from(message).toString(), about);
        return undefined;
      },
    };
    await send({ type: "ExternalPubSub", publisher }, { ...batch, codec: "json" });
    expect(published).toEqual(["b1", LINES, { key: "", headers: { "content-type": "application/json" } }]);
  });

  test("is one POST with its id, its type and its coding", async () => {
    const seen: IncomingHttpHeaders[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers);
      request.resume().on("end", () => response.end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const connection = findSystem("ExternalHttp", `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    if ("error" in connection) throw new Error(connection.error);
    const opened = await connection.open({ name: "hook", memory: newMemory() });
    if (!("port" in opened)) throw new Error(opened.message);
    expect(await send(opened.port, batch)).toEqual({ reply: "" });
    expect(await send(opened.port, { ...batch, codec: null })).toEqual({ reply: "" });
    await opened.close();
    await new Promise((resolve) => server.close(resolve));
    expect(seen).toMatchObject([
      { "content-type": "application/x-ndjson", "content-encoding": "gzip", "idempotency-key": "b1" },
      { "content-type": "application/json", "idempotency-key": "b1" },
    ]);
    expect(seen[1]?.["content-encoding"]).toBeUndefined();
  });
});

test("a key prefix has the parts of the date in UTC", () => {
  const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  expect(keyPrefixAt("a/{date}/{year}-{month}-{day}T{hour}/", nowMs)).toBe("a/2026-01-02/2026-01-02T03/");
  expect(keyPrefixAt("a/", nowMs)).toBe("a/");
});
