/** What both forms of a condition compare with. */
import { isRawNumber, type JsonValue, numberOf } from "../event/json.ts";
import { Op } from "./operators.ts";

// Conditions compute with doubles, as the original does.
export function plain(value: JsonValue): JsonValue {
  return isRawNumber(value) ? (numberOf(value) as number) : value;
}

/** Whether two numbers or two strings stand in this order; undefined for anything else. */
export function order(op: number, left: JsonValue, right: JsonValue): boolean | undefined {
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
