/**
 * A condition compiled to one flat program: postfix code over constants, paths and patterns. Nothing is parsed or
 * allocated per event (evaluate.ts). Here the original's object grammar; a string is CEL (cel-compile.ts).
 *
 * Kept from the original: a variable that is missing or names a container makes the whole condition false, wherever in
 * the tree it stands; a logical operator looks at both sides. Mended: OR is OR (B1), unary and boolean expressions work
 * (B2, B5), numbers keep their precision (B6), literals are taken verbatim (B7, B8), every process sees the same view (B3).
 */

import { addPattern, type Compiler, readPath } from "../compiler.ts";
import type { BinaryConfig, ConditionConfig, ExpressionConfig, OperandConfig } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import type { JsonPrimitive } from "../event/json.ts";
import { addCelCondition } from "./cel-compile.ts";
import { ARITHMETIC, COMPARATORS, LOGICAL, Op, UNARY } from "./operators.ts";
import { type Condition, emit, newCondition } from "./program.ts";

/** Compiles into the plan; returns the condition's index, -1 for one that is always true. */
export function addCondition(compiler: Compiler, config: ConditionConfig | undefined, at: DocumentPath): number {
  if (config === undefined) return -1;
  if (typeof config === "string") return addCelCondition(compiler, config, at);
  const condition = newCondition();
  if (config.exists !== undefined) {
    const ops = config.exists.ops ?? [];
    if (ops.length === 0) return -1; // B4: the original panics; nothing demanded is true
    for (let i = 0; i < ops.length; i++) {
      emit(condition, ops[i]?.op === 2 ? Op.notExists : Op.exists, addPath(compiler, condition, ops[i]?.key ?? ""));
      if (i > 0) emit(condition, Op.logicalAnd, 0);
    }
  } else if (config.expression !== undefined) {
    const path = at.concat("expression");
    const type = compileExpression(compiler, condition, config.expression, path);
    if (type === "value") {
      complain(compiler.report, "E_CONDITION", path, "a condition must be true or false, this is a number", COMPARE_IT);
    }
    requireVariables(condition);
  } else {
    return -1;
  }
  compiler.plan.conditions.push(condition);
  return compiler.plan.conditions.length - 1;
}

const COMPARE_IT =
  'wrap it in a comparator, for example {"comparator": {"lhs": …, "rhs": {"numeric": 0}, "op": "GreaterThan"}}';

/** What an expression yields: true or false, or something to compute with. "wrong": already complained about. */
type Yields = "boolean" | "value" | "wrong";

function compileExpression(
  compiler: Compiler,
  condition: Condition,
  config: ExpressionConfig,
  at: DocumentPath,
): Yields {
  if (config.boolean !== undefined) {
    emit(condition, Op.constant, addConstant(condition, config.boolean.value ?? false));
    return "boolean";
  }
  if (config.comparator !== undefined)
    return compileComparator(compiler, condition, config.comparator, at.concat("comparator"));
  if (config.logical !== undefined) return compileLogical(compiler, condition, config.logical, at.concat("logical"));
  if (config.binary !== undefined) {
    const path = at.concat("binary");
    compileOperand(compiler, condition, config.binary.lhs, path, "lhs");
    compileOperand(compiler, condition, config.binary.rhs, path, "rhs");
    return emitOperator(compiler, condition, config.binary.op, ARITHMETIC, path) ? "value" : "wrong";
  }
  if (config.unary !== undefined) {
    const path = at.concat("unary");
    compileOperand(compiler, condition, config.unary.rhs, path, "rhs");
    if (!emitOperator(compiler, condition, config.unary.op, UNARY, path)) return "wrong";
    return config.unary.op === Op.logicalNot ? "boolean" : "value";
  }
  complain(
    compiler.report,
    "E_CONDITION",
    at,
    "the expression is empty",
    "write one of comparator, logical, unary, binary, boolean",
  );
  return "wrong";
}

function compileComparator(compiler: Compiler, condition: Condition, config: BinaryConfig, at: DocumentPath): Yields {
  compileOperand(compiler, condition, config.lhs, at, "lhs");
  const isRegex = config.op === Op.regexMatch || config.op === Op.regexNotMatch;
  const literal = config.rhs?.literal;
  if (isRegex && literal !== undefined) {
    // The usual case: a literal pattern, compiled once.
    const pattern = addPattern(compiler, literal, at.concat("rhs", "literal"));
    emit(condition, config.op === Op.regexMatch ? Op.patternMatch : Op.patternNotMatch, pattern);
    return "boolean";
  }
  compileOperand(compiler, condition, config.rhs, at, "rhs");
  return emitOperator(compiler, condition, config.op, COMPARATORS, at) ? "boolean" : "wrong";
}

function compileLogical(compiler: Compiler, condition: Condition, config: BinaryConfig, at: DocumentPath): Yields {
  const sides = [config.lhs, config.rhs];
  for (let i = 0; i < sides.length; i++) {
    const side = sides[i];
    const path = at.concat(i === 0 ? "lhs" : "rhs");
    if (side?.expression === undefined) {
      complain(
        compiler.report,
        "E_CONDITION",
        side === undefined ? at : path,
        "a logical operator joins expressions",
        'write {"expression": …} on both sides',
      );
    } else if (compileExpression(compiler, condition, side.expression, path.concat("expression")) === "value") {
      complain(compiler.report, "E_CONDITION", path, "this side is a number, not true or false", COMPARE_IT);
    }
  }
  return emitOperator(compiler, condition, config.op, LOGICAL, at) ? "boolean" : "wrong";
}

function compileOperand(
  compiler: Compiler,
  condition: Condition,
  operand: OperandConfig | undefined,
  at: DocumentPath,
  side: string,
): void {
  if (operand?.expression !== undefined) {
    compileExpression(compiler, condition, operand.expression, at.concat(side, "expression"));
  } else if (operand?.variable !== undefined) {
    emit(condition, Op.load, addPath(compiler, condition, operand.variable.name ?? ""));
  } else if (operand?.literal !== undefined) {
    emit(condition, Op.constant, addConstant(condition, operand.literal));
  } else if (operand?.numeric !== undefined) {
    emit(condition, Op.constant, addConstant(condition, operand.numeric));
  } else {
    complain(
      compiler.report,
      "E_CONDITION",
      operand === undefined ? at : at.concat(side),
      `"${side}" is missing`,
      "write a variable, literal, numeric or expression",
    );
  }
}

function emitOperator(
  compiler: Compiler,
  condition: Condition,
  op: number | undefined,
  allowed: readonly number[],
  at: DocumentPath,
): boolean {
  if (op !== undefined && allowed.indexOf(op) !== -1) {
    emit(condition, op, 0);
    return true;
  }
  complain(
    compiler.report,
    "E_CONDITION",
    op === undefined ? at : at.concat("op"),
    op === undefined ? '"op" is missing' : "this operator does not go here",
    "",
  );
  return false;
}

// Missing variables are looked for before anything is computed: the whole condition is false then, no error.
function requireVariables(condition: Condition): void {
  const guards: number[] = [];
  for (let i = 0; i < condition.paths.length; i++) guards.push(Op.require, i);
  condition.code = guards.concat(condition.code);
}

function addPath(compiler: Compiler, condition: Condition, text: string): number {
  for (let i = 0; i < condition.paths.length; i++) if (condition.paths[i]?.text === text) return i;
  return condition.paths.push(readPath(compiler, text)) - 1;
}

function addConstant(condition: Condition, value: JsonPrimitive): number {
  return condition.constants.push(value) - 1;
}
