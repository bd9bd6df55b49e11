/** Runs a condition's program on an event. */
import type { Event } from "../event/event.ts";
import { isRawNumber, type JsonValue, numberOf, typeName } from "../event/json.ts";
import { isLeaf, lookup, type Path } from "../event/path.ts";
import type { Pattern, Regexps } from "../ports.ts";
import type { Condition } from "./compile.ts";
import { Op } from "./operators.ts";

/** The three answers of a condition. */
export const Truth = { no: 0, yes: 1, error: 2 } as const;
export type Truth = (typeof Truth)[keyof typeof Truth];

/** A condition ready to run. Evaluation is synchronous, so one stack serves all events of a thread. */
export type LinkedCondition = {
  condition: Condition;
  patterns: readonly Pattern[];
  regexps: Regexps;
  stack: JsonValue[];
  /** after Truth.error: what could not be computed; names types, never values */
  error: string;
};

export function linkCondition(condition: Condition, patterns: readonly Pattern[], regexps: Regexps): LinkedCondition {
  return { condition, patterns, regexps, stack: [], error: "" };
}

export function evaluate(linked: LinkedCondition, event: Event): Truth {
  const code = linked.condition.code;
  const paths = linked.condition.paths;
  const stack = linked.stack;
  let top = -1;
  for (let pc = 0; pc < code.length; pc += 2) {
    const op = code[pc] as number;
    const operand = code[pc + 1] as number;
    if (op === Op.require) {
      if (!isLeaf(lookup(event, paths[operand] as Path))) return Truth.no;
    } else if (op === Op.load) {
      stack[++top] = plain(lookup(event, paths[operand] as Path) as JsonValue);
    } else if (op === Op.constant) {
      stack[++top] = linked.condition.constants[operand] as JsonValue;
    } else if (op === Op.exists || op === Op.notExists) {
      stack[++top] = (lookup(event, paths[operand] as Path) !== undefined) === (op === Op.exists);
    } else if (op === Op.patternMatch || op === Op.patternNotMatch) {
      const text = stack[top] as JsonValue;
      if (typeof text !== "string") return fail(linked, `a pattern needs a string, found ${typeName(text)}`);
      stack[top] = (linked.patterns[operand] as Pattern).test(text) === (op === Op.patternMatch);
    } else if (op <= Op.logicalNot) {
      const result = unary(op, stack[top] as JsonValue);
      if (result === undefined) return fail(linked, mismatch(op, stack[top] as JsonValue));
      stack[top] = result;
    } else {
      top--;
      const left = stack[top] as JsonValue;
      const right = stack[top + 1] as JsonValue;
      const result = op <= Op.xor ? arithmetic(op, left, right) : compare(linked, op, left, right);
      if (result === undefined) return fail(linked, mismatch(op, left, right));
      stack[top] = result;
    }
  }
  const result = stack[0];
  if (typeof result !== "boolean") return fail(linked, `the condition yields ${typeName(result)}, not true or false`);
  return result ? Truth.yes : Truth.no;
}

function fail(linked: LinkedCondition, error: string): Truth {
  linked.error = error;
  return Truth.error;
}

// Conditions compute with doubles, as the original does.
function plain(value: JsonValue): JsonValue {
  return isRawNumber(value) ? (numberOf(value) as number) : value;
}

function unary(op: number, value: JsonValue): JsonValue | undefined {
  if (op === Op.logicalNot) return typeof value === "boolean" ? !value : undefined;
  if (typeof value !== "number") return undefined;
  return op === Op.negation ? -value : -Math.trunc(value) - 1;
}

function arithmetic(op: number, left: JsonValue, right: JsonValue): JsonValue | undefined {
  if (op === Op.addition && (typeof left === "string" || typeof right === "string")) return text(left) + text(right);
  if (typeof left !== "number" || typeof right !== "number") return undefined;
  switch (op) {
    case Op.addition:
      return left + right;
    case Op.subtract:
      return left - right;
    case Op.multiply:
      return left * right;
    case Op.divide:
      return left / right;
    case Op.power:
      return left ** right;
    case Op.modulus:
      return left % right; // sign of the dividend, as C's fmod
    default:
      return bitwise(op, left, right);
  }
}

const WORD = 0x100000000;

// Go truncates to 64-bit integers here: two words of 32 bits do the same without BigInt, which njs does not have.
function bitwise(op: number, left: number, right: number): number | undefined {
  if (!Number.isFinite(left) || !Number.isFinite(right)) return undefined;
  const a = Math.trunc(left);
  const b = Math.trunc(right);
  const high = Math.floor(a / WORD);
  if (op === Op.leftShift || op === Op.rightShift) return shift(op, high, a, b);
  const otherHigh = Math.floor(b / WORD);
  if (op === Op.or) return signed(high | otherHigh, a | b);
  return op === Op.and ? signed(high & otherHigh, a & b) : signed(high ^ otherHigh, a ^ b);
}

function signed(high: number, low: number): number {
  return (high | 0) * WORD + (low >>> 0);
}

// Shifts are of unsigned words in the original; a negative distance is a huge one.
function shift(op: number, high: number, low: number, bits: number): number {
  if (bits < 0 || bits > 63) return 0;
  const unsignedHigh = high >>> 0;
  const unsignedLow = low >>> 0;
  if (op === Op.rightShift) return Math.floor(unsignedHigh * (WORD / 2 ** bits) + unsignedLow / 2 ** bits);
  const shiftedHigh =
    bits >= 32 ? unsignedLow << (bits - 32) : bits === 0 ? high : (high << bits) | (unsignedLow >>> (32 - bits));
  return (shiftedHigh >>> 0) * WORD + (bits >= 32 ? 0 : (low << bits) >>> 0);
}

function compare(linked: LinkedCondition, op: number, left: JsonValue, right: JsonValue): boolean | undefined {
  switch (op) {
    case Op.equal:
      return left === right;
    case Op.notEqual:
      return left !== right;
    case Op.logicalAnd:
      return typeof left === "boolean" && typeof right === "boolean" ? left && right : undefined;
    case Op.logicalOr:
      return typeof left === "boolean" && typeof right === "boolean" ? left || right : undefined;
    case Op.regexMatch:
    case Op.regexNotMatch:
      return matchesVariable(linked, op, left, right);
    default:
      return order(op, left, right);
  }
}

function order(op: number, left: JsonValue, right: JsonValue): boolean | undefined {
  const numbers = typeof left === "number" && typeof right === "number";
  const strings = typeof left === "string" && typeof right === "string";
  if (!numbers && !strings) return undefined;
  // Both sides have one type here. Go orders strings by bytes; UTF-16 order differs only beyond the BMP.
  const a = strings ? compareUtf8(left, right) : (left as number);
  const b = strings ? 0 : (right as number);
  switch (op) {
    case Op.greaterThan:
      return a > b;
    case Op.lessThan:
      return a < b;
    case Op.greaterThanOrEqual:
      return a >= b;
    default:
      return a <= b;
  }
}

// Order of the UTF-8 bytes = order of code points; surrogates (from 0xd800) stand for code points above all others.
function compareUtf8(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i);
    const b = right.charCodeAt(i);
    if (a === b) continue;
    const aHigh = a >= 0xd800 && a <= 0xdfff;
    const bHigh = b >= 0xd800 && b <= 0xdfff;
    if (aHigh !== bHigh) return aHigh ? 1 : -1;
    return a - b;
  }
  return left.length - right.length;
}

/** A pattern that an event brings along: compiled per event, so it is bounded. */
const EVENT_PATTERN_CHARS_MAX = 1000;

function matchesVariable(linked: LinkedCondition, op: number, left: JsonValue, right: JsonValue): boolean | undefined {
  if (typeof left !== "string" || typeof right !== "string" || right.length > EVENT_PATTERN_CHARS_MAX) return undefined;
  const pattern = linked.regexps.compile(right);
  if ("error" in pattern) return undefined;
  return pattern.test(left) === (op === Op.regexMatch);
}

function text(value: JsonValue): string {
  return value === null ? "<nil>" : String(value);
}

function mismatch(op: number, left: JsonValue, right?: JsonValue): string {
  const operator = Object.keys(Op).find((name) => Op[name as keyof typeof Op] === op) ?? "operator";
  const found = right === undefined ? typeName(left) : `${typeName(left)} and ${typeName(right)}`;
  return `${operator} cannot be applied to ${found}`;
}
