/** All strings and numbers of a tree, each replaced by what a visitor makes of it; what stays is shared, as ever. */
import {
  isArray,
  isObject,
  isRawNumber,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  newObject,
  type RawNumber,
  setOwn,
} from "./json.ts";

export type ScalarVisitor = {
  /** returns the value itself to leave it, undefined to take it away */
  visitScalar: (visitor: ScalarVisitor, value: string | number | RawNumber) => JsonValue | undefined;
};

/** The same value when nothing changed; undefined when it is a scalar that goes. */
export function rewriteScalars(value: JsonValue, visitor: ScalarVisitor): JsonValue | undefined {
  if (typeof value === "string" || typeof value === "number") return visitor.visitScalar(visitor, value);
  if (value === null || typeof value === "boolean") return value;
  if (isRawNumber(value)) return visitor.visitScalar(visitor, value);
  if (isArray(value)) return rewriteElements(value, visitor);
  return isObject(value) ? rewriteMembers(value, visitor) : value;
}

function rewriteElements(value: JsonArray, visitor: ScalarVisitor): JsonArray {
  let copy: JsonArray | undefined;
  for (let i = 0; i < value.length; i++) {
    const element = value[i] as JsonValue;
    const replaced = rewriteScalars(element, visitor);
    if (copy === undefined && replaced !== element) copy = value.slice(0, i);
    if (copy !== undefined && replaced !== undefined) copy.push(replaced);
  }
  return copy ?? value;
}

function rewriteMembers(value: JsonObject, visitor: ScalarVisitor): JsonObject {
  let copy: JsonObject | undefined;
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    const member = value[key] as JsonValue;
    const replaced = rewriteScalars(member, visitor);
    if (copy === undefined && replaced !== member) {
      copy = newObject();
      for (let j = 0; j < i; j++) setOwn(copy, keys[j] as string, value[keys[j] as string] as JsonValue);
    }
    if (copy !== undefined && replaced !== undefined) setOwn(copy, key, replaced);
  }
  return copy ?? value;
}
