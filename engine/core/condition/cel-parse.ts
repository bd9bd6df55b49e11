/**
 * A condition in CEL as a tree (cel-spec langdef, "Syntax"). Precedence, tightest first:
 *
 *   a.b a[b] f(a) · ! - (prefix) · * / % · + - · == != < <= > >= in · && · || · ?:
 *
 * All but ?: group to the left. Map literals, messages and bytes are not in the subset.
 */
import type { JsonPrimitive } from "../event/json.ts";
import { type CelError, type CelToken, readTokens, Token } from "./cel-lex.ts";
import { Kind } from "./cel-types.ts";

export type CelNode = {
  kind: "literal" | "list" | "name" | "select" | "index" | "call" | "method" | "prefix" | "binary" | "ternary";
  /** source[start, end) */
  start: number;
  end: number;
  /** the name, the key of a select, the function or the operator */
  text: string;
  /** of a literal, and its one bit of Kind */
  value: JsonPrimitive;
  type: number;
  /** operands; of a method first what it is called on */
  args: CelNode[];
};

export type ParsedCel = { root: CelNode | undefined; error: CelError | undefined };

type Parser = { source: string; tokens: CelToken[]; at: number; depth: number; error: CelError | undefined };

/** Longer or deeper ones are no conditions; they bound every loop and recursion of the compiler. */
const CHARS_MAX = 4000;
const DEPTH_MAX = 50;

export function parseCel(source: string): ParsedCel {
  if (source.length > CHARS_MAX)
    return { root: undefined, error: { start: 0, end: 0, message: `more than ${CHARS_MAX} characters`, remedy: "" } };
  const read = readTokens(source);
  if (read.error !== undefined) return { root: undefined, error: read.error };
  const parser: Parser = { source, tokens: read.tokens, at: 0, depth: 0, error: undefined };
  const root = parseExpression(parser, Power.ternary);
  const token = current(parser);
  if (parser.error === undefined && token.kind !== Token.end) fail(parser, "an operator", WORDS[token.text] ?? "");
  return { root, error: parser.error };
}

const Power = { none: 0, ternary: 1, or: 2, and: 3, relation: 4, sum: 5, product: 6, prefix: 7, member: 8 } as const;

const POWERS: { [symbol: string]: number } = {
  "?": Power.ternary,
  "||": Power.or,
  "&&": Power.and,
  "==": Power.relation,
  "!=": Power.relation,
  "<": Power.relation,
  "<=": Power.relation,
  ">": Power.relation,
  ">=": Power.relation,
  in: Power.relation,
  "+": Power.sum,
  "-": Power.sum,
  "*": Power.product,
  "/": Power.product,
  "%": Power.product,
  ".": Power.member,
  "[": Power.member,
};

/** What other languages write. */
const WORDS: { [word: string]: string } = { and: "write &&", or: "write ||", not: "write !" };

/** Names that nothing can have (langdef, RESERVED and the keywords). */
const RESERVED = [
  ["as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in"],
  ["let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"],
];
const KEYWORDS = ["false", "in", "null", "true"];

/** An expression of operators that bind at least as tightly as `power`. */
function parseExpression(parser: Parser, power: number): CelNode {
  parser.depth++;
  let left = parser.depth > DEPTH_MAX ? tooDeep(parser) : parsePrefix(parser);
  while (parser.error === undefined) {
    const token = current(parser);
    const binds = powerOf(token);
    if (binds < power) break;
    if (binds === Power.member) left = parseMember(parser, left);
    else if (binds === Power.ternary) left = parseTernary(parser, left);
    else {
      parser.at++;
      const right = parseExpression(parser, binds + 1);
      left = newNode("binary", left.start, right.end, token.text, [left, right]);
    }
  }
  parser.depth--;
  return left;
}

function powerOf(token: CelToken): number {
  const isOperator = token.kind === Token.symbol || (token.kind === Token.name && token.text === "in");
  return isOperator ? (POWERS[token.text] ?? Power.none) : Power.none;
}

function parseTernary(parser: Parser, condition: CelNode): CelNode {
  parser.at++;
  const yes = parseExpression(parser, Power.or);
  expect(parser, ":");
  const no = parseExpression(parser, Power.ternary);
  return newNode("ternary", condition.start, no.end, "?:", [condition, yes, no]);
}

function parsePrefix(parser: Parser): CelNode {
  const token = current(parser);
  if (token.kind === Token.string) return literal(parser, token.text, Kind.string);
  if (token.kind === Token.int) return literal(parser, token.value, Kind.int);
  if (token.kind === Token.uint) return literal(parser, token.value, Kind.uint);
  if (token.kind === Token.double) return literal(parser, token.value, Kind.double);
  if (token.kind === Token.name) return parseName(parser, token);
  if (isSymbol(token, "(")) {
    parser.at++;
    const inner = parseExpression(parser, Power.ternary);
    expect(parser, ")");
    inner.start = token.start;
    inner.end = lastEnd(parser);
    return inner;
  }
  if (isSymbol(token, "[")) {
    parser.at++;
    const elements = parseList(parser, "]");
    return newNode("list", token.start, lastEnd(parser), "", elements);
  }
  if (isSymbol(token, "!") || isSymbol(token, "-")) return parseOperator(parser, token);
  if (isSymbol(token, "{")) return fail(parser, "a value: maps are not in the subset", "");
  return fail(parser, "a value", "");
}

function parseOperator(parser: Parser, token: CelToken): CelNode {
  parser.at++;
  const number = current(parser);
  // -0.0 stays an operation: JSON, which plans are, knows one zero.
  const isNumber = (number.kind === Token.int || number.kind === Token.double) && number.value !== 0;
  if (token.text === "-" && isNumber) {
    const node = literal(parser, -number.value, number.kind === Token.int ? Kind.int : Kind.double);
    node.start = token.start;
    return node;
  }
  const operand = parseExpression(parser, Power.prefix);
  return newNode("prefix", token.start, operand.end, token.text, [operand]);
}

function parseName(parser: Parser, token: CelToken): CelNode {
  if (token.text === "true" || token.text === "false") return literal(parser, token.text === "true", Kind.bool);
  if (token.text === "null") return literal(parser, null, Kind.null);
  if (isReserved(token.text)) return fail(parser, "a value", WORDS[token.text] ?? "");
  parser.at++;
  if (!isSymbol(current(parser), "(")) return newNode("name", token.start, token.end, token.text, []);
  parser.at++;
  const args = parseList(parser, ")");
  return newNode("call", token.start, lastEnd(parser), token.text, args);
}

function parseMember(parser: Parser, object: CelNode): CelNode {
  const opening = current(parser);
  parser.at++;
  if (opening.text === "[") {
    const key = parseExpression(parser, Power.ternary);
    expect(parser, "]");
    return newNode("index", object.start, lastEnd(parser), "", [object, key]);
  }
  const name = current(parser);
  if (name.kind !== Token.name || KEYWORDS.indexOf(name.text) !== -1)
    return fail(parser, "a name", 'a key that is no name goes in brackets: event["x-y"]');
  parser.at++;
  if (!isSymbol(current(parser), "(")) return newNode("select", object.start, name.end, name.text, [object]);
  parser.at++;
  const args = parseList(parser, ")");
  return newNode("method", object.start, lastEnd(parser), name.text, [object].concat(args));
}

/** Expressions between commas up to `closing`; a list may have a comma behind its last element. */
function parseList(parser: Parser, closing: string): CelNode[] {
  const elements: CelNode[] = [];
  while (parser.error === undefined && !isSymbol(current(parser), closing)) {
    if (elements.length > 0) expect(parser, ",");
    if (closing === "]" && elements.length > 0 && isSymbol(current(parser), closing)) break;
    elements.push(parseExpression(parser, Power.ternary));
  }
  expect(parser, closing);
  return elements;
}

function literal(parser: Parser, value: JsonPrimitive, type: number): CelNode {
  const token = current(parser);
  parser.at++;
  const node = newNode("literal", token.start, token.end, "", []);
  node.value = value;
  node.type = type;
  return node;
}

function newNode(kind: CelNode["kind"], start: number, end: number, text: string, args: CelNode[]): CelNode {
  return { kind, start, end, text, value: null, type: 0, args };
}

// The last token is always there, of kind `end`, and nothing goes past it: only what was recognised is skipped.
function current(parser: Parser): CelToken {
  return parser.tokens[parser.at] as CelToken;
}

function lastEnd(parser: Parser): number {
  return parser.tokens[parser.at - 1]?.end ?? 0;
}

function isSymbol(token: CelToken, symbol: string): boolean {
  return token.kind === Token.symbol && token.text === symbol;
}

function isReserved(name: string): boolean {
  return RESERVED.some((names) => names.indexOf(name) !== -1);
}

function expect(parser: Parser, symbol: string): void {
  const token = current(parser);
  if (isSymbol(token, symbol)) parser.at++;
  else fail(parser, `\`${symbol}\``, WORDS[token.text] ?? "");
}

/** The first thing that does not fit; the rest is not read. */
function fail(parser: Parser, expected: string, remedy: string): CelNode {
  const token = current(parser);
  const found = token.kind === Token.end ? "the end" : `\`${parser.source.slice(token.start, token.end)}\``;
  const message = `expected ${expected}, found ${found}`;
  if (parser.error === undefined) parser.error = { start: token.start, end: token.end, message, remedy };
  return newNode("literal", token.start, token.end, "", []);
}

function tooDeep(parser: Parser): CelNode {
  return fail(parser, `at most ${DEPTH_MAX} levels of nesting`, "");
}
