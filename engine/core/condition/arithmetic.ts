/** What the object form of a condition computes (agglo-behaviour 1.3). undefined: the operation does not go with the types. */
import type { JsonValue } from "../event/json.ts";
import { Op } from "./operators.ts";

export function unary(op: number, value: JsonValue): JsonValue | undefined {
  if (op === Op.logicalNot) return typeof value === "boolean" ? !value : undefined;
  if (typeof value !== "number") return undefined;
  return op === Op.negation ? -value : -Math.trunc(value) - 1;
}

export function arithmetic(op: number, left: JsonValue, right: JsonValue): JsonValue | undefined {
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

function text(value: JsonValue): string {
  return value === null ? "<nil>" : String(value);
}
