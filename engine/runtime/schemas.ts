/**
 * The Schemas port over ajv (MIT): JSON Schema 2020-12, formats asserted, nothing fetched.
 *
 * What a client sends cannot make it slow: patterns run on RE2, `uniqueItems` is linear (ajv's compares every pair), and
 * all errors are collected only of values that are not large. What a client names cannot be seen: of the names in a
 * pointer only those that the schema itself has are told.
 */
import type { ErrorObject, ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { fullFormats } from "ajv-formats/dist/formats.js";
import { isContainer, isRawNumber, type JsonObject, type JsonValue, withDoubles } from "../core/event/json.ts";
import {
  type Regexps,
  type SchemaFlaw,
  type Schemas,
  VALIDATION_ERRORS_MAX,
  type ValidationError,
  type Validator,
} from "../core/ports.ts";

/** The formats of JSON Schema 2020-12 section 7.3, but the internationalised ones. */
const FORMATS = [
  "date-time",
  "date",
  "time",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uri",
  "uri-reference",
  "uri-template",
  "uuid",
  "json-pointer",
  "relative-json-pointer",
] as const;

/** Past so many values only the first error is looked for. */
const ALL_ERRORS_VALUES_MAX = 10_000;

export function ajvSchemas(regexps: Regexps): Schemas {
  const meta = lazily(() => new Ajv2020({ allErrors: true, logger: false }));
  return {
    compile(schema) {
      // ajv compares by constructor and prototype: it gets plain objects.
      const plain = JSON.parse(JSON.stringify(schema)) as JsonObject | boolean;
      // An instance for each schema: in one, two with the same $id would be one.
      const compiled = compileIn(newAjv(regexps, false), meta(), plain);
      if ("flaws" in compiled) return compiled;
      const validateAll = lazily(() => newAjv(regexps, true).compile(plain));
      return newValidator(compiled.validate, validateAll, namesIn(plain));
    },
  };
}

class PatternError extends Error {
  readonly source: string;
  constructor(source: string, reason: string) {
    super(`the pattern ${reason}; patterns are RE2's: no look-around, no back-references`);
    this.source = source;
  }
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function newAjv(regexps: Regexps, allErrors: boolean): Ajv2020 {
  const compilePattern = (source: string) => {
    const pattern = regexps.compile(source);
    if ("error" in pattern) throw new PatternError(source, pattern.error); // ajv takes no other answer; see compileIn
    // ajv keeps them by their text.
    return { test: (text: string) => pattern.test(text), toString: () => source };
  };
  const ajv = new Ajv2020({
    allErrors,
    // A keyword or format that does not exist would be a rule that nobody enforces. The rest of ajv's strict mode is style.
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allowMatchingProperties: true,
    // `required: ["toString"]` asks for a member, not for what every object inherits.
    ownProperties: true,
    // 19.99 is a multiple of 0.01.
    multipleOfPrecision: 10,
    meta: false, // `meta` of ajvSchemas has checked the schema
    validateSchema: false,
    logger: false,
    code: { regExp: Object.assign(compilePattern, { code: "" }) },
  });
  for (const name of FORMATS) ajv.addFormat(name, fullFormats[name]);
  ajv.addFormat("regex", (text: string) => !("error" in regexps.compile(text)));
  ajv.addKeyword("$anchor"); // resolved by ajv, and unknown to its strict mode
  compareByText(ajv);
  return ajv;
}

/** `const`, `enum` and `uniqueItems` by canonical text: linear, and the same for objects of any prototype. */
function compareByText(ajv: Ajv2020): void {
  for (const keyword of ["const", "enum", "uniqueItems"]) ajv.removeKeyword(keyword);
  ajv.addKeyword({
    keyword: "const",
    compile: (schema: JsonValue) => isOneOf([schema]),
  });
  ajv.addKeyword({
    keyword: "enum",
    schemaType: "array",
    compile: (schema: JsonValue[]) => isOneOf(schema),
  });
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    compile: (schema: boolean) => (data: JsonValue[]) =>
      !schema || new Set(data.map(canonicalText)).size === data.length,
  });
}

function isOneOf(values: readonly JsonValue[]): (data: JsonValue) => boolean {
  const texts = new Set(values.map(canonicalText));
  return (data) => texts.has(canonicalText(data));
}

/** Equal for equal values (JSON Schema core section 4.2.2): members sorted, numbers by their value. */
function canonicalText(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (typeof value === "number") return String(value + 0); // -0 is 0
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const object = value as JsonObject; // withDoubles has replaced raw numbers
  const members = Object.keys(object).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalText(object[key] as JsonValue)}`).join(",")}}`;
}

const FLAWS_MAX = 10;

/** What ajv leaves out without a word, or gets wrong. */
const UNSUPPORTED = [
  ["__proto__", 'a property called "__proto__" cannot be checked'],
  ["$dynamicRef", '"$dynamicRef" is not there: write "$ref"'],
] as const;

type Compiled = { validate: ValidateFunction } | { flaws: SchemaFlaw[] };

function compileIn(ajv: Ajv2020, meta: Ajv2020, schema: JsonObject | boolean): Compiled {
  for (const [word, message] of UNSUPPORTED) {
    const path = findWord(schema, word, []);
    if (path !== undefined) return { flaws: [{ path, message }] };
  }
  try {
    if (meta.validateSchema(schema) !== true) return { flaws: metaFlaws(meta.errors ?? []) };
    return { validate: ajv.compile(schema) };
  } catch (thrown) {
    if (thrown instanceof PatternError) {
      return { flaws: [{ path: findWord(schema, thrown.source, []) ?? [], message: thrown.message }] };
    }
    return { flaws: [thrownFlaw(String((thrown as Error).message), schema)] };
  }
}

/** One flaw a place, the deepest places first: what holds a wrong part is wrong by that alone. */
function metaFlaws(errors: readonly ErrorObject[]): SchemaFlaw[] {
  const flaws = new Map<string, SchemaFlaw>();
  const places = errors.map((error) => error.instancePath);
  for (const error of errors) {
    const place = error.instancePath;
    const isOuter = places.some((other) => other.startsWith(`${place}/`));
    if (isOuter || flaws.has(place)) continue;
    const name = error.propertyName === undefined ? "" : `"${error.propertyName}" `;
    flaws.set(place, { path: segmentsOf(place), message: name + messageOf(error) });
  }
  return [...flaws.values()].slice(0, FLAWS_MAX);
}

function messageOf(error: ErrorObject): string {
  if (error.keyword === "enum") return `must be one of ${JSON.stringify(error.schema)}`;
  return error.message ?? `does not match "${error.keyword}" of the meta-schema`;
}

// ajv says these in words alone; the place is where the word stands that it quotes.
function thrownFlaw(message: string, schema: JsonValue): SchemaFlaw {
  const at = /at path "#\/?([^"]*)"/.exec(message)?.[1];
  const text = message
    .replace(/^strict mode: /, "")
    .replace(/ ignored in schema at path ".*"$/, "")
    .replace(
      /^no schema with key or ref (.*)$/,
      "$1 cannot be used: this is JSON Schema 2020-12, and no other schema is fetched",
    );
  if (at !== undefined && at !== "") return { path: segmentsOf(`/${at}`), message: text };
  const word = /"([^"]+)"|reference (\S+)/.exec(message);
  const path = word === null ? undefined : findWord(schema, word[1] ?? (word[2] as string), []);
  return { path: path ?? [], message: text };
}

/** Where a key or a string stands, breadth last. */
function findWord(value: JsonValue, word: string, path: (string | number)[]): (string | number)[] | undefined {
  if (value === word) return path;
  if (!isContainer(value)) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    const found = key === word ? at : findWord(member as JsonValue, word, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function newValidator(first: ValidateFunction, all: () => ValidateFunction, names: ReadonlySet<string>): Validator {
  return {
    validate(value) {
      const census: Census = { values: 0, rawNumbers: 0 };
      count(value, census);
      const plain = census.rawNumbers === 0 ? value : withDoubles(value);
      const isLarge = census.values > ALL_ERRORS_VALUES_MAX;
      try {
        if (first(plain)) return [];
        const validate = isLarge ? first : all();
        if (!isLarge) validate(plain);
        return (validate.errors ?? []).slice(0, VALIDATION_ERRORS_MAX).map((error) => errorOf(error, plain, names));
      } catch {
        // A schema that refers to itself without going down never ends. It has not said yes.
        return [{ pointer: "", keyword: "$ref" }];
      }
    },
  };
}

type Census = { values: number; rawNumbers: number };

// Index loops and no copy: this reads every event.
function count(value: JsonValue, census: Census): void {
  census.values++;
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) count(value[i] as JsonValue, census);
  } else if (isRawNumber(value)) {
    census.rawNumbers++;
  } else {
    const object = value as JsonObject;
    const keys = Object.keys(object);
    for (let i = 0; i < keys.length; i++) count(object[keys[i] as string] as JsonValue, census);
  }
}

function errorOf(error: ErrorObject, root: JsonValue, names: ReadonlySet<string>): ValidationError {
  let pointer = "";
  let value: JsonValue | undefined = root;
  for (const segment of error.instancePath.split("/").slice(1)) {
    const name = unescapePointer(segment);
    pointer += `/${Array.isArray(value) || names.has(name) ? segment : "*"}`;
    value = (value as JsonObject)[name]; // an element's index as a name will do
  }
  // The schema's own word, and without it nobody knows what is missing.
  const missing = (error.params as { missingProperty?: unknown }).missingProperty;
  if (typeof missing === "string") pointer += `/${missing.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  return { pointer, keyword: error.keyword };
}

function segmentsOf(pointer: string): (string | number)[] {
  return pointer
    .split("/")
    .slice(1)
    .map((segment) => (/^\d+$/.test(segment) ? Number(segment) : unescapePointer(decodeURIComponent(segment))));
}

function unescapePointer(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** Every key that stands in the schema: what may be named. */
function namesIn(schema: JsonValue): Set<string> {
  const names = new Set<string>();
  const collect = (value: JsonValue): void => {
    if (!isContainer(value)) return;
    for (const [key, member] of Object.entries(value)) {
      if (!Array.isArray(value)) names.add(key);
      collect(member as JsonValue);
    }
  };
  collect(schema);
  return names;
}
