/**
 * A condition in CEL (http.md, "Additions") compiled to the program that the object form compiles to. The rules are
 * those of cel-spec's langdef, what can never work is refused here (cel-types.ts), and two things are narrower: whole
 * numbers end at 2^53 - 1, and functions other than those below, macros but has(), maps and bytes are not in the subset.
 */
import { addPattern, type Compiler } from "../compiler.ts";
import type { DocumentPath } from "../diagnostic.ts";
import type { JsonValue } from "../event/json.ts";
import { compileArithmetic } from "./cel-arithmetic.ts";
import { type CelCompiler, celComplain, WRONG } from "./cel-compiler.ts";
import { type CelNode, parseCel } from "./cel-parse.ts";
import { canEqual, containerOf, elementsOf, Kind, type Kinds, kindNames, NUMBERS, own } from "./cel-types.ts";
import { findWalk, isChain } from "./cel-walk.ts";
import { Op } from "./operators.ts";
import { emit, newCondition } from "./program.ts";

/** Compiles into the plan; returns the condition's index. */
export function addCelCondition(compiler: Compiler, source: string, at: DocumentPath): number {
  const cel: CelCompiler = { compiler, condition: newCondition(), source, at };
  const parsed = parseCel(source);
  if (parsed.error !== undefined) {
    celComplain(cel, parsed.error.start, parsed.error.end, parsed.error.message, parsed.error.remedy);
  } else if (parsed.root !== undefined) {
    const kinds = compileNode(cel, parsed.root, 0);
    if (kinds !== WRONG && (kinds & Kind.bool) === 0) {
      const message = `a condition must be true or false, this is ${kindNames(kinds)}`;
      celComplain(cel, parsed.root.start, parsed.root.end, message, "compare it with something");
    }
  }
  return compiler.plan.conditions.push(cel.condition) - 1;
}

/** Emits what leaves the node's value on the stack at `depth`; answers what it can be. */
function compileNode(cel: CelCompiler, node: CelNode, depth: number): Kinds {
  switch (node.kind) {
    case "literal":
      return pushConstant(cel, node.value, node.type);
    case "list":
      return compileList(cel, node, depth);
    case "name":
      return compileWalk(cel, node, Op.walk);
    case "select":
    case "index":
      return isChain(node) ? compileWalk(cel, node, Op.walk) : compileMember(cel, node, depth, Op.member);
    case "call":
    case "method":
      return compileCall(cel, node, depth);
    case "prefix":
      return compilePrefix(cel, node, depth);
    case "ternary":
      return compileTernary(cel, node, depth);
    case "binary":
      return compileBinary(cel, node, depth);
  }
}

function pushConstant(cel: CelCompiler, value: JsonValue, kinds: Kinds): Kinds {
  emit(cel.condition, Op.constant, cel.condition.constants.push(value) - 1);
  return kinds;
}

function compileList(cel: CelCompiler, node: CelNode, depth: number): Kinds {
  const before = cel.condition.code.length;
  const values: JsonValue[] = [];
  let elements = 0;
  let wrong = false;
  for (let i = 0; i < node.args.length; i++) {
    const element = node.args[i] as CelNode;
    const kinds = compileNode(cel, element, depth + i);
    if (kinds === WRONG) wrong = true;
    elements |= containerOf(0, kinds);
    if (element.kind === "literal") values.push(element.value);
  }
  if (wrong) return WRONG;
  const kinds = Kind.list | elements;
  if (values.length < node.args.length) {
    emit(cel.condition, Op.list, node.args.length);
    return kinds;
  }
  // Literals alone: one constant.
  cel.condition.code.length = before;
  return pushConstant(cel, values, kinds);
}

/** `event.a[0]["x.y"]` and the like: one operation. */
function compileWalk(cel: CelCompiler, node: CelNode, op: number): Kinds {
  const found = findWalk(cel, node);
  if (found === undefined) return WRONG;
  emit(cel.condition, op, cel.condition.walks.push(found.walk) - 1);
  return op === Op.walkHas ? Kind.bool : found.kinds;
}

/** A member of what is computed, or one whose name is. */
function compileMember(cel: CelCompiler, node: CelNode, depth: number, op: number): Kinds {
  const object = node.args[0] as CelNode;
  const container = compileNode(cel, object, depth);
  const key =
    node.kind === "select"
      ? pushConstant(cel, node.text, Kind.string)
      : compileNode(cel, node.args[1] as CelNode, depth + 1);
  emit(cel.condition, op, 0);
  if (container === WRONG || key === WRONG) return WRONG;
  const fits = (key & Kind.string ? Kind.map : 0) | (key & NUMBERS ? Kind.list : 0);
  if (!needs(cel, object, container, fits || Kind.map | Kind.list)) return WRONG;
  if (fits === 0) return celComplain(cel, node.start, node.end, `${kindNames(key)} is no key and no index`, "");
  return op === Op.hasMember ? Kind.bool : elementsOf(container);
}

/** Complains when a part can never be what is needed. */
function needs(cel: CelCompiler, node: CelNode, kinds: Kinds, needed: Kinds): boolean {
  if (kinds === WRONG) return false;
  if ((kinds & needed) !== 0) return true;
  celComplain(cel, node.start, node.end, `expected ${kindNames(needed)}, this is ${kindNames(kinds)}`, "");
  return false;
}

function compilePrefix(cel: CelCompiler, node: CelNode, depth: number): Kinds {
  const operand = node.args[0] as CelNode;
  const kinds = compileNode(cel, operand, depth);
  const isNot = node.text === "!";
  emit(cel.condition, isNot ? Op.logicalNot : Op.negation, 0);
  const needed = isNot ? Kind.bool : Kind.int | Kind.double;
  return needs(cel, operand, kinds, needed) ? kinds & needed : WRONG;
}

function compileTernary(cel: CelCompiler, node: CelNode, depth: number): Kinds {
  const question = node.args[0] as CelNode;
  const kinds = compileNode(cel, question, depth);
  const isRight = needs(cel, question, kinds, Kind.bool);
  const jumpToNo = emit(cel.condition, Op.jumpUnless, 0);
  const yes = compileNode(cel, node.args[1] as CelNode, depth);
  const jumpToEnd = emit(cel.condition, Op.jump, 0);
  cel.condition.code[jumpToNo + 1] = cel.condition.code.length;
  const no = compileNode(cel, node.args[2] as CelNode, depth);
  cel.condition.code[jumpToEnd + 1] = cel.condition.code.length;
  return isRight && yes !== WRONG && no !== WRONG ? yes | no : WRONG;
}

function compileBinary(cel: CelCompiler, node: CelNode, depth: number): Kinds {
  if (node.text === "&&") return compileLogical(cel, node, depth, Op.andLeft, Op.andBoth);
  if (node.text === "||") return compileLogical(cel, node, depth, Op.orLeft, Op.orBoth);
  const left = compileNode(cel, node.args[0] as CelNode, depth);
  const right = compileNode(cel, node.args[1] as CelNode, depth + 1);
  switch (node.text) {
    case "==":
    case "!=":
      return compileEqual(cel, node, left, right);
    case "<":
      return compileOrder(cel, node, left, right, Op.lessThan);
    case "<=":
      return compileOrder(cel, node, left, right, Op.lessThanOrEqual);
    case ">":
      return compileOrder(cel, node, left, right, Op.greaterThan);
    case ">=":
      return compileOrder(cel, node, left, right, Op.greaterThanOrEqual);
    case "in":
      return compileIn(cel, node, left, right);
    default:
      return compileArithmetic(cel, node, left, right);
  }
}

/** Both sides of && or ||; a failure on either lands where the other side is heard. */
function compileLogical(cel: CelCompiler, node: CelNode, depth: number, leftOp: number, bothOp: number): Kinds {
  const code = cel.condition.code;
  const landings = cel.condition.landings;
  const from = code.length;
  const left = compileSide(cel, node.args[0] as CelNode, depth);
  const decided = emit(cel.condition, leftOp, 0);
  landings.push(from, decided, decided, depth);
  const right = compileSide(cel, node.args[1] as CelNode, depth + 1);
  const both = emit(cel.condition, bothOp, 0);
  landings.push(decided, both, both, depth + 1);
  code[decided + 1] = code.length;
  return left && right ? Kind.bool : WRONG;
}

function compileSide(cel: CelCompiler, node: CelNode, depth: number): boolean {
  const kinds = compileNode(cel, node, depth);
  if (own(kinds) !== Kind.bool) emit(cel.condition, Op.truth, 0);
  return needs(cel, node, kinds, Kind.bool);
}

function compileEqual(cel: CelCompiler, node: CelNode, left: Kinds, right: Kinds): Kinds {
  emit(cel.condition, node.text === "==" ? Op.celEqual : Op.celNotEqual, 0);
  if (left === WRONG || right === WRONG) return WRONG;
  if (canEqual(left, right)) return Kind.bool;
  const message = `${kindNames(left)} and ${kindNames(right)} are never equal`;
  return celComplain(cel, node.start, node.end, message, "nothing is converted: compare what is of one type");
}

function compileOrder(cel: CelCompiler, node: CelNode, left: Kinds, right: Kinds, comparator: number): Kinds {
  emit(cel.condition, Op.celOrder, comparator);
  if (left === WRONG || right === WRONG) return WRONG;
  const numbers = (left & NUMBERS) !== 0 && (right & NUMBERS) !== 0;
  if (numbers || (left & right & (Kind.string | Kind.bool)) !== 0) return Kind.bool;
  const message = `${kindNames(left)} and ${kindNames(right)} have no order`;
  return celComplain(cel, node.start, node.end, message, "numbers are compared with numbers, strings with strings");
}

function compileIn(cel: CelCompiler, node: CelNode, left: Kinds, right: Kinds): Kinds {
  emit(cel.condition, Op.isIn, 0);
  if (left === WRONG || !needs(cel, node.args[1] as CelNode, right, Kind.list | Kind.map)) return WRONG;
  const asKey = (right & Kind.map) !== 0 && (left & Kind.string) !== 0;
  const isEmpty = own(elementsOf(right)) === 0;
  if (asKey || ((right & Kind.list) !== 0 && (isEmpty || canEqual(left, elementsOf(right))))) return Kind.bool;
  const found = (right & Kind.list) === 0 ? "keys, which are strings" : kindNames(elementsOf(right));
  return celComplain(cel, node.start, node.end, `${kindNames(left)} is never among ${found}`, "");
}

/** What a function takes, the receiver of a method included: at which end it may stand, and what each has to be. */
type CelFunction = { op: number; asCall: boolean; takes: readonly Kinds[]; yields: Kinds };

const TEXTS: readonly Kinds[] = [Kind.string, Kind.string];
const FUNCTIONS: { readonly [name: string]: CelFunction } = {
  size: { op: Op.size, asCall: true, takes: [Kind.string | Kind.list | Kind.map], yields: Kind.int },
  startsWith: { op: Op.startsWith, asCall: false, takes: TEXTS, yields: Kind.bool },
  endsWith: { op: Op.endsWith, asCall: false, takes: TEXTS, yields: Kind.bool },
  contains: { op: Op.contains, asCall: false, takes: TEXTS, yields: Kind.bool },
  matches: { op: Op.regexMatch, asCall: true, takes: TEXTS, yields: Kind.bool },
};
/** CEL has them, the subset does not: said by name, so that nobody looks for a typing error. */
const MACROS = ["all", "exists", "exists_one", "existsOne", "map", "filter"];
const NOT_HERE = ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];
const NAMES = ["has", "size", "startsWith", "endsWith", "contains", "matches"];

function compileCall(cel: CelCompiler, node: CelNode, depth: number): Kinds {
  if (node.text === "has" && node.kind === "call") return compileHas(cel, node, depth);
  const known = NAMES.indexOf(node.text) > 0 ? FUNCTIONS[node.text] : undefined;
  if (known === undefined) return complainOfFunction(cel, node);
  if (node.kind === "call" && !known.asCall)
    return celComplain(cel, node.start, node.end, `${node.text} is called on a string`, `write x.${node.text}(y)`);
  const count = known.takes.length;
  if (node.args.length !== count) {
    const receiver = node.kind === "method" ? 1 : 0;
    const message = `${node.text} takes ${counted(count - receiver)}, found ${node.args.length - receiver}`;
    return celComplain(cel, node.start, node.end, message, "");
  }
  const pattern = node.args[1];
  const isPattern = node.text === "matches" && pattern?.kind === "literal" && typeof pattern.value === "string";
  let isRight = true;
  for (let i = 0; i < (isPattern ? 1 : count); i++) {
    const arg = node.args[i] as CelNode;
    if (!needs(cel, arg, compileNode(cel, arg, depth + i), known.takes[i] as Kinds)) isRight = false;
  }
  // The usual case: a literal pattern, compiled once.
  if (isPattern) emit(cel.condition, Op.patternMatch, addPattern(cel.compiler, pattern.value as string, cel.at));
  else emit(cel.condition, known.op, 0);
  return isRight ? known.yields : WRONG;
}

function counted(count: number): string {
  return count === 0 ? "no argument" : count === 1 ? "1 argument" : `${count} arguments`;
}

function complainOfFunction(cel: CelCompiler, node: CelNode): Kinds {
  const name = node.text;
  const isMacro = node.kind === "method" && MACROS.indexOf(name) !== -1;
  if (isMacro || NOT_HERE.indexOf(name) !== -1) {
    const what = isMacro ? "the macro" : "the function";
    return celComplain(
      cel,
      node.start,
      node.end,
      `${what} ${name} is not in the subset`,
      `known here: ${NAMES.join(", ")}`,
    );
  }
  const remedy = cel.compiler.suggest(name, NAMES) || `known here: ${NAMES.join(", ")}`;
  return celComplain(cel, node.start, node.end, `there is no function ${name}`, remedy);
}

/** has(a.b): whether a has the member b; a itself must be there. */
function compileHas(cel: CelCompiler, node: CelNode, depth: number): Kinds {
  const field = node.args[0];
  if (node.args.length !== 1 || field?.kind !== "select") {
    const remedy = field?.kind === "index" ? 'ask for a key with in: "x-env" in http.headers' : "write has(event.a.b)";
    return celComplain(cel, node.start, node.end, "has takes a member", remedy);
  }
  return isChain(field) ? compileWalk(cel, field, Op.walkHas) : compileMember(cel, field, depth, Op.hasMember);
}
