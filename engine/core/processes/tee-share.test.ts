import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newRunContext } from "../context.ts";
import { eventOf } from "../event/event.ts";
import type { JsonObject } from "../event/json.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileShare, hashFraction, newBucket, skippedBecause } from "./tee-share.ts";

function setUp(config: Partial<Parameters<typeof compileShare>[0]>) {
  const compiler = testCompiler();
  const share = compileShare({ sample: undefined, rate: undefined, ...config }, compiler, []);
  const ports = testPorts();
  let nowMs = 0;
  ports.clock.nowMs = () => nowMs;
  const bucket = newBucket(share, nowMs);
  return {
    compiler,
    ports,
    at: (ms: number) => {
      nowMs = ms;
    },
    skipped: (value: JsonObject = {}, side: JsonObject = {}, effectId = "") => {
      const context = newRunContext(eventOf(value), ports);
      context.event.side = side;
      context.effectId = effectId;
      return skippedBecause(share, bucket, context);
    },
  };
}

describe("a sample", () => {
  test("by a value is the same for all events with that value, and its share of the values", () => {
    const { skipped } = setUp({ sample: { percent: 25, by: "user.id" } });
    let taken = 0;
    for (let id = 0; id < 4000; id++) {
      const first = skipped({ user: { id } });
      expect(skipped({ user: { id }, other: 1 })).toBe(first);
      if (first === "") taken++;
    }
    expect(taken).toBeGreaterThan(900);
    expect(taken).toBeLessThan(1100);
  });

  test("reads the header that its path names, and the route's section learns of it", () => {
    const { skipped, compiler } = setUp({ sample: { percent: 50, by: "internal:http.headers.x-user" } });
    expect(compiler.reads).toEqual(["internal:http.headers.x-user"]);
    const of = (user: string) => skipped({}, { "internal:http": { headers: { "x-user": user } } });
    expect([..."abcdefgh"].map(of)).toEqual([..."abcdefgh"].map((user) => (hashFraction(user) < 0.5 ? "" : "sample")));
  });

  test("without a value is by chance", () => {
    const { skipped, ports } = setUp({ sample: { percent: 10, by: "id" } });
    const draws = [0, 0.0999, 0.1, 0.9];
    ports.random.fraction = () => draws.shift() as number;
    expect([skipped(), skipped({ id: null }), skipped(), skipped()]).toEqual(["", "", "sample", "sample"]);
  });

  test("by chance is drawn once for all tries of a step", () => {
    const { skipped, ports } = setUp({ sample: { percent: 50, by: undefined } });
    ports.random.fraction = () => expect.fail("drawn anew");
    expect(skipped({}, {}, "a")).toBe(skipped({}, {}, "a"));
    expect(["a", "b", "c", "d", "e", "f"].map((id) => skipped({}, {}, id))).toContain("sample");
  });

  test.each([0, -1, 100.5, Number.NaN])("of %d percent is refused", (percent) => {
    expect(setUp({ sample: { percent, by: undefined } }).compiler.report.diagnostics[0]).toMatchObject({
      code: "E_VALUE",
      path: ["sample", "percent"],
    });
  });
});

describe("a rate", () => {
  test("lets a burst through, then as many as fit the time", () => {
    const { skipped, at } = setUp({ rate: { perSecond: 2, burst: 3 } });
    expect([skipped(), skipped(), skipped(), skipped()]).toEqual(["", "", "", "rate"]);
    at(499);
    expect(skipped()).toBe("rate");
    at(500);
    expect([skipped(), skipped()]).toEqual(["", "rate"]);
    at(60_000);
    expect([skipped(), skipped(), skipped(), skipped()]).toEqual(["", "", "", "rate"]);
  });

  test("takes nothing back when the clock is set back", () => {
    const { skipped, at } = setUp({ rate: { perSecond: 1, burst: undefined } });
    at(5000);
    expect(skipped()).toBe("");
    at(0);
    expect(skipped()).toBe("rate");
    at(1000);
    expect(skipped()).toBe("");
  });

  test("never exceeds burst + perSecond × time, whatever comes when", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 50, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 }),
        (perSecond, burst, gaps) => {
          const { skipped, at } = setUp({ rate: { perSecond, burst } });
          let now = 0;
          let taken = 0;
          for (const gap of gaps) {
            now += gap;
            at(now);
            if (skipped() === "") taken++;
            expect(taken).toBeLessThanOrEqual(burst + (perSecond * now) / 1000 + 1e-6);
          }
        },
      ),
    );
  });

  test("of nothing is refused", () => {
    expect(setUp({ rate: { perSecond: 0, burst: 1 } }).compiler.report.diagnostics[0]?.code).toBe("E_VALUE");
  });
});

test("an event out of the sample costs no token", () => {
  const { skipped, ports } = setUp({ sample: { percent: 50, by: undefined }, rate: { perSecond: 1, burst: 1 } });
  const draws = [0.9, 0.1, 0.1];
  ports.random.fraction = () => draws.shift() as number;
  expect([skipped(), skipped(), skipped()]).toEqual(["sample", "", "rate"]);
});

test("the hash is spread evenly and stays what it is", () => {
  expect([hashFraction(""), hashFraction("a"), hashFraction("user-1"), hashFraction("é😀")]).toMatchInlineSnapshot(`
    [
      0.6689221884589642,
      0.10352621669881046,
      0.4670340372249484,
      0.9683922491967678,
    ]
  `);
  const tenths = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const tenth = Math.floor(hashFraction(`user-${i}`) * 10);
    tenths[tenth] = (tenths[tenth] as number) + 1;
  }
  for (const count of tenths) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
