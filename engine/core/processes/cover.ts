/** What a redactor's rule makes of a value, and what its run carries through the tree. */
import type { RunContext } from "../context.ts";
import type { Detector } from "../detect/detect.ts";
import { isArray, isObject, type JsonArray, type JsonValue } from "../event/json.ts";
import type { ScalarVisitor } from "../event/scalars.ts";
import type { SelectingPath, Visitor } from "../event/select.ts";
import { stringify } from "../event/write.ts";
import { mask } from "./mask.ts";

export type Action = "mask" | "hmac" | "replace" | "drop";
export type Rule = {
  paths: SelectingPath[];
  /** every value is meant, whatever the paths */
  everywhere: boolean;
  /** [] = the selected values as a whole */
  detect: Detector[];
  action: Action;
  keepFirst: number;
  keepLast: number;
  cover: string;
  /** reference to the key of hmac */
  key: string;
  replacement: JsonValue;
};

export type RedactingVisitor = Visitor &
  ScalarVisitor & { rule: Rule; context: RunContext /** by detectors */; found: number };

const OBJECT_COVER_CHARS = 8;

export function cover(value: JsonValue, rule: Rule, context: RunContext): JsonValue {
  if (value === null) return value;
  if (isArray(value)) {
    const covered: JsonArray = [];
    for (let i = 0; i < value.length; i++) covered.push(cover(value[i] as JsonValue, rule, context));
    return covered;
  }
  if (rule.action === "hmac") return context.ports.hmacs.hmacSha256(rule.key, textOf(value));
  return isObject(value) ? rule.cover.repeat(OBJECT_COVER_CHARS) : maskBy(rule, textOf(value));
}

export function textOf(value: JsonValue): string {
  return typeof value === "string" ? value : stringify(value);
}

export function maskBy(rule: Rule, text: string): string {
  return mask(text, rule.keepFirst, rule.keepLast, rule.cover);
}
