/** The small ports of core on Node: time, ids, keyed hashes; and the timers that the runtime itself waits with. */
import { createHmac, createSecretKey, type KeyObject, randomUUID } from "node:crypto";
import type { Clock, Delays, Hmacs, Ids, Random } from "../core/ports.ts";
import type { SecretError, Secrets } from "./secrets.ts";

export function systemClock(): Clock {
  return { nowMs: () => Date.now(), localTime: () => rfc3339(new Date()) };
}

/** As Go's time.RFC3339 prints it: the offset of the time zone, `Z` where there is none. */
export function rfc3339(date: Date): string {
  const offsetMinutes = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offsetMinutes * 60_000).toISOString().slice(0, 19);
  return local + (offsetMinutes === 0 ? "Z" : offsetText(offsetMinutes));
}

function offsetText(offsetMinutes: number): string {
  const minutes = Math.abs(offsetMinutes);
  const sign = offsetMinutes < 0 ? "-" : "+";
  return `${sign}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}

export type Timers = {
  /** Calls back after the work at hand. */
  soon(callback: () => void): void;
  /** Calls back once after so many milliseconds; returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void;
};

export function nodeTimers(): Timers {
  return {
    soon: (callback) => void setImmediate(callback),
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  };
}

export function nodeDelays(timers: Timers): Delays {
  return { sleep: (delayMs) => new Promise((resolve) => timers.after(delayMs, resolve)) };
}

export function mathRandom(): Random {
  return { fraction: Math.random };
}

export function uuidIds(): Ids {
  return { uuid: () => randomUUID() };
}

/** Keys by the reference that names them in the plan. Each can be sent to another thread, its bytes never leave it. */
export type Keys = ReadonlyMap<string, KeyObject>;

export type NodeHmacs = Hmacs & {
  /**
   * Resolves the keys that a plan names, once, before it runs. Each that cannot be resolved is an error; a plan with one
   * must not be started.
   */
  prepare(references: readonly string[]): SecretError[];
  /** what was prepared */
  keys: Keys;
};

export function nodeHmacs(resolve: Secrets["resolve"]): NodeHmacs {
  const keys = new Map<string, KeyObject>();
  return {
    ...keyedHmacs(keys),
    keys,
    prepare(references) {
      const errors: SecretError[] = [];
      for (const reference of new Set(references)) {
        const resolved = resolve(reference);
        if ("error" in resolved) errors.push(resolved);
        else keys.set(reference, createSecretKey(resolved.value, "utf8"));
      }
      return errors;
    },
  };
}

export function keyedHmacs(keys: Keys): Hmacs {
  return {
    hmacSha256(reference, text) {
      const key = keys.get(reference);
      // Our own bug, and no answer would do: without the key the text itself or a bare hash would go out.
      if (key === undefined) throw new Error("a key is used that was not prepared at start");
      return createHmac("sha256", key).update(text, "utf8").digest("hex");
    },
  };
}
