/** The program that both forms of a condition compile to: plain data, run by evaluate.ts. */
import type { JsonValue } from "../event/json.ts";
import type { Path } from "../event/path.ts";
import type { Walk } from "./cel-evaluate.ts";

export type Condition = {
  /** pairs: operation, operand (an index, or 0) */
  code: number[];
  paths: Path[];
  constants: JsonValue[];
  /** of the CEL form */
  walks: Walk[];
  /**
   * Where the program goes on when an operation fails, four numbers each: operations [from, to), the operation to go on
   * with, the index on the stack at which the failure then stands. Inner ones first. Errors are rare, so looking for the
   * place is left to them: && and || cost nothing else for it.
   */
  landings: number[];
};

/** Numbers per landing. */
export const LANDING = 4;

export function newCondition(): Condition {
  return { code: [], paths: [], constants: [], walks: [], landings: [] };
}

/** Appends an operation; returns its place. */
export function emit(condition: Condition, op: number, operand: number): number {
  return condition.code.push(op, operand) - 2;
}
