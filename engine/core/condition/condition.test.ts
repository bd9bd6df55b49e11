import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BinaryConfig, ConditionConfig, ExpressionConfig, OperandConfig } from "../definition.ts";
import { eventOf } from "../event/event.ts";
import type { JsonObject, JsonValue } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import { testCompiler, testRegexps } from "../testing.ts";
import { addCondition } from "./compile.ts";
import { evaluate, linkCondition, Truth } from "./evaluate.ts";
import { BINARY_OPERATORS, COMPARATOR_OPERATORS, LOGICAL_OPERATORS, UNARY_OPERATORS } from "./operators.ts";
import type { Condition } from "./program.ts";

const variable = (name: string): OperandConfig => ({ variable: { name } });
const literal = (text: string): OperandConfig => ({ literal: text });
const numeric = (number: number): OperandConfig => ({ numeric: number });
const comparator = (
  lhs: OperandConfig,
  op: keyof typeof COMPARATOR_OPERATORS,
  rhs: OperandConfig,
): ExpressionConfig => ({
  comparator: { lhs, rhs, op: COMPARATOR_OPERATORS[op] },
});
const logical = (
  lhs: ExpressionConfig,
  op: keyof typeof LOGICAL_OPERATORS,
  rhs: ExpressionConfig,
): ExpressionConfig => ({
  logical: { lhs: { expression: lhs }, rhs: { expression: rhs }, op: LOGICAL_OPERATORS[op] },
});
const binary = (lhs: OperandConfig, op: keyof typeof BINARY_OPERATORS, rhs: OperandConfig): OperandConfig => ({
  expression: { binary: { lhs, rhs, op: BINARY_OPERATORS[op] } },
});
const unary = (op: keyof typeof UNARY_OPERATORS, rhs: OperandConfig): ExpressionConfig => ({
  unary: { rhs, op: UNARY_OPERATORS[op] },
});
const constant = (value: boolean): ExpressionConfig => ({ boolean: { value } });

function ask(config: ConditionConfig, event: JsonObject): Truth {
  const compiler = testCompiler();
  const index = addCondition(compiler, config, []);
  expect(compiler.report.diagnostics).toEqual([]);
  if (index === -1) return Truth.yes;
  // Through JSON and back: a condition is plain data.
  const condition = JSON.parse(JSON.stringify(compiler.plan.conditions[index])) as Condition;
  const patterns = compiler.plan.patterns.map((text) => testRegexps.compile(text));
  return evaluate(linkCondition(condition, patterns as never, testRegexps), eventOf(event));
}

describe("a condition", () => {
  const cases: [string, ExpressionConfig, JsonObject, Truth][] = [
    ["equal strings", comparator(variable("a"), "Equal", literal("x")), { a: "x" }, Truth.yes],
    ["no coercion", comparator(variable("a"), "Equal", numeric(5)), { a: "5" }, Truth.no],
    ["null is not a value", comparator(variable("a"), "NotEqual", literal("x")), { a: null }, Truth.yes],
    ["precision is kept (B6)", comparator(variable("f"), "Equal", numeric(1.23456)), { f: 1.23456 }, Truth.yes],
    ["tiny numbers are no zero (B6)", comparator(variable("f"), "GreaterThan", numeric(0.00001)), { f: 0 }, Truth.no],
    [
      "literals are verbatim (B7)",
      comparator(variable("a"), "Equal", literal('x" || "a" == "a')),
      { a: "y" },
      Truth.no,
    ],
    [
      "a date stays text (B8)",
      comparator(variable("d"), "Equal", literal("2020-01-01")),
      { d: "2020-01-01" },
      Truth.yes,
    ],
    ["strings by bytes", comparator(variable("a"), "LessThan", literal("\u{1f600}")), { a: "\uffff" }, Truth.yes],
    [
      "text and number cannot be ordered",
      comparator(variable("a"), "GreaterThan", numeric(1)),
      { a: "2" },
      Truth.error,
    ],
    ["null cannot be ordered", comparator(variable("a"), "LessThan", numeric(1)), { a: null }, Truth.error],
    [
      "a pattern is searched anywhere",
      comparator(variable("a"), "RegexMatch", literal("b+")),
      { a: "abbc" },
      Truth.yes,
    ],
    ["a pattern needs text", comparator(variable("a"), "RegexNotMatch", literal("b")), { a: 1 }, Truth.error],
    [
      "a pattern from the event",
      comparator(variable("a"), "RegexMatch", variable("p")),
      { a: "abc", p: "^a" },
      Truth.yes,
    ],
    [
      "dotted paths everywhere (B3)",
      comparator(variable("a.b.1"), "Equal", numeric(2)),
      { a: { b: [1, 2] } },
      Truth.yes,
    ],
    ["missing variable", comparator(variable("a"), "NotEqual", literal("x")), {}, Truth.no],
    ["a container is missing", comparator(variable("a"), "NotEqual", literal("x")), { a: {} }, Truth.no],
    [
      "missing on one side of OR makes all false",
      logical(
        comparator(variable("a"), "Equal", numeric(1)),
        "LogicalOr",
        comparator(variable("b"), "Equal", numeric(1)),
      ),
      { a: 1 },
      Truth.no,
    ],
    ["OR is OR (B1)", logical(constant(false), "LogicalOr", constant(true)), {}, Truth.yes],
    ["AND", logical(constant(true), "LogicalAnd", constant(false)), {}, Truth.no],
    ["boolean (B2)", constant(true), {}, Truth.yes],
    ["logical not (B5)", unary("LogicalNot", { expression: constant(false) }), {}, Truth.yes],
    [
      "negation (B5)",
      comparator({ expression: unary("Negation", variable("a")) }, "Equal", numeric(-3)),
      { a: 3 },
      Truth.yes,
    ],
    [
      "inversion (B5)",
      comparator({ expression: unary("Inversion", variable("a")) }, "Equal", numeric(-6)),
      { a: 5 },
      Truth.yes,
    ],
    [
      "text is joined",
      comparator(binary(literal("abc"), "Addition", numeric(2)), "Equal", literal("abc2")),
      {},
      Truth.yes,
    ],
    [
      "division by zero is infinite",
      comparator(binary(numeric(1), "Divide", numeric(0)), "GreaterThan", numeric(9)),
      {},
      Truth.yes,
    ],
    [
      "modulus has the dividend's sign",
      comparator(binary(numeric(-7), "Modulus", numeric(3)), "Equal", numeric(-1)),
      {},
      Truth.yes,
    ],
  ];
  test.each(cases)("%s", (_title, expression, event, expected) => {
    expect(ask({ expression }, event)).toBe(expected);
  });

  test("large integers are compared as doubles", () => {
    const text = '{"a":12345678901234567890}';
    const event = parseText(text, 0, text.length, 9).value as JsonObject;
    expect(ask({ expression: comparator(variable("a"), "GreaterThan", numeric(1e19)) }, event)).toBe(Truth.yes);
  });
});

describe("bitwise operators agree with 64-bit integers", () => {
  const whole = fc.integer({ min: -(2 ** 52), max: 2 ** 52 });
  const wide: { [op: string]: (a: bigint, b: bigint) => bigint } = {
    Or: (a, b) => BigInt.asIntN(64, a | b),
    And: (a, b) => BigInt.asIntN(64, a & b),
    Xor: (a, b) => BigInt.asIntN(64, a ^ b),
  };
  test.each(Object.keys(wide))("%s", (op) => {
    fc.assert(
      fc.property(whole, whole, (a, b) => {
        const expected = Number(wide[op]?.(BigInt(a), BigInt(b)));
        const expression = comparator(binary(numeric(a), op as "Or", numeric(b)), "Equal", numeric(expected));
        expect(ask({ expression }, {})).toBe(Truth.yes);
      }),
    );
  });
  test.each(["LeftShift", "RightShift"] as const)("%s", (op) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 52 }), fc.integer({ min: 0, max: 70 }), (a, bits) => {
        const word = BigInt(a);
        const shifted = op === "LeftShift" ? BigInt.asUintN(64, word << BigInt(bits)) : word >> BigInt(bits);
        const expected = bits > 63 ? 0 : Number(shifted);
        const expression = comparator(binary(numeric(a), op, numeric(bits)), "Equal", numeric(expected));
        expect(ask({ expression }, {})).toBe(Truth.yes);
      }),
    );
  });
});

describe("exists", () => {
  const cases: [JsonObject, string, 1 | 2, Truth][] = [
    [{ a: null }, "a", 1, Truth.yes],
    [{ a: { b: 1 } }, "a", 1, Truth.yes],
    [{ a: [] }, "a", 2, Truth.no],
    [{}, "a", 1, Truth.no],
    [{}, "a", 2, Truth.yes],
    [{ "a,b": 1 }, "a,b", 1, Truth.yes],
    [{ "!a": 1 }, "!a", 1, Truth.yes],
    [{ l: [5] }, "l.0", 1, Truth.yes],
  ];
  test.each(cases)("%j %s %i", (event, key, op, expected) => {
    expect(ask({ exists: { ops: [{ key, op }] } }, event)).toBe(expected);
  });
  test("several must all hold", () => {
    expect(
      ask(
        {
          exists: {
            ops: [
              { key: "a", op: 1 },
              { key: "b", op: 2 },
            ],
          },
        },
        { a: 1 },
      ),
    ).toBe(Truth.yes);
    expect(
      ask(
        {
          exists: {
            ops: [
              { key: "a", op: 1 },
              { key: "b", op: 2 },
            ],
          },
        },
        { a: 1, b: 1 },
      ),
    ).toBe(Truth.no);
  });
  test("an empty list and {} are always true (B4)", () => {
    expect(ask({ exists: { ops: [] } }, {})).toBe(Truth.yes);
    expect(ask({}, {})).toBe(Truth.yes);
  });
});

describe("what cannot be a condition is complained about", () => {
  const broken: [string, ExpressionConfig][] = [
    ["the expression is empty", {}],
    ["not true or false|this is a number", unary("Negation", numeric(1))],
    ['"op" is missing', { comparator: { lhs: numeric(1), rhs: numeric(2) } as BinaryConfig }],
    ['"lhs" is missing', { comparator: { rhs: numeric(2), op: 23 } }],
    ['"rhs" is missing', { comparator: { lhs: numeric(1), rhs: {}, op: 23 } }],
    ["joins expressions", { logical: { lhs: variable("a"), rhs: { expression: constant(true) }, op: 17 } }],
    ["the pattern is not a pattern", comparator(variable("a"), "RegexMatch", literal("("))],
  ];
  test.each(broken)("%s", (message, expression) => {
    const compiler = testCompiler();
    addCondition(compiler, { expression }, ["here"]);
    expect(compiler.report.diagnostics[0]?.message).toMatch(new RegExp(message));
    expect(compiler.report.diagnostics[0]?.path[0]).toBe("here");
  });
});

describe("any program agrees with a naive reading of its tree", () => {
  const leaf: fc.Arbitrary<OperandConfig> = fc.oneof(
    fc.constantFrom("a", "b", "c.d", "missing").map(variable),
    fc.constantFrom("x", "y", "").map(literal),
    fc.constantFrom(0, 1, 2.5, -3).map(numeric),
  );
  const { expression } = fc.letrec<{ expression: ExpressionConfig }>((tie) => ({
    expression: fc.oneof(
      { depthSize: "small" },
      fc.boolean().map(constant),
      fc
        .tuple(leaf, fc.constantFrom("Equal", "NotEqual", "LessThan", "GreaterThanOrEqual" as const), leaf)
        .map(([l, op, r]) => comparator(l, op, r)),
      fc
        .tuple(tie("expression"), fc.constantFrom("LogicalAnd", "LogicalOr" as const), tie("expression"))
        .map(([l, op, r]) => logical(l, op, r)),
      tie("expression").map((inner) => unary("LogicalNot", { expression: inner })),
    ),
  }));
  const scalar = fc.constantFrom<JsonValue>(0, 1, 2.5, "x", "y", true, null, [], {});
  test("over 2,000 random trees", () => {
    fc.assert(
      fc.property(expression, scalar, scalar, scalar, (tree, a, b, d) => {
        const event = { a, b, c: { d } };
        expect(ask({ expression: tree }, event)).toBe(naive(tree, event));
      }),
      { numRuns: 2000 },
    );
  });
});

function naive(tree: ExpressionConfig, event: { a: JsonValue; b: JsonValue; c: { d: JsonValue } }): Truth {
  const values: { [name: string]: JsonValue | undefined } = { a: event.a, b: event.b, "c.d": event.c.d };
  const names = [...JSON.stringify(tree).matchAll(/"name":"([^"]*)"/g)].map((match) => match[1] as string);
  if (names.some((name) => values[name] === undefined || (typeof values[name] === "object" && values[name] !== null))) {
    return Truth.no;
  }
  const operand = (o: OperandConfig | undefined): JsonValue =>
    o?.variable ? (values[o.variable.name ?? ""] as JsonValue) : ((o?.literal ?? o?.numeric) as JsonValue);
  const walk = (e: ExpressionConfig): boolean => {
    if (e.boolean) return e.boolean.value ?? false;
    if (e.unary) return !walk(e.unary.rhs?.expression as ExpressionConfig);
    if (e.logical) {
      const left = walk(e.logical.lhs?.expression as ExpressionConfig);
      const right = walk(e.logical.rhs?.expression as ExpressionConfig);
      return e.logical.op === LOGICAL_OPERATORS.LogicalAnd ? left && right : left || right;
    }
    const [l, r] = [operand(e.comparator?.lhs), operand(e.comparator?.rhs)];
    if (e.comparator?.op === COMPARATOR_OPERATORS.Equal) return l === r;
    if (e.comparator?.op === COMPARATOR_OPERATORS.NotEqual) return l !== r;
    if (typeof l !== typeof r || (typeof l !== "number" && typeof l !== "string")) throw new TypeError("mismatch");
    return e.comparator?.op === COMPARATOR_OPERATORS.LessThan
      ? (l as number) < (r as number)
      : (l as number) >= (r as number);
  };
  try {
    return walk(tree) ? Truth.yes : Truth.no;
  } catch {
    return Truth.error;
  }
}
