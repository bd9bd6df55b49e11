/** A redactor's rule with `detect` at work: only what the detectors find in a value is covered. */
import type { RunContext } from "../context.ts";
import { canonical, detect, type Find } from "../detect/detect.ts";
import { isPan, wholeDigits } from "../detect/numbers.ts";
import type { JsonValue, RawNumber } from "../event/json.ts";
import { rewriteScalars, type ScalarVisitor } from "../event/scalars.ts";
import type { Visitor } from "../event/select.ts";
import { stringify } from "../event/write.ts";
import { cover, maskBy, type RedactingVisitor, type Rule, textOf } from "./cover.ts";

export function redactFinds(visitor: Visitor, value: JsonValue): JsonValue | undefined {
  return rewriteScalars(value, visitor as RedactingVisitor); // runRedactor passes no other
}

export function redactScalar(visitor: ScalarVisitor, value: string | number | RawNumber): JsonValue | undefined {
  const redacting = visitor as RedactingVisitor; // runRedactor passes no other
  const rule = redacting.rule;
  if (typeof value !== "string") {
    const digits = rule.detect.indexOf("pan") === -1 ? "" : wholeDigits(stringify(value));
    if (!isPan(digits)) return value;
    redacting.found++;
    if (rule.action === "drop") return undefined;
    return rule.action === "replace" ? rule.replacement : cover(digits, rule, redacting.context);
  }
  const finds = detect(rule.detect, value);
  if (finds.length === 0) return value;
  redacting.found += finds.length;
  let text = "";
  let last = 0;
  for (let i = 0; i < finds.length; i++) {
    const find = finds[i] as Find;
    text += value.slice(last, find.start) + coverFind(find, value, rule, redacting.context);
    last = find.end;
  }
  return text + value.slice(last);
}

function coverFind(find: Find, text: string, rule: Rule, context: RunContext): string {
  if (rule.action === "drop") return "";
  if (rule.action === "replace") return textOf(rule.replacement);
  if (rule.action === "hmac") return context.ports.hmacs.hmacSha256(rule.key, canonical(find, text));
  return maskBy(rule, text.slice(find.start, find.end));
}
