/** What the operations of the CEL form do (cel-spec langdef). undefined: an error, which celError puts in words. */
import { type Event, isReservedKey } from "../event/event.ts";
import {
  getOwn,
  hasOwn,
  isArray,
  isObject,
  isRawNumber,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  typeName,
} from "../event/json.ts";
import { order, plain } from "./compare.ts";
import { Op } from "./operators.ts";

/**
 * A chain of literal keys: `event.items[0]["x.y"]` is ["items", 0, "x.y"]. A name is a member of an object and a number
 * an element of an array, nothing else: unlike a path of the object form it never means a key that holds the dots.
 */
export type Walk = {
  /** true: in the event's side object */
  side: boolean;
  keys: (string | number)[];
  /** the message when it is not there; made beforehand, because || and && make that an ordinary case */
  missing: string;
};

/** The value at the first `length` keys of a walk. */
export function walk(event: Event, path: Walk, length: number): JsonValue | undefined {
  let value: JsonValue | undefined = path.side ? event.side : event.value;
  for (let i = 0; i < length; i++) {
    const key = path.keys[i] as string | number;
    if (typeof key === "string") value = isObject(value) ? getOwn(value, key) : undefined;
    else value = isArray(value) ? value[key] : undefined;
    if (value === undefined) return undefined;
  }
  return value;
}

/** has(): whether the last key is there; undefined when what should hold it is no object or missing. */
export function walkHas(event: Event, path: Walk): boolean | undefined {
  const holder = walk(event, path, path.keys.length - 1);
  return isObject(holder) ? hasOwn(holder, path.keys[path.keys.length - 1] as string) : undefined;
}

/** size(): characters of a string (code points), elements of a list, members of a map. */
export function sizeOf(value: JsonValue): number | undefined {
  if (typeof value === "string") return codePoints(value);
  if (isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : undefined;
}

const HIGH_SURROGATE = 0xd800 >> 10;
const LOW_SURROGATE = 0xdc00 >> 10;

function codePoints(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++) {
    // By ten bits: njs counts code points itself, and some above 0xffff end like half a pair.
    if (text.charCodeAt(i) >> 10 === LOW_SURROGATE && text.charCodeAt(i - 1) >> 10 === HIGH_SURROGATE) count--;
  }
  return count;
}

export function celBinary(
  event: Event,
  op: number,
  operand: number,
  left: JsonValue,
  right: JsonValue,
): JsonValue | undefined {
  switch (op) {
    case Op.celEqual:
      return equal(left, right);
    case Op.celNotEqual:
      return !equal(left, right);
    case Op.celOrder:
      return typeof left === "boolean" && typeof right === "boolean"
        ? order(operand, Number(left), Number(right))
        : order(operand, left, right);
    case Op.celArithmetic:
      return doubles(operand, left, right);
    case Op.intArithmetic:
      return whole(operand, left, right, -Number.MAX_SAFE_INTEGER);
    case Op.uintArithmetic:
      return whole(operand, left, right, 0);
    case Op.member:
      return memberAt(event, left, right);
    case Op.hasMember:
      return isObject(left) ? memberAt(event, left, right) !== undefined : undefined;
    case Op.isIn:
      return isIn(event, left, right);
    default:
      return searched(op, left, right);
  }
}

/** Equality by value. Of different types: not equal, except that numbers are numbers. */
function equal(left: JsonValue, right: JsonValue): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) {
    return (isRawNumber(left) || isRawNumber(right)) && plain(left) === plain(right);
  }
  if (isArray(left)) return isArray(right) && equalLists(left, right);
  if (isObject(left)) return isObject(right) && equalMaps(left, right);
  return plain(left) === plain(right);
}

function equalLists(left: JsonArray, right: JsonArray): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (!equal(left[i] as JsonValue, right[i] as JsonValue)) return false;
  return true;
}

function equalMaps(left: JsonObject, right: JsonObject): boolean {
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    if (!hasOwn(right, key) || !equal(left[key] as JsonValue, right[key] as JsonValue)) return false;
  }
  return true;
}

function doubles(op: number, left: JsonValue, right: JsonValue): JsonValue | undefined {
  if (typeof left === "number" && typeof right === "number") {
    switch (op) {
      case Op.addition:
        return left + right;
      case Op.subtract:
        return left - right;
      case Op.multiply:
        return left * right;
      default:
        return left / right;
    }
  }
  if (op !== Op.addition) return undefined;
  if (typeof left === "string" && typeof right === "string") return left + right;
  return isArray(left) && isArray(right) ? left.concat(right) : undefined;
}

// int64 in CEL. A double is exact to 2^53, so that is where ours end: an error instead of a number that is not true.
function whole(op: number, left: JsonValue, right: JsonValue, min: number): number | undefined {
  if (typeof left !== "number" || typeof right !== "number") return undefined;
  const result = wholeResult(op, left, right);
  return Number.isSafeInteger(result) && result >= min ? result : undefined;
}

function wholeResult(op: number, left: number, right: number): number {
  switch (op) {
    case Op.addition:
      return left + right;
    case Op.subtract:
      return left - right;
    case Op.multiply:
      return left * right;
    case Op.divide:
      return (left - (left % right)) / right; // towards zero; NaN, an error, for 0
    default:
      return left % right; // sign of the dividend; NaN for 0
  }
}

/** `container[key]`. A body's own `internal:…` members answer no question (docs/adr/0002). */
function memberAt(event: Event, container: JsonValue, key: JsonValue): JsonValue | undefined {
  if (isArray(container)) {
    const value = typeof key === "number" ? container[key] : undefined;
    return value === undefined ? undefined : plain(value);
  }
  if (!isObject(container) || typeof key !== "string") return undefined;
  if (container === event.value && isReservedKey(key)) return undefined;
  const value = getOwn(container, key);
  return value === undefined ? undefined : plain(value);
}

function isIn(event: Event, value: JsonValue, container: JsonValue): boolean | undefined {
  if (isArray(container)) {
    for (let i = 0; i < container.length; i++) if (equal(value, container[i] as JsonValue)) return true;
    return false;
  }
  return isObject(container) ? memberAt(event, container, value) !== undefined : undefined;
}

function searched(op: number, text: JsonValue, part: JsonValue): boolean | undefined {
  if (typeof text !== "string" || typeof part !== "string") return undefined;
  if (op === Op.startsWith) return text.startsWith(part);
  return op === Op.endsWith ? text.endsWith(part) : text.includes(part);
}

const NAMES: { [op: number]: string } = {
  [Op.addition]: "+",
  [Op.subtract]: "-",
  [Op.multiply]: "*",
  [Op.divide]: "/",
  [Op.modulus]: "%",
  [Op.greaterThan]: ">",
  [Op.lessThan]: "<",
  [Op.greaterThanOrEqual]: ">=",
  [Op.lessThanOrEqual]: "<=",
  [Op.hasMember]: "has()",
  [Op.isIn]: "in",
  [Op.startsWith]: "startsWith()",
  [Op.endsWith]: "endsWith()",
  [Op.contains]: "contains()",
};

/** Why celBinary could not answer: types, never values. */
export function celError(op: number, operand: number, left: JsonValue, right: JsonValue): string {
  if (op === Op.member) return `${typeName(left)} has no such member or element (looked up with ${typeName(right)})`;
  const name = NAMES[operand !== 0 ? operand : op] ?? "the operator";
  if (op === Op.intArithmetic || op === Op.uintArithmetic)
    return `${name} has no result: a division by zero, or a whole number out of range`;
  return `${name} cannot be applied to ${typeName(left)} and ${typeName(right)}`;
}
