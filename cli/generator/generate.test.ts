import fc from "fast-check";
import { expect, test } from "vitest";
import { readDocument } from "../../engine/config/document.ts";
import type { JsonObject, JsonValue } from "../../engine/core/event/json.ts";
import { stringify } from "../../engine/core/event/write.ts";
import { newGenerator } from "./generate.ts";
import { readSchemas } from "./read-schemas.ts";
import { SCHEMA_EXAMPLE, type Schemas, type StringRules, type Value, type Values } from "./schema.ts";

function schemas(value: object): Schemas {
  const { schemas: read, report } = readSchemas(readDocument(JSON.stringify(value), "schema.json"));
  if (read === undefined) throw new Error(JSON.stringify(report.diagnostics));
  return read;
}

function generate(schema: Schemas, seed: number, count: number): JsonObject[] {
  const next = newGenerator(schema, seed);
  return Array.from({ length: count }, () => JSON.parse(stringify(next())) as JsonObject);
}

const name = fc.constantFrom("p", "q");
const rules = fc.record(
  {
    prefixName: name,
    suffixName: name,
    sharedName: name,
    storeStringState: name,
    readStringState: name,
    maxRef: fc.nat(3),
  },
  { requiredKeys: [] },
);
const lengths = fc.tuple(fc.nat(4), fc.nat(4)).map(([min, more]) => ({ minLen: min, maxLen: min + more }));
const number = fc.double({ noNaN: true, noDefaultInfinity: true });

/** A value that may refer to fields of the schemas before it. */
function valueIn(before: readonly Values[]): fc.Arbitrary<Value> {
  const references = before.flatMap((kvs, i) =>
    Object.keys(kvs).map((path) => fc.constant({ reference: { schemaName: `s${i}`, path } })),
  );
  return fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc
        .tuple(lengths, rules)
        .map(([length, rule]) => ({ randomString: { ...length, alphabet: "a\u{1f600}", ...rule } })),
      fc
        .tuple(fc.array(fc.string(), { minLength: 1, maxLength: 3 }), rules)
        .map(([vocab, rule]) => ({ vocabString: { vocab, ...rule } })),
      fc.string().map((value) => ({ fixedString: { value } })),
      fc.tuple(number, number).map(([a, b]) => ({ randomNumeric: { min: Math.min(a, b), max: Math.max(a, b) } })),
      fc.array(number, { minLength: 1, maxLength: 3 }).map((values) => ({ numericSet: { values } })),
      number.map((value) => ({ fixedNumeric: { value } })),
      fc.constant({ boolean: {} }),
      name.map((counterName) => ({ counter: { counterName } })),
      ...references,
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 3 }).map((kvs) => ({ dict: { kvs } })),
      fc.tuple(lengths, tie("value")).map(([length, value]) => ({ list: { ...length, value } })),
    ),
  })).value;
}

function rootIn(before: readonly Values[]): fc.Arbitrary<Values> {
  return fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), valueIn(before), { maxKeys: 4 }).map((kvs) => ({
    ...kvs,
    kind: { fixedString: { value: `s${before.length}` } },
  }));
}

const anySchema = rootIn([])
  .chain((first) => rootIn([first]).map((second) => [first, second]))
  .chain((two) => rootIn(two).map((third) => [...two, third]))
  .map((roots) =>
    schemas({
      schemas: roots.map((kvs, i) => ({ name: `s${i}`, root: { kvs } })),
      stringPrefixes: { p: "pre-", q: "" },
      stringSuffixes: { p: "-post", q: "" },
    }),
  );

/** Whether a value is one that the schema allows; `taken` hears of every reference. */
function fits(value: JsonValue, by: Value, all: Schemas, taken: (from: string, value: JsonValue) => boolean): boolean {
  const { randomNumeric, list, dict, reference, randomString, vocabString } = by;
  const within = (rule: StringRules, isMade: (base: string) => boolean) => {
    const prefix = all.stringPrefixes?.[rule.prefixName ?? "q"] ?? "";
    const suffix = all.stringSuffixes?.[rule.suffixName ?? "q"] ?? "";
    const text = value as string;
    if (typeof text !== "string" || !text.startsWith(prefix) || !text.endsWith(suffix)) return false;
    // What is shared or read was made by another field's rules.
    const isOther = rule.sharedName !== undefined || rule.readStringState !== undefined;
    return isOther || isMade(text.slice(prefix.length, text.length - suffix.length));
  };
  const sized = (length: number, { minLen = 0, maxLen = 0 }) =>
    length >= minLen && (length < maxLen || length === minLen);
  if (randomString !== undefined) {
    return within(randomString, (base) => sized([...base].length, randomString) && /^[a\u{1f600}]*$/u.test(base));
  }
  if (vocabString !== undefined) return within(vocabString, (base) => vocabString.vocab.includes(base));
  if (by.fixedString !== undefined) return value === by.fixedString.value;
  if (randomNumeric !== undefined) {
    return typeof value === "number" && value >= (randomNumeric.min ?? 0) && value <= (randomNumeric.max ?? 0);
  }
  if (by.numericSet !== undefined) return by.numericSet.values.includes(value as number);
  if (by.fixedNumeric !== undefined) return value === by.fixedNumeric.value;
  if (by.boolean !== undefined) return typeof value === "boolean";
  if (by.counter !== undefined) return Number.isInteger(value) && (value as number) >= 0;
  if (reference !== undefined) return taken(`${reference.schemaName} ${reference.path}`, value);
  if (list !== undefined) {
    return Array.isArray(value) && sized(value.length, list) && value.every((one) => fits(one, list.value, all, taken));
  }
  const kvs = dict?.kvs ?? {};
  const object = value as JsonObject;
  return (
    JSON.stringify(Object.keys(object)) === JSON.stringify(Object.keys(kvs)) &&
    Object.entries(kvs).every(([key, one]) => fits(object[key] as JsonValue, one, all, taken))
  );
}

test("every event is what its schema says, and takes only what events before it had, no more often than they allow", () => {
  fc.assert(
    fc.property(anySchema, fc.nat(), (all, seed) => {
      const left = new Map<string, number>();
      const taken = (from: string, value: JsonValue) => {
        const key = `${from} ${JSON.stringify(value)}`;
        const uses = left.get(key) ?? 0;
        left.set(key, uses - 1);
        return uses > 0;
      };
      for (const event of generate(all, seed, 30)) {
        const kvs = all.schemas.find((schema) => schema.name === event.kind)?.root.kvs ?? {};
        expect(fits(event, { dict: { kvs } }, all, taken)).toBe(true);
        for (const [field, value] of Object.entries(event)) {
          const by = kvs[field];
          const { maxRef = 1 } = by?.randomString ?? by?.vocabString ?? by?.randomNumeric ?? {};
          const uses =
            typeof value === "object" || typeof value === "boolean" ? Number.POSITIVE_INFINITY : Math.max(1, maxRef);
          const key = `${String(event.kind)} ${field} ${JSON.stringify(value)}`;
          left.set(key, (left.get(key) ?? 0) + uses);
        }
      }
    }),
  );
});

test("the same seed gives the same bytes, another one others", () => {
  fc.assert(
    fc.property(anySchema, fc.nat(), (all, seed) => {
      expect(generate(all, seed, 20)).toEqual(generate(all, seed, 20));
    }),
  );
  const random = schemas({
    schemas: [{ name: "s", root: { kvs: { a: { randomString: { maxLen: 21, minLen: 20 } } } } }],
  });
  expect(generate(random, 1, 1)).not.toEqual(generate(random, 2, 1));
  // What a seed gives is a promise: it changes with a note in CHANGELOG only.
  expect(generate(random, 1, 1)).toEqual([{ a: "bOFoDgEI3N9nEYfZ8dv8" }]);
});

test("a stored string is read by later events, and an event agrees with itself from the first on", () => {
  const text = (rule: object) => ({ randomString: { minLen: 20, maxLen: 20, ...rule } });
  const commits = schemas({
    schemas: [
      {
        name: "commit",
        root: {
          kvs: {
            before: text({ sharedName: "last" }),
            parents: { list: { minLen: 1, maxLen: 1, value: text({ sharedName: "last", readStringState: "head" }) } },
            seen: text({ readStringState: "head", prefixName: "p" }),
            after: text({ storeStringState: "head" }),
          },
        },
      },
    ],
    stringPrefixes: { p: "#" },
  });
  const made = generate(commits, 7, 5);
  for (const [i, { before, parents, seen }] of made.entries()) {
    expect(parents).toEqual([before]);
    expect(seen).toBe(`#${String(before)}`);
    if (i > 0) expect(before).toBe(made[i - 1]?.after);
  }
});

test("schemas are drawn by their shares, and one without what it refers to makes way for the other", () => {
  const kvs = { id: { counter: { counterName: "id" } } };
  const shares = schemas({
    schemas: [
      { name: "a", root: { kvs } },
      { name: "b", root: { kvs: { of: { reference: { schemaName: "a", path: "id" } } } } },
    ],
    schemaDistribution: [0, 1],
  });
  expect(generate(shares, 3, 4)).toEqual([{ id: 0 }, { of: 0 }, { id: 1 }, { of: 1 }]);
});

test("the example of the reference does what it shows", () => {
  const events = generate(schemas(SCHEMA_EXAMPLE), 1, 50);
  const users = new Set(events.map((event) => event.id));
  const logins = events.filter((event) => "nr" in event);
  expect(logins.length).toBeGreaterThan(25);
  expect(logins.map(({ nr }) => nr)).toEqual([...logins.keys()]);
  expect(logins.every(({ user }) => users.has(user as JsonValue))).toBe(true);
});

const A = { name: "a", root: { kvs: { id: { counter: { counterName: "c" } } } } };
const within = (value: object) => ({ schemas: [{ name: "a", root: { kvs: { x: value } } }] });
test.each([
  [{}, "schemas: expected an array, found nothing"],
  [{ schemas: [] }, "expected at least one schema"],
  [{ schemas: [A, A] }, 'another schema is called "a" too'],
  [{ schemas: [A], schemaDistribution: [0.5, 0.5] }, "expected a share for each of 1 schemas, found 2"],
  [{ schemas: [A], schemaDistribution: [0.5] }, "expected shares that add up to 1, found 0.5"],
  [{ schemas: [{ ...A, rot: {} }] }, 'no such field; did you mean "root"?'],
  [within({}), "expected one of randomString, vocabString"],
  [within({ boolean: {}, list: { value: {} } }), "expected at most one of"],
  [within({ randomString: { minLen: 3 } }), "expected minLen up to maxLen (0), found 3"],
  [within({ randomNumeric: { min: 3 } }), "expected min up to max (0), found 3"],
  [within({ vocabString: { vocab: [] } }), "expected words, found none"],
  [within({ randomString: { maxLen: 3, prefixName: "x" } }), 'nothing in stringPrefixes is called "x"'],
  [within({ reference: { schemaName: "b", path: "x" } }), 'nothing in schemas is called "b"'],
  [within({ reference: { schemaName: "a", path: "y" } }), 'nothing in the root of a is called "y"'],
  [within({ reference: { schemaName: "a", path: "x" } }), 'events of "a" need events of "a" first'],
])("a schema like %j is refused", (value, message) => {
  const { report } = readSchemas(readDocument(JSON.stringify(value), "schema.json"));
  expect(
    report.diagnostics
      .map((diagnostic) => `${diagnostic.path.join(".")}: ${diagnostic.message}; ${diagnostic.remedy}`)
      .join("\n"),
  ).toContain(message);
});
