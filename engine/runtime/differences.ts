/** Comparing what came of a test case with what was expected. */
import type { JsonObject, JsonValue } from "../core/event/json.ts";

/** Where two values differ, a line each; "contains" looks only at what is expected. */
export function findDifferences(
  expected: JsonValue,
  found: JsonValue | undefined,
  mode: "equal" | "contains",
  at: string,
): string[] {
  if (isObject(expected) && isObject(found)) {
    const differences: string[] = [];
    for (const [key, value] of Object.entries(expected)) {
      const has = Object.hasOwn(found, key);
      differences.push(...findDifferences(value, has ? found[key] : undefined, mode, `${at}.${key}`));
    }
    if (mode === "equal") {
      for (const key of Object.keys(found)) {
        if (!Object.hasOwn(expected, key)) differences.push(`${at}.${key}: not expected, found ${show(found[key])}`);
      }
    }
    return differences;
  }
  if (Array.isArray(expected) && Array.isArray(found)) {
    const differences: string[] = [];
    if (mode === "equal" ? found.length !== expected.length : found.length < expected.length) {
      differences.push(`${at}: expected ${expected.length} elements, found ${found.length}`);
    }
    for (const [i, value] of expected.entries()) {
      if (i < found.length) differences.push(...findDifferences(value, found[i], mode, `${at}[${i}]`));
    }
    return differences;
  }
  return Object.is(expected, found) ? [] : [`${at}: expected ${show(expected)}, found ${show(found)}`];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const SHOWN_CHARS_MAX = 200;

function show(value: JsonValue | undefined): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`;
}
