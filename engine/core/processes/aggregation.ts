/** The six ways to aggregate, each as what it does to numbers of the state (agglo-behaviour 3.2). */
import { decimalText } from "../event/decimal.ts";
import { isRawNumber, type JsonValue, numberOf, typeName } from "../event/json.ts";
import { KEY_TEXT_MAX } from "../state/key.ts";
import type { NumberUpdate } from "../state/update.ts";

/** The original's enum numbers. 0, "unknown", fails there for every event and is refused here. */
export const AGGREGATION_TYPES = {
  AggSum: 1,
  AggMax: 2,
  AggMin: 3,
  AggAvg: 4,
  AggCount: 5,
  AggDiscreteHistogram: 6,
} as const;

export const Aggregation = { sum: 1, max: 2, min: 3, avg: 4, count: 5, histogram: 6 } as const;

/** What a value does to the numbers of its group. */
export type Folding = {
  /** why the value cannot be folded; "" when it can. Names types, never values. */
  error: string;
  numbers: NumberUpdate[];
};

/** `value` is a scalar or null. */
export function foldingOf(type: number, value: JsonValue): Folding {
  if (type === Aggregation.count) return { error: "", numbers: [one("value")] };
  if (type === Aggregation.histogram) return countBucket(value);
  const number = numberOf(value);
  if (number === undefined) return refused(`${aggregationName(type)} needs a number, found ${typeName(value)}`);
  if (!Number.isFinite(number))
    return refused(`${aggregationName(type)}: the number is beyond what can be computed with`);
  if (type === Aggregation.avg) {
    // Sum and number are kept, not the average: so does the original, and averages cannot be added.
    return { error: "", numbers: [one("num"), { name: "sum", operator: "add", operand: number }] };
  }
  const operator = type === Aggregation.sum ? "add" : type === Aggregation.max ? "max" : "min";
  return { error: "", numbers: [{ name: "value", operator, operand: number }] };
}

// Numbers have buckets too: the original's own message says so and its code refuses them (B11).
function countBucket(value: JsonValue): Folding {
  if (value === null) return refused("AggDiscreteHistogram needs a string, a boolean or a number, found null");
  const bucket = scalarText(value);
  if (bucket.length > KEY_TEXT_MAX) {
    return refused(`AggDiscreteHistogram: a text longer than ${KEY_TEXT_MAX} characters names no bucket`);
  }
  return { error: "", numbers: [one(bucket)] };
}

function one(name: string): NumberUpdate {
  return { name, operator: "add", operand: 1 };
}

function refused(error: string): Folding {
  return { error, numbers: [] };
}

/** The name of the enum's number; "" for no such type. */
export function aggregationName(type: number): string {
  const names = Object.keys(AGGREGATION_TYPES) as (keyof typeof AGGREGATION_TYPES)[];
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as keyof typeof AGGREGATION_TYPES;
    if (AGGREGATION_TYPES[name] === type) return name;
  }
  return "";
}

/**
 * The group that a value of a group-by path stands for, as the original writes it but for numbers, which are plain
 * decimals (B12). What is no leaf of the flat view, an object or an array, is not there.
 */
export function groupText(value: JsonValue | undefined): string {
  if (value === undefined) return "nil";
  if (value === null) return "<nil>";
  return typeof value === "object" && !isRawNumber(value) ? "nil" : scalarText(value);
}

function scalarText(value: JsonValue): string {
  if (typeof value === "number" || (typeof value === "object" && value !== null && isRawNumber(value))) {
    return decimalText(value);
  }
  return String(value);
}
