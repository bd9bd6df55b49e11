/** Events by a schema. The same schema and seed give the same events, on any machine. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { type JsonArray, type JsonObject, type JsonValue, newObject, setOwn } from "../../engine/core/event/json.ts";
import {
  type EventSchema,
  type ListRule,
  referencesIn,
  type Schemas,
  type StringRules,
  type Value,
  type Values,
} from "./schema.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** Values kept for references; a schema whose values nobody takes as fast as they come must not fill the memory. */
const POOL_VALUES = 10_000;

/** Values that events had and references may use, the oldest first. `uses`: of all of them together. */
type Pool = { values: { value: JsonValue; left: number }[]; valuesMax: number; uses: number };

/** A schema made ready. */
type Kind = {
  schema: EventSchema;
  /** what has to be there before one of its events can be made */
  needs: { pool: Pool; uses: number; parent: string }[];
  /** by shared name: the state it follows */
  followed: ReadonlyMap<string, string>;
};

type State = {
  readonly schemas: Schemas;
  readonly random: RandomGenerator;
  readonly kinds: ReadonlyMap<string, Kind>;
  /** by schema and field: only what somebody refers to */
  readonly pools: ReadonlyMap<string, Pool>;
  readonly counters: Map<string, number>;
  /** strings that earlier events stored */
  readonly stored: Map<string, string>;
  /** of the event that is being made: what its shared names follow, their strings, and what it stores at its end */
  followed: ReadonlyMap<string, string>;
  shared: Map<string, string>;
  storing: Map<string, string>;
};

/** `seed`: any 32-bit integer. Returns what makes the next event. */
export function newGenerator(schemas: Schemas, seed: number): () => JsonObject {
  const pools = new Map<string, Pool>();
  const kinds = new Map(schemas.schemas.map((schema) => [schema.name, newKind(schema, pools)]));
  const state: State = {
    schemas,
    random: xoroshiro128plus(seed),
    kinds,
    pools,
    counters: new Map(),
    stored: new Map(),
    followed: new Map(),
    shared: new Map(),
    storing: new Map(),
  };
  return () => makeEvent(state, drawSchema(state).name);
}

function newKind(schema: EventSchema, pools: Map<string, Pool>): Kind {
  const needs = new Map<Pool, Kind["needs"][number]>();
  for (const { schemaName, path, uses } of referencesIn(schema.root.kvs)) {
    const key = poolKey(schemaName, path);
    const pool = pools.get(key) ?? { values: [], valuesMax: POOL_VALUES, uses: 0 };
    pools.set(key, pool);
    const all = uses + (needs.get(pool)?.uses ?? 0);
    pool.valuesMax = Math.max(pool.valuesMax, all);
    needs.set(pool, { pool, uses: all, parent: schemaName });
  }
  return { schema, needs: [...needs.values()], followed: followedStates(schema.root.kvs) };
}

function poolKey(schemaName: string, path: string): string {
  return JSON.stringify([schemaName, path]);
}

function drawSchema({ schemas: { schemas, schemaDistribution }, random }: State): EventSchema {
  let left = uniformFloat64(random);
  for (const [i, schema] of schemas.entries()) {
    left -= schemaDistribution?.[i] ?? 1 / schemas.length;
    if (left < 0) return schema;
  }
  return schemas.at(-1) as EventSchema; // the shares add up to 1, nearly; there is at least one schema
}

/** An event of the schema, or of one that has to go before it. */
function makeEvent(state: State, name: string): JsonObject {
  const { schema, needs, followed } = state.kinds.get(name) as Kind; // checked
  const missing = needs.find(({ pool, uses }) => pool.uses < uses);
  if (missing !== undefined) return makeEvent(state, missing.parent);
  state.followed = followed;
  state.shared = new Map();
  state.storing = new Map();
  const event = makeObject(state, schema.root.kvs);
  for (const [field, value] of Object.entries(schema.root.kvs)) {
    const pool = state.pools.get(poolKey(name, field));
    if (pool !== undefined) fill(pool, event[field] as JsonValue, value);
  }
  for (const [stateName, text] of state.storing) state.stored.set(stateName, text);
  return event;
}

function fill(pool: Pool, value: JsonValue, { randomString, vocabString, randomNumeric }: Value): void {
  if (pool.values.length >= pool.valuesMax || pool.uses === Number.POSITIVE_INFINITY) return;
  const isScalar = typeof value === "string" || typeof value === "number";
  const { maxRef = 1 } = randomString ?? vocabString ?? randomNumeric ?? {};
  const left = isScalar ? Math.max(1, maxRef) : Number.POSITIVE_INFINITY;
  pool.values.push({ value, left });
  pool.uses += left;
}

function take(pool: Pool): JsonValue {
  const first = pool.values[0] as Pool["values"][number]; // makeEvent has seen to it
  first.left--;
  pool.uses--;
  if (first.left === 0) pool.values.shift();
  return first.value;
}

/**
 * A shared name that reads a state anywhere reads it everywhere, or the first in the file would decide alone (the
 * original's events disagreed with themselves here).
 */
function followedStates(kvs: Values): Map<string, string> {
  const followed = new Map<string, string>();
  for (const { sharedName, readStringState } of stringsIn(kvs)) {
    if (sharedName !== undefined && readStringState !== undefined) followed.set(sharedName, readStringState);
  }
  return followed;
}

function stringsIn(kvs: Values): StringRules[] {
  return Object.values(kvs).flatMap(stringsOf);
}

function stringsOf({ randomString, vocabString, dict, list }: Value): StringRules[] {
  if (dict !== undefined) return stringsIn(dict.kvs);
  if (list !== undefined) return stringsOf(list.value);
  const rules = randomString ?? vocabString;
  return rules === undefined ? [] : [rules];
}

function makeObject(state: State, kvs: Values): JsonObject {
  const object = newObject();
  for (const [name, value] of Object.entries(kvs)) setOwn(object, name, makeValue(state, value));
  return object;
}

function makeValue(state: State, value: Value): JsonValue {
  const { randomString, vocabString, randomNumeric, numericSet, fixedNumeric, dict, list, reference, counter } = value;
  const { random } = state;
  if (randomString !== undefined) {
    const { minLen, maxLen, alphabet = ALPHABET } = randomString;
    const characters = Array.from(alphabet);
    const make = () =>
      Array.from({ length: drawLength(random, minLen, maxLen) }, () => oneOf(random, characters)).join("");
    return makeString(state, randomString, make);
  }
  if (vocabString !== undefined) return makeString(state, vocabString, () => oneOf(random, vocabString.vocab));
  if (randomNumeric !== undefined) return drawNumber(random, randomNumeric.min ?? 0, randomNumeric.max ?? 0);
  if (numericSet !== undefined) return oneOf(random, numericSet.values);
  if (fixedNumeric !== undefined) return fixedNumeric.value ?? 0;
  if (value.boolean !== undefined) return uniformInt(random, 0, 1) === 1;
  if (dict !== undefined) return makeObject(state, dict.kvs);
  if (list !== undefined) return makeList(state, list);
  if (reference !== undefined) return take(state.pools.get(poolKey(reference.schemaName, reference.path)) as Pool);
  if (counter !== undefined) return count(state, counter.counterName);
  return value.fixedString?.value ?? "";
}

function makeList(state: State, { minLen, maxLen, value }: ListRule): JsonArray {
  return Array.from({ length: drawLength(state.random, minLen, maxLen) }, () => makeValue(state, value));
}

function count({ counters }: State, name: string): number {
  const next = counters.get(name) ?? 0;
  counters.set(name, next + 1);
  return next;
}

function makeString(state: State, rules: StringRules, make: () => string): string {
  const { prefixName, suffixName, storeStringState } = rules;
  const base = baseString(state, rules, make);
  if (storeStringState !== undefined) state.storing.set(storeStringState, base);
  const { stringPrefixes = {}, stringSuffixes = {} } = state.schemas;
  const prefix = prefixName === undefined ? "" : stringPrefixes[prefixName];
  const suffix = suffixName === undefined ? "" : stringSuffixes[suffixName];
  return `${prefix}${base}${suffix}`;
}

function baseString(state: State, { sharedName, readStringState }: StringRules, make: () => string): string {
  const read = readStringState ?? (sharedName === undefined ? undefined : state.followed.get(sharedName));
  const stored = read === undefined ? undefined : state.stored.get(read);
  if (stored !== undefined) return stored;
  if (read === undefined && sharedName === undefined) return make();
  // Nothing is stored yet: all of this event that would read it have the same string all the same.
  const key = read === undefined ? `shared ${sharedName}` : `state ${read}`;
  const known = state.shared.get(key) ?? make();
  state.shared.set(key, known);
  return known;
}

function drawLength(random: RandomGenerator, min = 0, max = 0): number {
  return min >= max ? min : uniformInt(random, min, max - 1);
}

function drawNumber(random: RandomGenerator, min: number, max: number): number {
  const part = uniformFloat64(random);
  // Not max - min, which may be more than a double holds; what rounding adds is taken away.
  return Math.min(max, Math.max(min, min * (1 - part) + max * part));
}

function oneOf<T>(random: RandomGenerator, all: readonly T[]): T {
  return all[uniformInt(random, 0, all.length - 1)] as T; // never empty: checked
}
