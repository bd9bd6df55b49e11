/**
 * JSON values as the engine holds them, and the few operations that must be right for every key a client can choose.
 *
 * Values are never changed in place: a process that changes something builds the changed spine and shares the rest, so
 * "is it the same object" answers "has it changed" (event/write.ts lives on that).
 */
export type JsonPrimitive = string | number | boolean | null;
export type JsonObject = { [key: string]: JsonValue };
export type JsonArray = JsonValue[];
export type JsonValue = JsonPrimitive | JsonObject | JsonArray | RawNumber;

declare const rawNumberBrand: unique symbol;
/** A number whose text a double does not give back (`12.50`, 20 digits): parsing keeps its text, see parse.ts. */
// An interface, not a type: a type of this shape would pass for a JsonObject.
export interface RawNumber {
  readonly text: string;
  readonly [rawNumberBrand]: true;
}

// Told apart by prototype: no JSON text can spell one.
const rawNumberPrototype = Object.freeze({ kind: "rawNumber" });

export function newRawNumber(text: string): RawNumber {
  const number = Object.create(rawNumberPrototype) as { text: string };
  number.text = text;
  return number as RawNumber;
}

export function isRawNumber(value: JsonValue): value is RawNumber {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === rawNumberPrototype;
}

export function isArray(value: JsonValue | undefined): value is JsonArray {
  return Array.isArray(value);
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRawNumber(value);
}

export function isContainer(value: JsonValue | undefined): value is JsonObject | JsonArray {
  return typeof value === "object" && value !== null && !isRawNumber(value);
}

/** The number a value stands for, as a double; undefined for anything that is no number. */
export function numberOf(value: JsonValue): number | undefined {
  if (typeof value === "number") return value;
  return isRawNumber(value) ? Number(value.text) : undefined;
}

/** A copy in which every number is a double: for readers that know no RawNumber. */
export function withDoubles(value: JsonValue): JsonValue {
  if (!isContainer(value)) return numberOf(value) ?? value;
  if (isArray(value)) return value.map(withDoubles);
  const copy = newObject();
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++)
    setOwn(copy, keys[i] as string, withDoubles(value[keys[i] as string] as JsonValue));
  return copy;
}

/** The word for a value in messages: its type, never its content. */
export function typeName(value: JsonValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return isRawNumber(value) ? "a number" : "an object";
  return `a ${typeof value}`;
}

const ownProperty = Object.prototype.hasOwnProperty;

export function hasOwn(object: JsonObject, key: string): boolean {
  return getOwn(object, key) !== undefined;
}

/** The member `key`, or undefined: inherited names (`toString`, `__proto__`) are never members. */
export function getOwn(object: JsonObject, key: string): JsonValue | undefined {
  const value = object[key];
  if (value === undefined) return undefined;
  // What can be inherited is a function or `__proto__`, so only these are asked about: in nginx asking takes ten times
  // as long as reading.
  const mayBeInherited = typeof value === "function" || key === "__proto__";
  return mayBeInherited && !ownProperty.call(object, key) ? undefined : value;
}

// A null prototype has no `__proto__` setter, so plain assignment is right for every key; a constructor with one is
// twice as fast to fill as Object.create(null) (style.md 3.9).
const PlainObject = function PlainObject() {} as unknown as new () => JsonObject;
PlainObject.prototype = Object.create(null);

/** An empty object in which every string is an ordinary key, `__proto__` included. */
export function newObject(): JsonObject {
  return new PlainObject();
}

/** Writes a member of an object that newObject or copyObject made. */
export function setOwn(object: JsonObject, key: string, value: JsonValue): void {
  object[key] = value;
}

export function copyObject(object: JsonObject): JsonObject {
  const copy = newObject();
  const keys = Object.keys(object);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    copy[key] = object[key] as JsonValue;
  }
  return copy;
}

/** A copy without `key`. Rebuilt, because `delete` makes an object slow for good (style.md 3.9). */
export function copyWithout(object: JsonObject, key: string): JsonObject {
  const copy = newObject();
  const keys = Object.keys(object);
  for (let i = 0; i < keys.length; i++) {
    const name = keys[i] as string;
    if (name !== key) copy[name] = object[name] as JsonValue;
  }
  return copy;
}
