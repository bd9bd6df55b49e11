/**
 * The schema of `binge genevents`: the original's (agglo-behaviour 8), strict and checked with places. What its generator
 * left to chance (map order, an empty pool, a list of fixed length) is said here.
 */
import type { Field, Fields } from "../../engine/core/definition.ts";

/** Longer strings and lists are a typing error. */
const LENGTH_MAX = 1_000_000;

const value = (doc: string) => ({ kind: "named", name: "value", doc }) as const;
const length = (doc: string) => ({ kind: "integer", min: 0, max: LENGTH_MAX, doc }) as const;
const KVS = { kind: "map", of: value("What it holds."), required: true, doc: "Fields by name." } as const;
const MAX_REF = {
  kind: "integer",
  min: 0,
  doc: "How often a reference may use the value. Default 1, and 0 is 1.",
} as const;

const STRING_RULES = {
  prefixName: { kind: "string", doc: "One of `stringPrefixes`, put before it." },
  suffixName: { kind: "string", doc: "One of `stringSuffixes`, put behind it." },
  sharedName: {
    kind: "string",
    doc: "Within one event the same string wherever this name stands, before prefix and suffix.",
  },
  storeStringState: {
    kind: "string",
    doc: "Under this name later events can read the string, before prefix and suffix.",
  },
  readStringState: {
    kind: "string",
    doc: "The string stored last under this name, if there is one; goes before sharedName, and for all that share it.",
  },
  maxRef: MAX_REF,
} as const;

export const VALUE_MEMBERS = {
  randomString: {
    kind: "object",
    doc: "Characters of an alphabet.",
    fields: {
      minLen: length("Shortest, in characters. Default 0."),
      maxLen: length("Below this, or just minLen where both are equal. Default 0."),
      alphabet: { kind: "string", doc: "Its characters. Default letters and digits." },
      ...STRING_RULES,
    },
  },
  vocabString: {
    kind: "object",
    doc: "One of some words.",
    fields: {
      vocab: { kind: "list", of: { kind: "string", doc: "A word." }, required: true, doc: "The words." },
      ...STRING_RULES,
    },
  },
  fixedString: { kind: "object", doc: "Always the same.", fields: { value: { kind: "string", doc: 'Default "".' } } },
  randomNumeric: {
    kind: "object",
    doc: "A number, every one in between as likely.",
    fields: {
      min: { kind: "number", doc: "Smallest. Default 0." },
      max: { kind: "number", doc: "Largest. Default 0." },
      maxRef: MAX_REF,
    },
  },
  numericSet: {
    kind: "object",
    doc: "One of some numbers.",
    fields: { values: { kind: "list", of: { kind: "number", doc: "A number." }, required: true, doc: "The numbers." } },
  },
  fixedNumeric: { kind: "object", doc: "Always the same.", fields: { value: { kind: "number", doc: "Default 0." } } },
  boolean: { kind: "object", doc: "true or false, both as likely.", fields: {} },
  dict: { kind: "object", doc: "An object.", fields: { kvs: KVS } },
  list: {
    kind: "object",
    doc: "A list.",
    fields: {
      minLen: length("Fewest elements. Default 0."),
      maxLen: length("Below this, or just minLen where both are equal. Default 0."),
      value: { ...value("Each element."), required: true },
    },
  },
  reference: {
    kind: "object",
    doc: "A value that an event of another schema has. Where none is left, that schema's event is made in place of this.",
    fields: {
      schemaName: { kind: "string", required: true, doc: "The other schema." },
      path: { kind: "string", required: true, doc: "A field of its root." },
    },
  },
  counter: {
    kind: "object",
    doc: "0, 1, 2, …",
    fields: { counterName: { kind: "string", required: true, doc: "Whoever names the same counts on." } },
  },
} as const;

export const VALUE: Field = { kind: "oneOf", members: VALUE_MEMBERS, doc: "One of these." };

const share = { kind: "number", doc: "A share, 0 to 1." } as const;
export const SCHEMA_FIELDS: Fields = {
  schemas: {
    kind: "list",
    required: true,
    doc: "Kinds of events.",
    of: {
      kind: "object",
      doc: "A kind.",
      fields: {
        name: { kind: "string", required: true, doc: "Unique; what references call it." },
        root: { kind: "object", required: true, fields: { kvs: KVS }, doc: "The event." },
      },
    },
  },
  schemaDistribution: {
    kind: "list",
    of: share,
    doc: "How often each schema is drawn, in their order; the sum is 1. Default: all as often.",
  },
  stringPrefixes: { kind: "map", of: { kind: "string", doc: "The text." }, doc: "Prefixes by name." },
  stringSuffixes: { kind: "map", of: { kind: "string", doc: "The text." }, doc: "Suffixes by name." },
};

/** What the reference shows; a test runs it. */
export const SCHEMA_EXAMPLE = {
  schemas: [
    {
      name: "user",
      root: { kvs: { id: { randomString: { minLen: 8, maxLen: 8, prefixName: "user", maxRef: 3 } } } },
    },
    {
      name: "login",
      root: {
        kvs: {
          nr: { counter: { counterName: "logins" } },
          user: { reference: { schemaName: "user", path: "id" } },
          from: { vocabString: { vocab: ["web", "phone"] } },
        },
      },
    },
  ],
  schemaDistribution: [0.2, 0.8],
  stringPrefixes: { user: "u-" },
};

export type StringRules = {
  prefixName?: string;
  suffixName?: string;
  sharedName?: string;
  storeStringState?: string;
  readStringState?: string;
  maxRef?: number;
};
export type RandomString = StringRules & { minLen?: number; maxLen?: number; alphabet?: string };
export type VocabString = StringRules & { vocab: string[] };
export type ListRule = { minLen?: number; maxLen?: number; value: Value };
export type Value = {
  randomString?: RandomString;
  vocabString?: VocabString;
  fixedString?: { value?: string };
  randomNumeric?: { min?: number; max?: number; maxRef?: number };
  numericSet?: { values: number[] };
  fixedNumeric?: { value?: number };
  boolean?: object;
  dict?: { kvs: Values };
  list?: ListRule;
  reference?: { schemaName: string; path: string };
  counter?: { counterName: string };
};
export type Values = { [name: string]: Value };
export type EventSchema = { name: string; root: { kvs: Values } };
export type Schemas = {
  schemas: EventSchema[];
  schemaDistribution?: number[];
  stringPrefixes?: { [name: string]: string };
  stringSuffixes?: { [name: string]: string };
};

/** Every reference in some values, with how many values of its pool one event takes at most. */
export function referencesIn(kvs: Values): { schemaName: string; path: string; uses: number }[] {
  return Object.values(kvs).flatMap(referencesOf);
}

function referencesOf({ reference, dict, list }: Value): { schemaName: string; path: string; uses: number }[] {
  if (reference !== undefined) return [{ ...reference, uses: 1 }];
  if (dict !== undefined) return referencesIn(dict.kvs);
  if (list === undefined) return [];
  const { minLen = 0, maxLen = 0 } = list;
  const longest = Math.max(minLen, maxLen - 1);
  return referencesOf(list.value).map((inside) => ({ ...inside, uses: inside.uses * longest }));
}
