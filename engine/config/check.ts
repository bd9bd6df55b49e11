/**
 * Checks a value of the configuration against the field descriptors of engine/core/definition.ts and gives it back in
 * its one form: enums and quoted numbers as numbers, what is `null` left out (agglo-behaviour 1.1; `any` keeps it).
 *
 * Everything wrong is complained of at once. What was found is quoted only where a plain value belongs that is not a
 * secret: a string in the place of an object or a list may be anything, the key of an HMAC included.
 */
import type { Field, Fields } from "../core/definition.ts";
import { complain, type DiagnosticCode, type DocumentPath, type Report } from "../core/diagnostic.ts";
import {
  isObject,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  newObject,
  setOwn,
  typeName,
} from "../core/event/json.ts";
import { quote } from "./print.ts";
import { nearest, suggest } from "./suggest.ts";

export type CheckContext = {
  report: Report;
  /** the grammars that fields of kind `named` stand for */
  named: { readonly [name: string]: Field };
  /** unknown fields are warnings and left out */
  lenient?: boolean;
  /**
   * true: what is right is given back although something else is not; wrong fields are left out, wrong elements of lists
   * are null (so that indexes still are places). Ask isClean before using a part.
   */
  partial?: boolean;
};

/** Values nest as deep as their document, which has this limit too; here it bounds values from anywhere else. */
const MAX_DEPTH = 200;
/** Longer lists of names say less than the documentation. */
const MAX_NAMES_LISTED = 24;

type FieldOf<K extends Field["kind"]> = Extract<Field, { kind: K }>;

/** Checks an object's fields. undefined: something is wrong and stands in the report (but see `partial`). */
export function checkFields(
  fields: Fields,
  value: unknown,
  at: DocumentPath,
  context: CheckContext,
): JsonObject | undefined {
  return checkField({ kind: "object", fields, doc: "" }, value, at, context) as JsonObject | undefined;
}

/** Checks one value. undefined: it is absent, or something is wrong and stands in the report (but see `partial`). */
export function checkField(
  field: Field,
  value: unknown,
  at: DocumentPath,
  context: CheckContext,
): JsonValue | undefined {
  const known = context.report.diagnostics.length;
  // What readDocument and JSON.parse make is JSON; anything else falls through as "expected …".
  const checked = check(field, value as JsonValue | undefined, at, context);
  const added = context.report.diagnostics.slice(known);
  const isWrong = added.some((diagnostic) => diagnostic.severity === "error");
  return isWrong && context.partial !== true ? undefined : checked;
}

/** Whether nothing at or below a path is reported as an error. */
export function isClean(report: Report, at: DocumentPath): boolean {
  return !report.diagnostics.some(
    (diagnostic) => diagnostic.severity === "error" && at.every((step, i) => diagnostic.path[i] === step),
  );
}

// undefined: absent, or wrong and reported.
function check(
  field: Field,
  value: JsonValue | undefined,
  at: DocumentPath,
  context: CheckContext,
): JsonValue | undefined {
  if (value === undefined || (value === null && field.kind !== "any")) return undefined;
  if (at.length > MAX_DEPTH) {
    return wrong(context, "E_VALUE", at, `expected at most ${MAX_DEPTH} levels of nesting, found more`, "");
  }
  switch (field.kind) {
    case "named":
      return check(namedField(field, context), value, at, context);
    case "object":
      return checkObject(field.fields, field.exclusive ?? [], value, at, context);
    case "oneOf":
      if (field.text !== undefined && !isObject(value)) {
        return typeof value === "string" ? value : expectedContainer(context, at, "a string or an object", value);
      }
      return checkObject(field.members, Object.keys(field.members), value, at, context);
    case "list":
      return checkList(field, value, at, context);
    case "map":
      return checkMap(field, value, at, context);
    case "json":
      return isObject(value) ? value : expectedContainer(context, at, "an object", value);
    case "any":
      return value;
    case "later":
      return wrong(context, "E_NOT_YET", at, `${quote(String(at.at(-1) ?? ""))} is not there yet`, "take it out");
    default:
      return checkScalar(field, value, at, context);
  }
}

function namedField(field: FieldOf<"named">, context: CheckContext): Field {
  const found = Object.hasOwn(context.named, field.name) ? context.named[field.name] : undefined;
  // Our own grammar is broken, whatever the file says: a chain of names could also go round in circles.
  if (found === undefined || found.kind === "named") throw new Error(`no grammar is called "${field.name}"`);
  return found;
}

function checkObject(
  fields: Fields,
  exclusive: readonly string[],
  value: JsonValue,
  at: DocumentPath,
  context: CheckContext,
): JsonObject | undefined {
  if (!isObject(value)) return expectedContainer(context, at, "an object", value);
  const checked = newObject();
  const misspelt: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (field === undefined) {
      misspelt.push(nearest(key, Object.keys(fields)) ?? "");
      complainUnknown(key, fields, at, context);
      continue;
    }
    const result = check(field, member, [...at, key], context);
    if (result !== undefined) setOwn(checked, key, result);
  }
  for (const [key, field] of Object.entries(fields)) {
    if (field.required !== true || isPresent(value, key, field)) continue;
    // The misspelt field has been complained of: this is the same mistake.
    if (context.lenient !== true && misspelt.includes(key)) continue;
    wrong(
      context,
      "E_MISSING_FIELD",
      [...at, key],
      `expected ${expectation(field)}, found nothing`,
      `add ${quote(key)}`,
    );
  }
  const present = exclusive.filter((key) => isPresent(value, key, fields[key]));
  if (present.length > 1) {
    const found = present.map(quote).join(" and ");
    wrong(context, "E_ONE_OF", at, `expected at most one of ${listed(exclusive)}, found ${found}`, "keep one of them");
  }
  return checked;
}

function isPresent(object: JsonObject, key: string, field: Field | undefined): boolean {
  return Object.hasOwn(object, key) && (object[key] !== null || field?.kind === "any");
}

function complainUnknown(key: string, fields: Fields, at: DocumentPath, context: CheckContext): void {
  const names = Object.keys(fields);
  const usable = names.filter((name) => fields[name]?.kind !== "later");
  const all = usable.length === 0 ? "" : `known here: ${listed(usable)}`;
  complain(context.report, "E_UNKNOWN_FIELD", [...at, key], "no such field", suggest(key, names) || all);
  const added = context.report.diagnostics.at(-1);
  if (context.lenient === true && added !== undefined) added.severity = "warning";
}

function checkList(
  field: FieldOf<"list">,
  value: JsonValue,
  at: DocumentPath,
  context: CheckContext,
): JsonValue | undefined {
  if (!Array.isArray(value)) return expectedContainer(context, at, "an array", value);
  if (field.max !== undefined && value.length > field.max) {
    return wrong(context, "E_VALUE", at, `expected at most ${field.max} elements, found ${value.length}`, "");
  }
  const checked: JsonArray = [];
  for (const [i, element] of value.entries()) {
    const isNothing = element === null && field.nulls === true;
    checked.push(isNothing ? null : (checkItem(field.of, element, [...at, i], context) ?? null));
  }
  return checked;
}

function checkMap(
  field: FieldOf<"map">,
  value: JsonValue,
  at: DocumentPath,
  context: CheckContext,
): JsonValue | undefined {
  if (!isObject(value)) return expectedContainer(context, at, "an object", value);
  const checked = newObject();
  for (const [key, member] of Object.entries(value)) {
    const result = checkItem(field.of, member, [...at, key], context);
    if (result !== undefined) setOwn(checked, key, result);
  }
  return checked;
}

/** An element of a list or a map: unlike a field's, its `null` cannot mean absent. */
function checkItem(field: Field, value: JsonValue, at: DocumentPath, context: CheckContext): JsonValue | undefined {
  if (value !== null || field.kind === "any") return check(field, value, at, context);
  return wrong(context, "E_TYPE", at, `expected ${expectation(field)}, found null`, "take it out");
}

type Scalar = FieldOf<"string" | "secret" | "boolean" | "integer" | "number" | "enum" | "word">;

function checkScalar(field: Scalar, value: JsonValue, at: DocumentPath, context: CheckContext): JsonValue | undefined {
  switch (field.kind) {
    case "secret":
      return checkSecret(value, at, context);
    case "enum":
      if (typeof value === "string" && Object.hasOwn(field.values, value)) return field.values[value];
      if (typeof value === "number" && Object.values(field.values).includes(value)) return value;
      return unexpected(field, value, at, context, nearName(value, Object.keys(field.values)));
    case "word":
      if (typeof value === "string" && field.words.includes(value)) return value;
      return unexpected(field, value, at, context, nearName(value, field.words));
    case "string":
      if (typeof value === "string") return value;
      return unexpected(field, value, at, context, isPlain(value) ? `write it in quotes: "${value}"` : "");
    case "boolean":
      if (typeof value === "boolean") return value;
      return unexpected(
        field,
        value,
        at,
        context,
        value === "true" || value === "false" ? "write it without quotes" : "",
      );
    case "integer":
    case "number":
      return checkNumber(field, value, at, context);
  }
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const JSON_INTEGER = /^-?(?:0|[1-9]\d*)$/;

function checkNumber(
  field: FieldOf<"integer" | "number">,
  value: JsonValue,
  at: DocumentPath,
  context: CheckContext,
): number | undefined {
  const isInteger = field.kind === "integer";
  const isQuoted = typeof value === "string" && (isInteger ? JSON_INTEGER : JSON_NUMBER).test(value);
  const number = isQuoted ? Number(value) : value;
  const fits = typeof number === "number" && (isInteger ? Number.isSafeInteger(number) : Number.isFinite(number));
  // `+ 0`: there is no use for -0
  if (fits && (!isInteger || isWithin(number, field.min, field.max))) return number + 0;
  // They load in the original, and then the condition fails on every event (agglo-behaviour section 11).
  const isNamed = typeof value === "string" && /^-?(?:NaN|Infinity)$/.test(value);
  const remedy = isNamed ? "no event can be compared or computed with it: write a real bound" : "";
  const message = `expected ${expectation(field)}, found ${foundScalar(value)}`;
  return wrong(context, typeof number === "number" ? "E_VALUE" : "E_TYPE", at, message, remedy);
}

function isWithin(number: number, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY): boolean {
  return number >= min && number <= max;
}

const SECRET_FORMS = '"${env:NAME}" or "${file:/path}"';
const SECRET = /^\$\{(?:env:[A-Za-z_][A-Za-z0-9_]*|file:\/[^{}\p{C}]+)\}$/u;

/** Whatever is not wholly a reference may be the secret itself, or hold a part of it: nothing of it is repeated. */
function checkSecret(value: JsonValue, at: DocumentPath, context: CheckContext): string | undefined {
  if (typeof value === "string" && SECRET.test(value)) return value;
  const found = typeof value === "string" ? "something else" : typeName(value);
  const remedy = `write ${SECRET_FORMS} and nothing around it`;
  return wrong(context, "E_SECRET", at, `expected a reference to a secret, found ${found}`, remedy);
}

function nearName(value: JsonValue, names: readonly string[]): string {
  return typeof value === "string" ? suggest(value, names) : "";
}

function isPlain(value: JsonValue): value is number | boolean {
  return typeof value === "number" || typeof value === "boolean";
}

function unexpected(
  field: Scalar,
  value: JsonValue,
  at: DocumentPath,
  context: CheckContext,
  remedy: string,
): undefined {
  // Of the right type, but none of the values.
  const isName = typeof value === "string" || (field.kind === "enum" && typeof value === "number");
  const code = (field.kind === "enum" || field.kind === "word") && isName ? "E_VALUE" : "E_TYPE";
  return wrong(context, code, at, `expected ${expectation(field)}, found ${foundScalar(value)}`, remedy);
}

function foundScalar(value: JsonValue): string {
  if (typeof value === "string") return quote(value);
  return isPlain(value) ? String(value) : typeName(value);
}

function expectedContainer(context: CheckContext, at: DocumentPath, expected: string, value: JsonValue): undefined {
  const remedy = expected === "an array" ? "put it in brackets: […]" : "";
  return wrong(context, "E_TYPE", at, `expected ${expected}, found ${typeName(value)}`, remedy);
}

/** What a field takes, as it stands after "expected". */
function expectation(field: Field): string {
  switch (field.kind) {
    case "boolean":
      return "true or false";
    case "integer":
      return `a whole number${range(field.min, field.max)}`;
    case "enum":
      return `one of ${listed(Object.keys(field.values))}`;
    case "word":
      return `one of ${listed(field.words)}`;
    case "list":
      return "an array";
    case "secret":
      return "a reference to a secret";
    case "string":
    case "number":
      return `a ${field.kind}`;
    default:
      return field.kind === "any" ? "a value" : "an object";
  }
}

function range(min: number | undefined, max: number | undefined): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? "" : ` of at most ${max}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES_LISTED).join(", ");
  return names.length > MAX_NAMES_LISTED ? `${shown}, …` : shown;
}

function wrong(
  context: CheckContext,
  code: DiagnosticCode,
  at: DocumentPath,
  message: string,
  remedy: string,
): undefined {
  complain(context.report, code, at, message, remedy);
  return undefined;
}
