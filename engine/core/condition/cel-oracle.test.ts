/**
 * Random conditions against a naive reading of the specification: a tree is walked, ints and doubles are different
 * things, an error is a value, and && and || look at both sides always.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../event/json.ts";
import { Truth } from "./evaluate.ts";
import { askCel } from "./testing.ts";

type Value =
  | { is: "int" | "double"; number: number }
  | { is: "string"; text: string }
  | { is: "bool"; truth: boolean }
  | { is: "null" }
  | { is: "list"; items: Value[] }
  | { is: "map"; members: [string, Value][] };
type Result = Value | "error";
type Tree = { source: string; run: (event: Value) => Result };

function fromJson(value: JsonValue): Value {
  if (value === null) return { is: "null" };
  if (typeof value === "number") return { is: "double", number: value };
  if (typeof value === "string") return { is: "string", text: value };
  if (typeof value === "boolean") return { is: "bool", truth: value };
  if (Array.isArray(value)) return { is: "list", items: value.map(fromJson) };
  return { is: "map", members: Object.entries(value as JsonObject).map(([key, member]) => [key, fromJson(member)]) };
}

const truthOf = (truth: boolean): Value => ({ is: "bool", truth });
const isNumber = (value: Value): value is Extract<Value, { number: number }> =>
  value.is === "int" || value.is === "double";

function same(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return a.number === b.number;
  if (a.is === "string" && b.is === "string") return a.text === b.text;
  if (a.is === "bool" && b.is === "bool") return a.truth === b.truth;
  if (a.is === "list" && b.is === "list")
    return a.items.length === b.items.length && a.items.every((item, i) => same(item, b.items[i] as Value));
  if (a.is === "map" && b.is === "map") {
    const find = (key: string) => b.members.find(([other]) => other === key)?.[1];
    return (
      a.members.length === b.members.length &&
      a.members.every(([key, value]) => {
        const other = find(key);
        return other !== undefined && same(value, other);
      })
    );
  }
  return a.is === "null" && b.is === "null";
}

function sizeOf(value: Value): Result {
  if (value.is === "string") return { is: "int", number: [...value.text].length };
  if (value.is === "list") return { is: "int", number: value.items.length };
  return value.is === "map" ? { is: "int", number: value.members.length } : "error";
}

function compute(operator: string, a: Value, b: Value): Result {
  if (operator === "==") return truthOf(same(a, b));
  if (operator === "!=") return truthOf(!same(a, b));
  if (operator === "in") {
    if (b.is === "list") return truthOf(b.items.some((item) => same(a, item)));
    return b.is === "map" ? truthOf(a.is === "string" && b.members.some(([key]) => key === a.text)) : "error";
  }
  if (operator === "<" || operator === ">=") {
    // NaN is neither less nor not less.
    const ordered = (x: number, y: number) => truthOf(operator === "<" ? x < y : x >= y);
    if (isNumber(a) && isNumber(b)) return ordered(a.number, b.number);
    if (a.is === "bool" && b.is === "bool") return ordered(Number(a.truth), Number(b.truth));
    if (a.is !== "string" || b.is !== "string") return "error";
    return ordered(Buffer.compare(Buffer.from(a.text), Buffer.from(b.text)), 0);
  }
  if (a.is === "string" && b.is === "string" && operator === "+") return { is: "string", text: a.text + b.text };
  if (a.is === "list" && b.is === "list" && operator === "+") return { is: "list", items: [...a.items, ...b.items] };
  if (!isNumber(a) || !isNumber(b) || a.is !== b.is) return "error";
  return arithmetic(operator, a.is, a.number, b.number);
}

function arithmetic(operator: string, is: "int" | "double", a: number, b: number): Result {
  if (is === "double") {
    const doubles: { [operator: string]: number } = { "+": a + b, "-": a - b, "*": a * b, "/": a / b };
    const number = doubles[operator];
    return number === undefined ? "error" : { is, number };
  }
  if ((operator === "/" || operator === "%") && b === 0) return "error";
  const [x, y] = [BigInt(a), BigInt(b)];
  const ints: { [operator: string]: () => bigint } = {
    "+": () => x + y,
    "-": () => x - y,
    "*": () => x * y,
    "/": () => x / y,
    "%": () => x % y,
  };
  const number = Number((ints[operator] as () => bigint)());
  return Number.isSafeInteger(number) ? { is, number } : "error";
}

function memberOf(object: Result, key: Result): Result {
  if (object === "error" || key === "error") return "error";
  if (object.is === "list" && isNumber(key)) return object.items[key.number] ?? "error";
  if (object.is !== "map" || key.is !== "string") return "error";
  return object.members.find(([name]) => name === key.text)?.[1] ?? "error";
}

function binary(operator: string, left: Tree, right: Tree): Tree {
  return {
    source: `(${left.source} ${operator} ${right.source})`,
    run: (event) => {
      const [a, b] = [left.run(event), right.run(event)];
      return a === "error" || b === "error" ? "error" : compute(operator, a, b);
    },
  };
}

function logical(operator: "&&" | "||", left: Tree, right: Tree): Tree {
  const decides = operator === "||";
  return {
    source: `(${left.source} ${operator} ${right.source})`,
    run: (event) => {
      const sides = [left.run(event), right.run(event)];
      const truths = sides.map((side) => (side !== "error" && side.is === "bool" ? side.truth : undefined));
      if (truths.includes(decides)) return truthOf(decides);
      return truths.includes(undefined) ? "error" : truthOf(!decides);
    },
  };
}

const constant = (source: string, value: Value): Tree => ({ source, run: () => value });
const textOf = (text: string): Tree => constant(JSON.stringify(text), { is: "string", text });

const FIELDS = ["a", "b", "c", "d", "missing"] as const;
const KEYS = ["k", "a.b", "none"] as const;

const root: Tree = { source: "event", run: (event) => event };
const select = (object: Tree, key: string): Tree => ({
  source: /^[a-z]+$/.test(key) ? `${object.source}.${key}` : `${object.source}[${JSON.stringify(key)}]`,
  run: (event) => memberOf(object.run(event), { is: "string", text: key }),
});
const field = fc.constantFrom(...FIELDS).map((name) => select(root, name));
const deepField = fc.tuple(field, fc.constantFrom(...KEYS)).map(([object, key]) => select(object, key));
const element = fc.tuple(field, fc.integer({ min: 0, max: 2 })).map(
  ([object, index]): Tree => ({
    source: `${object.source}[${index}]`,
    run: (event) => memberOf(object.run(event), { is: "int", number: index }),
  }),
);
const dynamic: fc.Arbitrary<Tree> = fc.oneof({ weight: 3, arbitrary: field }, deepField, element);
const int = fc.constantFrom(0, 1, 2, 7, 9007199254740991).map((n) => constant(String(n), { is: "int", number: n }));
const double = fc.constantFrom(0, 1, 2.5, 1e300).map((n) => {
  const source = Number.isInteger(n) && n < 1e20 ? `${n}.0` : String(n);
  return constant(source, { is: "double", number: n });
});
const text = fc.constantFrom("", "x", "xy", "😀", "k").map(textOf);

const { condition } = fc.letrec<{ condition: Tree; any: Tree; ints: Tree; doubles: Tree; texts: Tree; lists: Tree }>(
  (tie) => ({
    condition: fc.oneof(
      { depthSize: "medium" },
      fc.boolean().map((truth) => constant(String(truth), truthOf(truth))),
      dynamic,
      fc.tuple(tie("condition"), fc.constantFrom("&&", "||"), tie("condition")).map(([l, op, r]) => logical(op, l, r)),
      fc.tuple(tie("condition"), fc.constantFrom("&&", "||"), tie("condition")).map(([l, op, r]) => logical(op, l, r)),
      tie("condition").map(
        (inner): Tree => ({
          source: `!${inner.source}`,
          run: (event) => {
            const value = inner.run(event);
            return value !== "error" && value.is === "bool" ? truthOf(!value.truth) : "error";
          },
        }),
      ),
      fc.tuple(tie("condition"), tie("condition"), tie("condition")).map(ternary),
      fc.tuple(tie("any"), fc.constantFrom("==", "!=", "<", ">="), tie("any")).map(([l, op, r]) => binary(op, l, r)),
      fc.tuple(tie("ints"), fc.constantFrom("==", "<", ">="), tie("doubles")).map(([l, op, r]) => binary(op, l, r)),
      fc.tuple(tie("texts"), fc.constantFrom("==", "<", ">="), tie("texts")).map(([l, op, r]) => binary(op, l, r)),
      fc.tuple(tie("any"), fc.oneof(dynamic, tie("lists"))).map(([l, r]) => binary("in", l, r)),
      fc.tuple(dynamic, fc.constantFrom("k", "none")).map(([object, key]): Tree => has(object, key)),
      fc.tuple(tie("texts"), fc.constantFrom("startsWith", "endsWith", "contains"), tie("texts")).map(search),
    ),
    any: fc.oneof(
      dynamic,
      dynamic,
      int,
      double,
      text,
      tie("lists"),
      constant1("null"),
      fc.tuple(dynamic, tie("any")).map(at),
    ),
    ints: fc.oneof(
      { depthSize: "small" },
      int,
      fc.oneof(dynamic, text, tie("lists")).map(
        (of): Tree => ({
          source: `size(${of.source})`,
          run: (event) => {
            const value = of.run(event);
            return value === "error" ? value : sizeOf(value);
          },
        }),
      ),
      fc
        .tuple(tie("ints"), fc.constantFrom("+", "-", "*", "/", "%"), tie("ints"))
        .map(([l, op, r]) => binary(op, l, r)),
    ),
    doubles: fc.oneof(
      { depthSize: "small" },
      double,
      dynamic,
      fc
        .tuple(tie("doubles"), fc.constantFrom("+", "-", "*", "/"), tie("doubles"))
        .map(([l, op, r]) => binary(op, l, r)),
    ),
    texts: fc.oneof(
      { depthSize: "small" },
      text,
      dynamic,
      fc.tuple(tie("texts"), tie("texts")).map(([l, r]) => binary("+", l, r)),
    ),
    lists: fc.array(fc.oneof(dynamic, int, double, text), { maxLength: 3 }).map(
      (items): Tree => ({
        source: `[${items.map((item) => item.source).join(", ")}]`,
        run: (event) => {
          const values = items.map((item) => item.run(event));
          return values.includes("error") ? "error" : { is: "list", items: values as Value[] };
        },
      }),
    ),
  }),
);

function constant1(source: "null"): fc.Arbitrary<Tree> {
  return fc.constant(constant(source, { is: source }));
}

function ternary([question, yes, no]: [Tree, Tree, Tree]): Tree {
  return {
    source: `(${question.source} ? ${yes.source} : ${no.source})`,
    run: (event) => {
      const value = question.run(event);
      if (value === "error" || value.is !== "bool") return "error";
      return value.truth ? yes.run(event) : no.run(event);
    },
  };
}

function at([object, key]: [Tree, Tree]): Tree {
  return { source: `${object.source}[${key.source}]`, run: (event) => memberOf(object.run(event), key.run(event)) };
}

function has(object: Tree, key: string): Tree {
  return {
    source: `has(${object.source}.${key})`,
    run: (event) => {
      const value = object.run(event);
      return value !== "error" && value.is === "map" ? truthOf(value.members.some(([name]) => name === key)) : "error";
    },
  };
}

function search([receiver, method, part]: [Tree, "startsWith" | "endsWith" | "contains", Tree]): Tree {
  const find = { startsWith: "startsWith", endsWith: "endsWith", contains: "includes" } as const;
  return {
    source: `${receiver.source}.${method}(${part.source})`,
    run: (event) => {
      const [a, b] = [receiver.run(event), part.run(event)];
      if (a === "error" || b === "error" || a.is !== "string" || b.is !== "string") return "error";
      return truthOf(a.text[find[method]](b.text));
    },
  };
}

const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", maxDepth: 2 },
    fc.constantFrom<JsonValue>(0, 1, 2, 2.5, 7, "", "x", "k", "xy", "😀", true, false, null),
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("k", "a.b", "x"), tie("json"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
const event = fc.record({ a: json, b: json, c: fc.boolean(), d: fc.integer({ min: 0, max: 9 }) });

test("random conditions on random events", () => {
  const seen = { no: 0, yes: 0, error: 0, refused: 0 };
  fc.assert(
    fc.property(condition, event, (tree, value) => {
      const asked = askCel(tree.source, value);
      if (asked.complaints.length > 0) {
        // The compiler refuses more than the evaluation would, but for a reason of types, never for the form.
        expect(asked.complaints.join()).toMatch(/cannot be applied|never|no order|expected|is no key|index/);
        seen.refused++;
        return;
      }
      const naive = tree.run(fromJson(value));
      const expected = naive === "error" || naive.is !== "bool" ? Truth.error : naive.truth ? Truth.yes : Truth.no;
      expect(asked.truth).toBe(expected);
      seen[(["no", "yes", "error"] as const)[expected]]++;
    }),
    { numRuns: 5000 },
  );
  // Otherwise the property says little.
  expect(seen.refused).toBeLessThan(2500);
  expect(Math.min(seen.no, seen.yes, seen.error)).toBeGreaterThan(300);
});
