import { afterEach, describe, expect, test } from "vitest";
import { nodeHmacs, rfc3339, systemClock, uuidIds } from "./ports.ts";
import { newSecrets } from "./secrets.ts";

describe("the local time", () => {
  const zone = process.env.TZ;
  afterEach(() => {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  });

  test.each([
    ["UTC", "2026-11-24T10:02:31Z"],
    ["Europe/Berlin", "2026-11-24T11:02:31+01:00"],
    ["America/St_Johns", "2026-11-24T06:32:31-03:30"],
    ["Asia/Kathmandu", "2026-11-24T15:47:31+05:45"],
    ["Pacific/Kiritimati", "2026-11-25T00:02:31+14:00"],
  ])("in %s is %s", (timeZone, expected) => {
    process.env.TZ = timeZone;
    expect(rfc3339(new Date("2026-11-24T10:02:31.999Z"))).toBe(expected);
  });

  test("is the clock's own moment, to the second", () => {
    const clock = systemClock();
    const before = Math.floor(clock.nowMs() / 1000);
    const seconds = Date.parse(clock.localTime()) / 1000;
    expect(seconds).toBeGreaterThanOrEqual(before);
    expect(seconds).toBeLessThanOrEqual(clock.nowMs() / 1000);
  });
});

describe("an id", () => {
  test("is a UUID of version 4, and never the same", () => {
    const ids = uuidIds();
    const made = Array.from({ length: 1000 }, () => ids.uuid());
    for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(made).size).toBe(1000);
  });
});

describe("a keyed hash", () => {
  test("is HMAC-SHA-256 in hex (RFC 4231, test case 2)", () => {
    const hmacs = nodeHmacs(newSecrets({ KEY: "Jefe" }).resolve);
    expect(hmacs.prepare(["${env:KEY}"])).toEqual([]);
    expect(hmacs.hmacSha256("${env:KEY}", "what do ya want for nothing?")).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
  });

  test("takes the key as it was at the start", () => {
    const environment = { KEY: "one" };
    const hmacs = nodeHmacs(newSecrets(environment).resolve);
    hmacs.prepare(["${env:KEY}"]);
    const before = hmacs.hmacSha256("${env:KEY}", "é😀");
    environment.KEY = "two";
    expect(hmacs.hmacSha256("${env:KEY}", "é😀")).toBe(before);
  });

  test("misses every key at once, at the start", () => {
    const hmacs = nodeHmacs(newSecrets({ KEY: "k" }).resolve);
    const missing = hmacs.prepare(["${env:A}", "${env:KEY}", "${env:B}", "${env:A}"]);
    expect(missing.map((error) => error.error)).toEqual(["the environment has no A", "the environment has no B"]);
  });

  test("never answers without its key", () => {
    const hmacs = nodeHmacs(newSecrets({}).resolve);
    expect(() => hmacs.hmacSha256("${env:KEY}", "text")).toThrow("not prepared");
  });
});
