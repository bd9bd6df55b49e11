/** What the original makes of a condition (agglo-behaviour 1.3 and 2): where it refuses, fails, or means something else. */
import { complain, type DocumentPath, type Report } from "../core/diagnostic.ts";
import { isObject, type JsonObject, type JsonValue } from "../core/event/json.ts";

/** `why` goes on after "the original". */
export function refuse(report: Report, at: DocumentPath, why: string, remedy: string): void {
  complain(report, "E_ORIGINAL", at, `the original ${why}`, remedy);
}

/**
 * Of a oneof's members that are there the original takes the last in the order of the message, without a word; `order`
 * is that order. undefined: none is there.
 */
export function winner(value: JsonObject, order: readonly string[]): string | undefined {
  return order.findLast((key) => Object.hasOwn(value, key) && value[key] !== null);
}

/** What holds for all of a condition. */
type Reading = {
  report: Report;
  /** whether its process looks at the flat view: annotators and transformers do, the others at the event itself (B3) */
  flat: boolean;
};

/** `value` stands where a condition may. */
export function findConditionRefusals(
  value: JsonValue | undefined,
  at: DocumentPath,
  flat: boolean,
  report: Report,
): void {
  if (typeof value === "string") {
    refuse(report, at, "does not know CEL", "write the condition as an object");
    return;
  }
  if (!isObject(value)) return;
  const reading: Reading = { report, flat };
  const kind = winner(value, ["expression", "exists"]);
  if (kind === "exists") exists(value.exists as JsonValue, [...at, "exists"], report);
  if (kind === "expression") expression(value.expression as JsonValue, [...at, "expression"], true, reading);
}

function exists(value: JsonValue, at: DocumentPath, report: Report): void {
  const ops = isObject(value) && Array.isArray(value.ops) ? value.ops : [];
  if (ops.length === 0) refuse(report, at, "crashes on every event where exists has no ops (B4)", "write {}: always");
  for (const [i, op] of ops.entries()) {
    const key = isObject(op) && typeof op.key === "string" ? op.key : "";
    if (!key.includes(",") && !key.startsWith("!")) continue;
    refuse(report, [...at, "ops", i, "key"], 'splits the key at a comma and takes a leading "!" for "not" (B4)', "");
  }
}

const KINDS = ["boolean", "comparator", "logical", "binary", "unary"];

/** `outermost`: it is the condition itself, no operand. */
function expression(value: JsonValue, at: DocumentPath, outermost: boolean, reading: Reading): void {
  if (!isObject(value)) return;
  const kind = winner(value, KINDS);
  if (kind === undefined) {
    refuse(reading.report, at, "refuses an empty expression", "");
    return;
  }
  const path = [...at, kind];
  if (kind === "boolean") {
    refuse(reading.report, path, "does not support boolean expressions (B2)", "");
    return;
  }
  if (kind === "unary") {
    refuse(reading.report, path, "fails on every event with a unary expression (B5)", "");
    return;
  }
  if (kind === "binary" && outermost) {
    refuse(reading.report, path, "refuses a condition that is a number", "wrap it in a comparator");
    return;
  }
  const members = value[kind];
  if (isObject(members)) operation(kind, members, path, reading);
}

function operation(kind: string, members: JsonObject, at: DocumentPath, reading: Reading): void {
  const { report } = reading;
  if (!isSet(members.op)) {
    const why = kind === "binary" ? "fails on every event where a binary has no op" : `refuses a ${kind} without op`;
    refuse(report, at, why, "");
  }
  if (members.op === "LogicalOr" || members.op === 18) {
    refuse(report, [...at, "op"], "takes LogicalOr for LogicalAnd (B1)", "");
  }
  for (const side of ["lhs", "rhs"]) {
    const operand = members[side];
    if (isObject(operand)) checkOperand(kind, operand, [...at, side], reading);
    else refuse(report, at, `crashes where "${side}" is missing`, "");
  }
}

/** Whether an enum says something: left out, null and 0 are one. */
export function isSet(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== null && value !== 0;
}

const OPERANDS = ["expression", "variable", "literal", "numeric"];
const FITTING: { readonly [kind: string]: readonly string[] } = {
  comparator: OPERANDS,
  logical: ["expression"],
  binary: ["variable", "numeric"],
};

function checkOperand(kind: string, value: JsonObject, at: DocumentPath, reading: Reading): void {
  const found = winner(value, OPERANDS);
  const fitting = FITTING[kind] as readonly string[]; // the kinds that have two operands
  const { report } = reading;
  if (found === undefined && kind !== "logical") {
    refuse(report, at, "fails on every event with an empty operand", "");
    return;
  }
  if (found === undefined || !fitting.includes(found)) {
    refuse(report, at, `wants ${fitting.join(" or ")} for an operand of ${kind}`, "");
    return;
  }
  const member = value[found] as JsonValue; // winner says that it is there
  const path = [...at, found];
  if (found === "expression") expression(member, path, false, reading);
  else if (found === "variable") variable(member, path, reading);
  else if (found === "literal") literal(member, path, report);
  else numeric(member, path, report);
}

function variable(value: JsonValue, at: DocumentPath, reading: Reading): void {
  const name = isObject(value) && typeof value.name === "string" ? value.name : "";
  const path = [...at, "name"];
  if (/[\]\\]/.test(name)) refuse(reading.report, path, 'cannot read a name with "]" or "\\"', "");
  if (name.includes(".") && !reading.flat) {
    const why = "finds a variable with a dot in annotators and transformers only, and fails elsewhere (B3)";
    refuse(reading.report, path, why, "annotate the event in front of it");
  }
}

/** What its library takes for a date, and then for a number of seconds. */
const DATES = [
  /^\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d(\.\d+)?)?)?( ?(Z|[-+]\d\d(:?\d\d)?))?)?$/,
  /^\d{1,2}:\d\d[AP]M$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ([A-Z]+ |[-+]\d{4} )?\d{4}$/,
];

function literal(value: JsonValue, at: DocumentPath, report: Report): void {
  if (typeof value !== "string") return;
  if (/["'\\]/.test(value)) refuse(report, at, "reads quotes and backslashes in a literal as its own syntax (B7)", "");
  if (DATES.some((date) => date.test(value))) refuse(report, at, "takes this text for a date, a number (B8)", "");
}

function numeric(value: JsonValue, at: DocumentPath, report: Report): void {
  const number = Number(value);
  if (!Number.isFinite(number)) refuse(report, at, "fails on every event with this number", "");
  else if (Number(number.toFixed(4)) !== number) refuse(report, at, "rounds the number to four decimals (B6)", "");
}
