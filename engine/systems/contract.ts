/**
 * What every implementation of a port keeps, as suites that each system's test calls: one for the way of an event to any
 * system, one more for each port that can do more than take events.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KeyValueStore, ObjectStore, Publisher } from "../core/ports.ts";
import { isSystemError } from "./failure.ts";
import { sendEvent } from "./send.ts";
import type { OpenedSystem } from "./system.ts";

/** A system opened for one test, with a way to look at what arrived. */
export type Bench = {
  opened: OpenedSystem;
  /** what arrived under an id, without the line end a key-value store adds; undefined for nothing */
  arrived(id: string): Promise<string | undefined>;
  /** ids that arrived, sorted */
  ids(): Promise<string[]>;
  /** closes the system and whatever stands behind it */
  end(): Promise<void>;
};

/** Nothing here may end up outside of where the system writes, or break a header. */
const HOSTILE_IDS = ["", ".", "..", "../out", "a/b", "/etc/x", "a\0b", "a\r\nx: y", ".hidden", "é", "x".repeat(5000)];
const PAYLOADS = ['{"a":1}', '{"text":"é 😀 \\ud800 \\u0000"}', JSON.stringify({ long: "é".repeat(300_000) })];

export function takesEvents(name: string, open: () => Promise<Bench>): void {
  describe(`${name} takes events:`, () => {
    let bench: Bench;
    beforeEach(async () => {
      bench = await open();
    });
    afterEach(() => bench.end());

    test.each(PAYLOADS.map((payload) => [payload.slice(0, 30), payload]))(
      "%s arrives as it was",
      async (_, payload) => {
        expect(isSystemError(await sendEvent(bench.opened.port, "id-1", payload))).toBe(false);
        expect(await bench.arrived("id-1")).toBe(payload);
      },
    );

    test("the same event sent again, as a retry does, is no error and one event", async () => {
      await sendEvent(bench.opened.port, "id-1", '{"a":1}');
      expect(isSystemError(await sendEvent(bench.opened.port, "id-1", '{"a":1}'))).toBe(false);
      expect(new Set(await bench.ids())).toEqual(new Set(["id-1"]));
    });

    test("a hundred at once all arrive, each its own", async () => {
      const ids = Array.from({ length: 100 }, (_, i) => `id-${100 + i}`);
      const sent = await Promise.all(ids.map((id) => sendEvent(bench.opened.port, id, `{"id":"${id}"}`)));
      expect(sent.filter(isSystemError)).toEqual([]);
      expect(await bench.ids()).toEqual(ids);
      for (const id of ids) expect(await bench.arrived(id)).toBe(`{"id":"${id}"}`);
    });

    test("an id that spells a path or breaks a header arrives under itself or is refused for good", async () => {
      for (const id of HOSTILE_IDS) {
        const sent = await sendEvent(bench.opened.port, id, '{"a":1}');
        if (isSystemError(sent)) expect(sent).toMatchObject({ code: "badId", retryable: false });
        else expect(await bench.arrived(id)).toBe('{"a":1}');
      }
    });

    test("once closed it says so, and closing twice is fine", async () => {
      await bench.opened.close();
      await bench.opened.close();
      expect(await sendEvent(bench.opened.port, "id-1", "{}")).toMatchObject({ code: "closed", retryable: false });
      expect(await bench.ids()).toEqual([]);
    });
  });
}

/** Keys that a store of another make trips over. */
const HOSTILE_KEYS = ["a", "a:b", "abcd", "__proto__", "constructor", "../a", " ", "é😀", "x".repeat(1000)];
const MANY_KEYS = 10_000;
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, i) => i);

/** `open` gives a store that is empty. */
export function keepsValues(name: string, open: () => KeyValueStore | Promise<KeyValueStore>): void {
  describe(`${name} keeps values:`, () => {
    let store: KeyValueStore;
    beforeEach(async () => {
      store = await open();
    });

    test("a key that was never put has none", async () => {
      expect(await store.get("missing")).toBeUndefined();
    });

    test("hostile keys are keys like any other", async () => {
      for (const key of HOSTILE_KEYS) expect(await store.put(key, Buffer.from(`value of ${key}`))).toBeUndefined();
      for (const key of HOSTILE_KEYS) expect(textOf(await store.get(key))).toBe(`value of ${key}`);
    });

    test("putting again replaces", async () => {
      await store.put("a", Buffer.from("one"));
      expect(await store.put("a", Buffer.from("two"))).toBeUndefined();
      expect(textOf(await store.get("a"))).toBe("two");
    });

    test("any byte is kept, and the caller's buffer is the caller's", async () => {
      const value = Buffer.from(EVERY_BYTE);
      const put = store.put("a", value);
      await put;
      value.fill(0);
      expect(await store.get("a")).toEqual(EVERY_BYTE);
    });

    test("a key that was deleted has no value, and deleting it again is no error", async () => {
      await store.put("a", Buffer.from("one"));
      await store.put("a:b", Buffer.from("two"));
      expect(await store.delete("a")).toBeUndefined();
      expect(await store.delete("a")).toBeUndefined();
      expect(await store.get("a")).toBeUndefined();
      expect(textOf(await store.get("a:b"))).toBe("two");
    });

    test("an empty value is a value", async () => {
      await store.put("a", new Uint8Array(0));
      expect(await store.get("a")).toEqual(new Uint8Array(0));
    });

    test("a prefix lists what begins with it and nothing else, hostile names included", async () => {
      for (const key of HOSTILE_KEYS) await store.put(key, Buffer.from("x"));
      for (const prefix of ["a", "a:", "abcd", "__", " ", "é", "xx"]) {
        const listed = await store.list(prefix);
        expect([...(listed as string[])].sort()).toEqual(HOSTILE_KEYS.filter((key) => key.startsWith(prefix)).sort());
      }
      expect(await store.list("nothing")).toEqual([]);
    });

    test(`${MANY_KEYS} keys are listed, each once`, { timeout: 120_000 }, async () => {
      const keys = Array.from({ length: MANY_KEYS }, (_, i) => `many:${i}:${"k".repeat(100)}`);
      const put = async (key: string) => expect(await store.put(key, EVERY_BYTE)).toBeUndefined();
      for (let i = 0; i < keys.length; i += 50) await Promise.all(keys.slice(i, i + 50).map(put));
      expect([...((await store.list("many:")) as string[])].sort()).toEqual(keys.sort());
    });
  });
  comparesAndSets(name, open);
}

function comparesAndSets(name: string, open: () => KeyValueStore | Promise<KeyValueStore>): void {
  describe(`${name} compares and sets:`, () => {
    let store: KeyValueStore;
    beforeEach(async () => {
      store = await open();
    });
    const one = Buffer.from("one");
    const two = Buffer.from("two");

    test("only what is as expected becomes something else", async () => {
      expect(await store.compareAndSet("a", one, two)).toMatchObject({ code: "conflict", retryable: false });
      expect(await store.compareAndSet("a", undefined, one)).toBeUndefined();
      expect(await store.compareAndSet("a", undefined, two)).toMatchObject({ code: "conflict" });
      expect(await store.compareAndSet("a", two, two)).toMatchObject({ code: "conflict" });
      expect(textOf(await store.get("a"))).toBe("one");
      expect(await store.compareAndSet("a", one, two)).toBeUndefined();
      expect(textOf(await store.get("a"))).toBe("two");
    });

    test("only what is as expected goes", async () => {
      await store.put("a", one);
      expect(await store.compareAndSet("a", two, undefined)).toMatchObject({ code: "conflict" });
      expect(await store.compareAndSet("a", one, undefined)).toBeUndefined();
      expect(await store.get("a")).toBeUndefined();
      expect(await store.compareAndSet("a", undefined, undefined)).toBeUndefined();
      expect(await store.compareAndSet("a", one, undefined)).toMatchObject({ code: "conflict" });
    });

    test("an empty value is not the same as none", async () => {
      await store.put("a", new Uint8Array(0));
      expect(await store.compareAndSet("a", undefined, one)).toMatchObject({ code: "conflict" });
      expect(await store.compareAndSet("a", new Uint8Array(0), EVERY_BYTE)).toBeUndefined();
      expect(await store.compareAndSet("a", EVERY_BYTE, one)).toBeUndefined();
    });

    test("of 200 that count at once every one is counted", { timeout: 60_000 }, async () => {
      const count = async (): Promise<void> => {
        const before = await store.get("n");
        if (isSystemError(before)) throw new Error(before.message);
        const next = Buffer.from(String(1 + (before === undefined ? 0 : Number(textOf(before)))));
        const error = await store.compareAndSet("n", before, next);
        if (error === undefined) return;
        expect(error).toMatchObject({ code: "conflict" });
        await count();
      };
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          for (let i = 0; i < 10; i++) await count();
        }),
      );
      expect(textOf(await store.get("n"))).toBe("200");
    });
  });
}

function textOf(value: Uint8Array | undefined | object): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : `no value: ${JSON.stringify(value)}`;
}

/** `open` gives a store without objects. */
export function keepsObjects(name: string, open: () => ObjectStore | Promise<ObjectStore>): void {
  describe(`${name} keeps objects:`, () => {
    test("an object put again as it was is no conflict", async () => {
      const objects = await open();
      expect(await objects.put("a", EVERY_BYTE)).toBeUndefined();
      expect(await objects.put("a", EVERY_BYTE)).toBeUndefined();
    });

    test("another object under its key is refused for good", async () => {
      const objects = await open();
      await objects.put("a", Buffer.from("one"));
      expect(await objects.put("a", Buffer.from("two"))).toMatchObject({ code: "conflict", retryable: false });
    });

    test("of many that put at once under one key, those with the first one's bytes have done it", async () => {
      const objects = await open();
      const puts = Array.from({ length: 16 }, (_, i) => objects.put("race", Buffer.from(String(i % 2))));
      const settled = (await Promise.all(puts)).map((error) => error?.code ?? "done");
      const sides = [settled.filter((_, i) => i % 2 === 0), settled.filter((_, i) => i % 2 === 1)];
      expect(sides.map((side) => new Set(side).size)).toEqual([1, 1]);
      expect(new Set(settled)).toEqual(new Set(["done", "conflict"]));
    });
  });
}

export type Subscribe = (subscriber: (id: string, message: Uint8Array) => void) => () => void;

export function publishes(name: string, open: () => { publisher: Publisher; subscribe: Subscribe }): void {
  describe(`${name} publishes:`, () => {
    test("without a subscriber nothing is wrong", async () => {
      expect(await open().publisher.publish("1", Buffer.from("x"))).toBeUndefined();
    });

    test("every subscriber gets every message in order, until it ends", async () => {
      const { publisher, subscribe } = open();
      const seen: string[] = [];
      subscribe((id, message) => seen.push(`one ${id} ${Buffer.from(message)}`));
      const end = subscribe((id) => seen.push(`two ${id}`));
      await publisher.publish("1", Buffer.from("a"));
      end();
      await publisher.publish("2", Buffer.from("b"));
      expect(seen).toEqual(["one 1 a", "two 1", "one 2 b"]);
    });

    test("a subscriber that throws is an error value, and the others are served", async () => {
      const { publisher, subscribe } = open();
      const seen: string[] = [];
      subscribe(() => {
        throw new Error("no");
      });
      subscribe((id) => seen.push(id));
      expect(await publisher.publish("1", Buffer.from("a"))).toMatchObject({ code: "subscriber", retryable: false });
      expect(seen).toEqual(["1"]);
    });
  });
}
