/** The transformations of a transformer's specs, value to value (agglo-behaviour 3.6, the table). */
import {
  isArray,
  isObject,
  type JsonArray,
  type JsonValue,
  newObject,
  numberOf,
  setOwn,
  typeName,
} from "../event/json.ts";
import type { Pattern } from "../ports.ts";

export const TRANSFORMATION_TYPES = {
  TransformUnknown: 0,
  TransformSum: 1,
  TransformCopy: 2,
  TransformMapRegex: 3,
  TransformMapAdd: 4,
  TransformMapMult: 5,
  TransformCount: 6,
  TransformLeftFold: 7,
  TransformRightFold: 8,
  TransformMap: 9,
  TransformPopHead: 10,
  TransformPopTail: 11,
} as const;

export const Transformation = {
  unknown: 0,
  sum: 1,
  copy: 2,
  mapRegex: 3,
  mapAdd: 4,
  mapMult: 5,
  count: 6,
  leftFold: 7,
  rightFold: 8,
  map: 9,
  popHead: 10,
  popTail: 11,
} as const;

/** Types that do nothing without their argument, and what it is called. */
export const NEEDS_ARGUMENT: { readonly [type: number]: string } = {
  [Transformation.mapRegex]: "mapRegexArgs",
  [Transformation.map]: "mapArgs",
  [Transformation.leftFold]: "leftFoldArgs",
  [Transformation.rightFold]: "rightFoldArgs",
  [Transformation.mapAdd]: "mapAddArgs",
  [Transformation.mapMult]: "mapMultArgs",
};

export type Argument = {
  /** false: the argument is missing, and the value passes through */
  given: boolean;
  number: number;
  /** index of the pattern */
  pattern: number;
  template: string;
};

export type Made = { value: JsonValue /** "" or what is wrong; names types, never values */; error: string };

export function transformValue(
  type: number,
  argument: Argument,
  source: JsonValue,
  patterns: readonly Pattern[],
): Made {
  switch (type) {
    case Transformation.sum:
      return sum(source);
    case Transformation.count:
      return isArray(source) ? made(source.length) : wrong("count needs an array", source);
    case Transformation.popHead:
    case Transformation.popTail:
      return pop(type, source);
    case Transformation.mapAdd:
    case Transformation.mapMult:
    case Transformation.mapRegex:
      return source === null || !argument.given ? made(source) : mapEach(type, argument, source, patterns);
    default:
      return made(source); // Copy and, as in the original, Unknown
  }
}

function made(value: JsonValue): Made {
  return { value, error: "" };
}

function wrong(what: string, found: JsonValue | undefined): Made {
  return { value: null, error: `${what}, found ${typeName(found)}` };
}

function sum(source: JsonValue): Made {
  if (!isArray(source)) return wrong("sum needs an array", source);
  let total = 0;
  for (let i = 0; i < source.length; i++) {
    const number = numberOf(source[i] as JsonValue);
    if (number === undefined) return wrong("sum needs numbers", source[i]);
    total += number;
  }
  return finite(total);
}

function pop(type: number, source: JsonValue): Made {
  if (!isArray(source)) return wrong("pop needs an array", source);
  return made(
    source.length === 0 ? null : (source[type === Transformation.popHead ? 0 : source.length - 1] as JsonValue),
  );
}

// One level: each element of an array, each member of an object, or the value itself.
function mapEach(type: number, argument: Argument, source: JsonValue, patterns: readonly Pattern[]): Made {
  if (isArray(source)) {
    const array: JsonArray = [];
    for (let i = 0; i < source.length; i++) {
      const element = mapOne(type, argument, source[i] as JsonValue, patterns);
      if (element.error !== "") return element;
      array.push(element.value);
    }
    return made(array);
  }
  if (!isObject(source)) return mapOne(type, argument, source, patterns);
  const object = newObject();
  const keys = Object.keys(source);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    const member = mapOne(type, argument, source[key] as JsonValue, patterns);
    if (member.error !== "") return member;
    setOwn(object, key, member.value);
  }
  return made(object);
}

function mapOne(type: number, argument: Argument, value: JsonValue, patterns: readonly Pattern[]): Made {
  if (type === Transformation.mapRegex) {
    if (typeof value !== "string") return wrong("a text pattern needs a string", value);
    return made((patterns[argument.pattern] as Pattern).replaceAll(value, argument.template));
  }
  const number = numberOf(value);
  if (number === undefined) return wrong("arithmetic needs a number", value);
  return finite(type === Transformation.mapAdd ? number + argument.number : number * argument.number);
}

// The original prints nothing at all for an infinite result (section 11).
function finite(number: number): Made {
  return Number.isFinite(number) ? made(number) : { value: null, error: "the result is too large for a number" };
}
