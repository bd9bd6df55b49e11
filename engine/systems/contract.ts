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

export function keepsValues(name: string, open: () => KeyValueStore): void {
  describe(`${name} keeps values:`, () => {
    test("a key that was never put has none", async () => {
      expect(await open().get("missing")).toBeUndefined();
    });

    test("hostile keys are keys like any other", async () => {
      const store = open();
      for (const key of HOSTILE_KEYS) expect(await store.put(key, Buffer.from(`value of ${key}`))).toBeUndefined();
      for (const key of HOSTILE_KEYS) expect(textOf(await store.get(key))).toBe(`value of ${key}`);
    });

    test("putting again replaces", async () => {
      const store = open();
      await store.put("a", Buffer.from("one"));
      expect(await store.put("a", Buffer.from("two"))).toBeUndefined();
      expect(textOf(await store.get("a"))).toBe("two");
    });

    test("any byte is kept, and the caller's buffer is the caller's", async () => {
      const store = open();
      const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      await store.put("a", value);
      value.fill(0);
      const kept = await store.get("a");
      expect(kept).toEqual(Uint8Array.from({ length: 256 }, (_, i) => i));
    });

    test("a key that was deleted has no value, and deleting it again is no error", async () => {
      const store = open();
      await store.put("a", Buffer.from("one"));
      await store.put("a:b", Buffer.from("two"));
      expect(await store.delete("a")).toBeUndefined();
      expect(await store.delete("a")).toBeUndefined();
      expect(await store.get("a")).toBeUndefined();
      expect(textOf(await store.get("a:b"))).toBe("two");
    });

    test("an empty value is a value", async () => {
      const store = open();
      await store.put("a", new Uint8Array(0));
      expect(await store.get("a")).toEqual(new Uint8Array(0));
    });
  });
}

function textOf(value: Uint8Array | undefined | object): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : `no value: ${JSON.stringify(value)}`;
}

export function keepsObjects(name: string, open: () => ObjectStore): void {
  describe(`${name} keeps objects:`, () => {
    test("an object put again as it was is no conflict", async () => {
      const objects = open();
      expect(await objects.put("a", Buffer.from("one"))).toBeUndefined();
      expect(await objects.put("a", Buffer.from("one"))).toBeUndefined();
    });

    test("another object under its key is refused for good", async () => {
      const objects = open();
      await objects.put("a", Buffer.from("one"));
      expect(await objects.put("a", Buffer.from("two"))).toMatchObject({ code: "conflict", retryable: false });
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
