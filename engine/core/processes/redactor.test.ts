import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newRunContext } from "../context.ts";
import { newEvent } from "../event/event.ts";
import type { JsonObject, JsonValue } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import { stringify, writeEvent } from "../event/write.ts";
import { link } from "../link.ts";
import { Outcome } from "../outcome.ts";
import { runPipelines } from "../pipeline.ts";
import { testCompiler, testPorts } from "../testing.ts";
import { compileRedactor, MATCHES_MAX } from "./redactor.ts";

type Rule = Parameters<typeof compileRedactor>[0]["rules"][number];
const nothing = { detect: undefined, mask: undefined, hmac: undefined, replace: undefined, drop: undefined };
const mask = (paths: string[], keepFirst = 0, keepLast = 0, cover = "*"): Rule => ({
  ...nothing,
  paths,
  mask: { keepFirst, keepLast, with: cover },
});

function redact(rule: Rule, text: string) {
  const compiler = testCompiler();
  compiler.plan.steps.push(compileRedactor({ name: "r", rules: [rule], condition: undefined }, compiler, []));
  compiler.plan.pipelines.push({ name: "p", steps: [0] });
  expect(compiler.report.diagnostics).toEqual([]);
  const ports = testPorts();
  const value = parseText(text, 0, text.length, 64).value as JsonObject;
  const context = newRunContext(newEvent(value, text, 0, text.length), ports);
  const outcome = runPipelines(link(compiler.plan, ports).pipelines, context, 0);
  return { outcome, context, text: writeEvent(context.event), counted: ports.counted };
}

describe("a mask", () => {
  const cases: [string, Rule, string, string][] = [
    ["keeps the last four", mask(["c"], 0, 4), '{"c":"4111111111111111"}', '{"c":"************1111"}'],
    ["keeps both ends", mask(["c"], 2, 2), '{"c":"abcdefgh"}', '{"c":"ab****gh"}'],
    ["covers a text no longer than what is kept", mask(["c"], 2, 2), '{"c":"abcd"}', '{"c":"****"}'],
    [
      "covers the digits of a number as they stand in the text",
      mask(["c"], 0, 4),
      '{"c":4111111111111111234}',
      '{"c":"***************1234"}',
    ],
    ["covers 1.50 as four characters", mask(["c"]), '{"c":1.50}', '{"c":"****"}'],
    ["covers true", mask(["c"]), '{"c":true}', '{"c":"****"}'],
    ["leaves null", mask(["c"]), '{"c":null}', '{"c":null}'],
    ["goes into arrays", mask(["c"]), '{"c":["ab",["c"],{"k":1}]}', '{"c":["**",["*"],"********"]}'],
    ["covers an object whole, keys and all", mask(["c"], 0, 4), '{"c":{"4111":1}}', '{"c":"********"}'],
    [
      "counts characters, not halves",
      mask(["c"], 1, 1),
      '{"c":"\u{1f600}abc\u{1f601}"}',
      '{"c":"\u{1f600}***\u{1f601}"}',
    ],
    ["covers a character outside the BMP once", mask(["c"]), '{"c":"a\u{1f600}"}', '{"c":"**"}'],
    ["covers with more than one character", mask(["c"], 0, 1, "#!"), '{"c":"abc"}', '{"c":"#!#!c"}'],
  ];
  test.each(cases)("%s", (_title, rule, text, expected) => {
    expect(redact(rule, text).text).toBe(expected);
  });
});

test("an HMAC names the key and sees the text of any scalar", () => {
  const rule: Rule = { ...nothing, paths: ["a", "b"], hmac: { key: "${env:K}" } };
  expect(redact(rule, '{"a":"xyz","b":12.50}').text).toBe('{"a":"hmac(${env:K},3)","b":"hmac(${env:K},5)"}');
});

describe("a rule that detects", () => {
  const PAN = "4111-1111-1111-1111";
  const detecting = (action: Partial<Rule>, paths?: string[]): Rule => ({
    ...nothing,
    paths,
    detect: ["pan", "email"],
    ...action,
  });
  const masked = { keepFirst: undefined, keepLast: 4, with: undefined };
  const cases: [string, Rule, string, string][] = [
    ["masks only what it finds", detecting({ mask: masked }), `{"a":"x ${PAN} y"}`, '{"a":"x ***************1111 y"}'],
    ["masks every find", detecting({ mask: masked }), '{"a":"a@b.cd,e@f.gh"}', '{"a":"**b.cd,**f.gh"}'],
    ["replaces in the text", detecting({ replace: "#" }), `{"a":"x ${PAN} y a@b.cd"}`, '{"a":"x # y #"}'],
    ["drops from the text", detecting({ drop: true }), `{"a":"x ${PAN} y"}`, '{"a":"x  y"}'],
    [
      "hashes all spellings alike",
      detecting({ hmac: { key: "${env:K}" } }),
      `{"a":"${PAN}","b":"4111111111111111","c":4111111111111111}`,
      '{"a":"hmac(${env:K},16)","b":"hmac(${env:K},16)","c":"hmac(${env:K},16)"}',
    ],
    [
      "takes whole numbers for cards",
      detecting({ mask: masked }),
      '{"a":[4.111111111111111e15]}',
      '{"a":["************1111"]}',
    ],
    ["drops a number that is a card", detecting({ drop: true }), '{"a":[4111111111111111,1]}', '{"a":[1]}'],
    [
      "leaves near misses",
      detecting({ drop: true }),
      '{"a":4111111111111112,"b":1.50}',
      '{"a":4111111111111112,"b":1.50}',
    ],
    [
      "looks below its paths only",
      detecting({ drop: true }, ["n"]),
      '{"n":{"x":["a@b.cd"]},"m":"a@b.cd"}',
      '{"n":{"x":[""]},"m":"a@b.cd"}',
    ],
    ["looks everywhere for **", detecting({ drop: true }, ["n", "**"]), '{"n":1,"m":["a@b.cd"]}', '{"n":1,"m":[""]}'],
    ["does not look at keys", detecting({ drop: true }), '{"a@b.cd":1}', '{"a@b.cd":1}'],
  ];
  test.each(cases)("%s", (_title, rule, text, expected) => {
    expect(redact(rule, text).text).toBe(expected);
  });

  test.each<[string, Partial<Rule>]>([
    ["mask", { mask: masked }],
    ["hmac", { hmac: { key: "${env:K}" } }],
    ["replace", { replace: "#" }],
    ["drop", { drop: true }],
  ])("leaves nothing of a card, a bank account or an address, by %s", (_title, action) => {
    const secrets = fc.constantFrom(
      "4111111111111111",
      "5500-0000-0000-0004",
      "DE89 3704 0044 0532 0130 00",
      "ann@example.com",
    );
    const noise = fc.string({ unit: fc.constantFrom(...' ,.:;()\n"é😀abc'), maxLength: 8 }).map((text) => `${text} `);
    const value = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.tuple(noise, secrets, noise).map(([before, secret, after]) => `${before}${secret} ${after}`),
        fc.constantFrom<JsonValue>(4111111111111111, null, 1),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("a", "b", "__proto__"), tie("value"), { maxKeys: 3, noNullPrototype: false }),
      ),
    })).value;
    const rule = { ...detecting(action), detect: ["pan", "iban", "email"] } as Rule;
    fc.assert(
      fc.property(value, (inner) => {
        const { text } = redact(rule, stringify({ inner }));
        expect(text).not.toMatch(/4111111111111111|5500-0000|DE89 3704|ann@/);
        expect(() => JSON.parse(text) as unknown).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });

  test("counts what it found, not where it looked", () => {
    expect(redact(detecting({ drop: true }), '{"a":"a@b.cd e@f.gh","b":"none"}').counted).toEqual({
      "redacted r[0]": 2,
    });
    expect(redact(detecting({ drop: true }), '{"b":"none"}').counted).toEqual({});
  });

  test("needs something to look for, or a path", () => {
    const complaints = (rule: Rule) => {
      const compiler = testCompiler();
      compileRedactor({ name: "r", rules: [rule], condition: undefined }, compiler, []);
      return compiler.report.diagnostics.map((diagnostic) => diagnostic.path.join("."));
    };
    expect(complaints({ ...nothing, paths: undefined, drop: true })).toEqual(["rules.0.paths"]);
    expect(complaints({ ...nothing, paths: ["**"], drop: true })).toEqual(["rules.0.paths.0"]);
    expect(complaints({ ...nothing, paths: ["a"], detect: [], drop: true })).toEqual(["rules.0.detect"]);
  });
});

test("dropping elements never lets the text of another one through", () => {
  const rule: Rule = { ...nothing, paths: ["l[0]"], drop: true };
  expect(redact(rule, '{"l":[12345678901234567890,12345678901234567891]}').text).toBe('{"l":[12345678901234567891]}');
});

test("matches are counted by rule, and too many are a fault, never half a redaction", () => {
  expect(redact(mask(["l[*]"]), '{"l":[1,2,3]}').counted).toEqual({ "redacted r[0]": 3 });
  const many = redact(mask(["l[*]"]), `{"l":[${"1,".repeat(MATCHES_MAX)}1]}`);
  expect(many.outcome).toBe(Outcome.fault);
  expect(many.context.faultReason).toBe("tooLarge");
});

describe("whatever the event, nothing a rule is after remains", () => {
  const SECRET = "4111222233334444";
  const secret = fc.constantFrom<JsonValue>(SECRET, Number(SECRET), [SECRET], { [SECRET]: SECRET }, { x: [SECRET] }, [
    [{ y: SECRET }],
  ]);
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<JsonValue>(1, "x", null, true, 12.5),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b", "items", "__proto__", "x.y"), tie("value"), {
        maxKeys: 3,
        noNullPrototype: false,
      }),
      fc.tuple(secret, tie("value")).map(([card, rest]) => ({ card, rest })),
    ),
  }));
  const rules: Rule[] = [
    mask(["**.card"], 0, 4),
    { ...nothing, paths: ["**.card"], drop: true },
    { ...nothing, paths: ["**.card"], replace: { covered: true } },
    { ...nothing, paths: ["**.card"], hmac: { key: "${env:K}" } },
  ];
  test.each(rules)("%j", (rule) => {
    fc.assert(
      fc.property(value, (inner) => {
        const result = redact(rule, stringify({ inner, card: SECRET }));
        expect(result.outcome).toBe(Outcome.next);
        expect(result.text).not.toContain(SECRET);
        expect(() => JSON.parse(result.text) as unknown).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });
});
