/** Runs a condition's program on an event. */
import type { Event } from "../event/event.ts";
import { type JsonValue, typeName } from "../event/json.ts";
import { isLeaf, lookup, type Path } from "../event/path.ts";
import type { Pattern, Regexps } from "../ports.ts";
import { arithmetic, unary } from "./arithmetic.ts";
import { celBinary, celError, sizeOf, type Walk, walk, walkHas } from "./cel-evaluate.ts";
import { order, plain } from "./compare.ts";
import { Op } from "./operators.ts";
import { type Condition, LANDING } from "./program.ts";

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
  /** the error of a FAILED on the stack, by its index */
  errors: string[];
};

export function linkCondition(condition: Condition, patterns: readonly Pattern[], regexps: Regexps): LinkedCondition {
  return { condition, patterns, regexps, stack: [], error: "", errors: [] };
}

/** On the stack in the place of a value that could not be computed, until && or || has looked at it. No JSON text spells it. */
const FAILED = Object.freeze({ kind: "failed" }) as unknown as JsonValue;

/** Runs the program. Where an operation has no result, linked.error says why, and && and || may absorb that. */
export function evaluate(linked: LinkedCondition, event: Event): Truth {
  const code = linked.condition.code;
  const stack = linked.stack;
  const end = code.length;
  let top = -1;
  let pc = 0;
  while (pc < end) {
    const op = code[pc] as number;
    const operand = code[pc + 1] as number;
    let result: JsonValue | undefined;
    pc += 2;
    if (op === Op.require) {
      if (!isLeaf(lookup(event, linked.condition.paths[operand] as Path))) return Truth.no;
      continue;
    }
    if (op === Op.constant) {
      stack[++top] = linked.condition.constants[operand] as JsonValue;
      continue;
    }
    if (isPush(op)) {
      result = pushed(linked, event, op, operand);
      top++;
    } else if (isUnary(op)) {
      result = replaced(linked, op, operand, stack[top] as JsonValue);
    } else if (op === Op.jump) {
      pc = operand;
      continue;
    } else if (op === Op.jumpUnless) {
      const value = stack[top--];
      if (value === false) pc = operand;
      if (typeof value === "boolean") continue;
      linked.error = `?: needs true or false, found ${typeName(value)}`;
    } else if (op === Op.andLeft || op === Op.orLeft) {
      // A side that decides ends it; one that failed waits for what the other says.
      if (stack[top] === (op === Op.orLeft)) pc = operand;
      continue;
    } else if (op === Op.list) {
      top -= operand - 1;
      result = stack.slice(top, top + operand);
    } else {
      top--;
      result = combined(linked, event, op, operand, top);
    }
    if (result === undefined) {
      const landing = landingOf(linked.condition.landings, pc - 2);
      if (landing === -1) return Truth.error;
      pc = linked.condition.landings[landing + 2] as number;
      top = linked.condition.landings[landing + 3] as number;
      linked.errors[top] = linked.error;
      result = FAILED;
    }
    stack[top] = result;
  }
  const result = stack[0];
  if (typeof result === "boolean") return result ? Truth.yes : Truth.no;
  linked.error = `the condition yields ${typeName(result)}, not true or false`;
  return Truth.error;
}

function isPush(op: number): boolean {
  return op >= Op.load && op <= Op.walkHas;
}

function isUnary(op: number): boolean {
  return op <= Op.logicalNot || (op >= Op.patternMatch && op <= Op.truth);
}

/** What an operation pushes that takes nothing off the stack. */
function pushed(linked: LinkedCondition, event: Event, op: number, operand: number): JsonValue | undefined {
  const condition = linked.condition;
  switch (op) {
    case Op.load:
      return plain(lookup(event, condition.paths[operand] as Path) as JsonValue);
    case Op.exists:
      return lookup(event, condition.paths[operand] as Path) !== undefined;
    case Op.notExists:
      return lookup(event, condition.paths[operand] as Path) === undefined;
    default: {
      const path = condition.walks[operand] as Walk;
      const value = op === Op.walk ? walk(event, path, path.keys.length) : walkHas(event, path);
      if (value !== undefined) return plain(value);
      linked.error = path.missing;
      return undefined;
    }
  }
}

/** What stands for the top of the stack after an operation on it alone. */
function replaced(linked: LinkedCondition, op: number, operand: number, value: JsonValue): JsonValue | undefined {
  switch (op) {
    case Op.patternMatch:
    case Op.patternNotMatch:
      if (typeof value === "string")
        return (linked.patterns[operand] as Pattern).test(value) === (op === Op.patternMatch);
      linked.error = `a pattern needs a string, found ${typeName(value)}`;
      return undefined;
    case Op.size: {
      const size = sizeOf(value);
      if (size === undefined) linked.error = `size() cannot be applied to ${typeName(value)}`;
      return size;
    }
    case Op.truth:
      if (typeof value === "boolean") return value;
      linked.error = `&& and || need true or false, found ${typeName(value)}`;
      return undefined;
    default: {
      const result = unary(op, value);
      if (result === undefined) linked.error = mismatch(op, value);
      return result;
    }
  }
}

/** What stands for the two values from `top` on after an operation on both. */
function combined(
  linked: LinkedCondition,
  event: Event,
  op: number,
  operand: number,
  top: number,
): JsonValue | undefined {
  const left = linked.stack[top] as JsonValue;
  const right = linked.stack[top + 1] as JsonValue;
  if (op <= Op.regexNotMatch) {
    const result = op <= Op.xor ? arithmetic(op, left, right) : compare(linked, op, left, right);
    if (result === undefined) linked.error = mismatch(op, left, right);
    return result;
  }
  if (op >= Op.celEqual) {
    const result = celBinary(event, op, operand, left, right);
    if (result === undefined) linked.error = celError(op, operand, left, right);
    return result;
  }
  // Both sides of && or ||: the left one has not decided.
  const decides = right === (op === Op.orBoth);
  if (decides || (left !== FAILED && right !== FAILED)) return right;
  linked.error = linked.errors[left === FAILED ? top : top + 1] as string;
  return undefined;
}

/** The innermost landing for an error at `pc`; inner ones stand first. */
function landingOf(landings: readonly number[], pc: number): number {
  for (let i = 0; i < landings.length; i += LANDING) {
    if (pc >= (landings[i] as number) && pc < (landings[i + 1] as number)) return i;
  }
  return -1;
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

/** A pattern that an event brings along: compiled per event, so it is bounded. */
const EVENT_PATTERN_CHARS_MAX = 1000;

function matchesVariable(linked: LinkedCondition, op: number, left: JsonValue, right: JsonValue): boolean | undefined {
  if (typeof left !== "string" || typeof right !== "string" || right.length > EVENT_PATTERN_CHARS_MAX) return undefined;
  const pattern = linked.regexps.compile(right);
  if ("error" in pattern) return undefined;
  return pattern.test(left) === (op === Op.regexMatch);
}

/** The original's operators, in the order of their numbers. */
const OPERATORS =
  "negation inversion logicalNot addition subtract multiply divide power modulus rightShift leftShift or and xor logicalAnd logicalOr greaterThan lessThan greaterThanOrEqual lessThanOrEqual equal notEqual regexMatch regexNotMatch".split(
    " ",
  );

function mismatch(op: number, left: JsonValue, right?: JsonValue): string {
  const operator = OPERATORS[op - Op.negation] ?? "operator";
  const found = right === undefined ? typeName(left) : `${typeName(left)} and ${typeName(right)}`;
  return `${operator} cannot be applied to ${found}`;
}
