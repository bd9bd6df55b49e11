/** + - * / % of a CEL condition: int with int, uint with uint, double with double; + also joins strings and lists. */
import { type CelCompiler, celComplain, WRONG } from "./cel-compiler.ts";
import type { CelNode } from "./cel-parse.ts";
import { Kind, type Kinds, kindNames, NUMBERS } from "./cel-types.ts";
import { Op } from "./operators.ts";
import { emit } from "./program.ts";

const OPERATIONS: { [operator: string]: number } = {
  "+": Op.addition,
  "-": Op.subtract,
  "*": Op.multiply,
  "/": Op.divide,
  "%": Op.modulus,
};

/** Emits the operation on two values already on the stack. */
export function compileArithmetic(cel: CelCompiler, node: CelNode, left: Kinds, right: Kinds): Kinds {
  const operation = OPERATIONS[node.text] as number;
  if (left === WRONG || right === WRONG) return WRONG;
  const leftNumbers = left & NUMBERS;
  const rightNumbers = right & NUMBERS;
  // Ints and doubles are one type on the stack: which operation it is has to be known here.
  if (leftNumbers !== 0 && rightNumbers !== 0 && (leftNumbers !== rightNumbers || !isOneKind(leftNumbers)))
    return complainOfMixture(cel, node, leftNumbers, rightNumbers);
  const joined = operation === Op.addition ? Kind.string | Kind.list : 0;
  const kinds = left & right & (NUMBERS | joined);
  if (kinds === 0) {
    const message = `${node.text} cannot be applied to ${kindNames(left)} and ${kindNames(right)}`;
    return celComplain(cel, node.start, node.end, message, "");
  }
  if (operation === Op.modulus && (kinds & Kind.double) !== 0) {
    const message = "% takes whole numbers, and an event's numbers are doubles";
    return celComplain(cel, node.start, node.end, message, "");
  }
  if ((kinds & Kind.int) !== 0 && (kinds & joined) === 0) emit(cel.condition, Op.intArithmetic, operation);
  else if ((kinds & Kind.uint) !== 0 && (kinds & joined) === 0) emit(cel.condition, Op.uintArithmetic, operation);
  else emit(cel.condition, Op.celArithmetic, operation);
  // A list of both: elements of either.
  return kinds | ((kinds & Kind.list) !== 0 ? (left | right) & ~255 : 0);
}

function isOneKind(kinds: Kinds): boolean {
  return (kinds & (kinds - 1)) === 0;
}

function complainOfMixture(cel: CelCompiler, node: CelNode, left: Kinds, right: Kinds): typeof WRONG {
  const message = `${node.text} cannot be applied to ${kindNames(left)} and ${kindNames(right)}: nothing is converted`;
  let remedy = "an event's numbers are doubles";
  for (let i = 0; i < 2; i++) {
    const side = node.args[i] as CelNode;
    if (side.kind !== "literal" || (side.type & (Kind.int | Kind.uint)) === 0) continue;
    remedy = `${remedy}: write ${String(side.value)}.0`;
    break;
  }
  return celComplain(cel, node.start, node.end, message, remedy);
}
