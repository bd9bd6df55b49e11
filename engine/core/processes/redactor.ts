/**
 * redactor (ours, http.md "Additions"): masks, hashes, replaces or drops whatever its paths select, of any JSON type.
 *
 * Nothing slips by because of its type: a number is masked by its digits as they stand in the text, an array element by
 * element, an object as a whole (its keys may hold what the rule is after). `null` stays: it holds nothing.
 */

import { type Compiler, compileSelection } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { isArray, isObject, type JsonArray, type JsonObject, type JsonValue } from "../event/json.ts";
import { rewrite, type SelectingPath, type Visitor } from "../event/select.ts";
import { stringify } from "../event/write.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { holds, type LinkedStep } from "./step.ts";

const fields = {
  name: NAME_FIELD,
  condition: CONDITION_FIELD,
  rules: {
    kind: "list",
    required: true,
    doc: "Applied in order.",
    of: {
      kind: "object",
      doc: "Which values, and what becomes of them: exactly one of mask, hmac, replace, drop.",
      exclusive: ["mask", "hmac", "replace", "drop"],
      fields: {
        paths: {
          kind: "list",
          required: true,
          doc: "Selecting paths: `customer.email`, `items[*].card`, `**.iban`.",
          of: { kind: "string", doc: "A path." },
        },
        mask: {
          kind: "object",
          doc: "Covers the text, character by character. A text no longer than what is kept is covered whole.",
          fields: {
            keepFirst: { kind: "integer", min: 0, doc: "Characters left readable at the beginning. Default 0." },
            keepLast: { kind: "integer", min: 0, doc: "Characters left readable at the end. Default 0." },
            with: { kind: "string", doc: "What covers a character. Default `*`." },
          },
        },
        hmac: {
          kind: "object",
          doc: "Replaces by HMAC-SHA-256, in hex: equal values stay equal, and without the key nobody can try values.",
          fields: { key: { kind: "secret", required: true, doc: "The key: `${env:NAME}` or `${file:/path}`." } },
        },
        replace: { kind: "any", doc: "The value to put there." },
        drop: { kind: "boolean", doc: "true takes the field or the array element away." },
      },
    },
  },
} as const;

export const redactor: ProcessDefinition = {
  key: "redactor",
  summary: "Masks, hashes, replaces or drops fields wherever a path finds them.",
  waits: "never",
  fields,
  examples: [
    {
      title: "card numbers in every item, whatever their type",
      config: { name: "cards", rules: [{ paths: ["items[*].card"], mask: { keepLast: 4 } }] },
      input: { items: [{ card: "4111111111111111" }, { card: 4111111111111111 }, { card: ["42"] }] },
      output: { items: [{ card: "************1111" }, { card: "************1111" }, { card: ["**"] }] },
    },
    {
      title: "drop and replace",
      config: {
        name: "clean",
        rules: [
          { paths: ["**.password"], drop: true },
          { paths: ["user.role"], replace: "hidden" },
        ],
      },
      input: { user: { role: "admin", password: "x" }, logs: [{ password: 1, at: 2 }] },
      output: { user: { role: "hidden" }, logs: [{ at: 2 }] },
    },
  ],
};

type Action = "mask" | "hmac" | "replace" | "drop";
type Rule = {
  paths: SelectingPath[];
  action: Action;
  keepFirst: number;
  keepLast: number;
  cover: string;
  /** reference to the key of hmac */
  key: string;
  replacement: JsonValue;
};
type Settings = { rules: Rule[] };

/** Values one rule may select in one event; past it the message is a fault, never half redacted. */
export const MATCHES_MAX = 100_000;
const OBJECT_COVER_CHARS = 8;

export function compileRedactor(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("redactor", config.name);
  const settings: Settings = { rules: [] };
  for (let i = 0; i < config.rules.length; i++) {
    const rule = config.rules[i] as (typeof config.rules)[number];
    const path = at.concat("rules", i);
    const paths: SelectingPath[] = [];
    for (let j = 0; j < rule.paths.length; j++)
      paths.push(compileSelection(compiler, rule.paths[j] as string, path.concat("paths", j)));
    if (paths.length === 0)
      complain(
        compiler.report,
        "E_VALUE",
        path.concat("paths"),
        "no path, so the rule can never do anything",
        "name at least one field",
      );
    const action = actionOf(rule);
    if (action === undefined)
      complain(
        compiler.report,
        "E_MISSING_FIELD",
        path,
        "the rule does not say what to do",
        "write one of mask, hmac, replace, drop",
      );
    if (rule.hmac !== undefined) compiler.plan.secrets.push(rule.hmac.key);
    settings.rules.push({
      paths,
      action: action ?? "drop",
      keepFirst: rule.mask?.keepFirst ?? 0,
      keepLast: rule.mask?.keepLast ?? 0,
      cover: rule.mask?.with ?? "*",
      key: rule.hmac?.key ?? "",
      replacement: rule.replace ?? null,
    });
  }
  step.condition = addCondition(compiler, config.condition, at.concat("condition"));
  step.changes = true;
  step.settings = settings;
  return step;
}

function actionOf(rule: {
  mask?: unknown;
  hmac?: unknown;
  replace?: unknown;
  drop?: boolean | undefined;
}): Action | undefined {
  if (rule.mask !== undefined) return "mask";
  if (rule.hmac !== undefined) return "hmac";
  if (rule.replace !== undefined) return "replace";
  return rule.drop === true ? "drop" : undefined;
}

type RedactingVisitor = Visitor & { rule: Rule; context: RunContext };

export function runRedactor(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.error) return Outcome.fault;
  if (truth === Truth.no) return Outcome.next;
  const settings = linked.step.settings as Settings; // made by compileRedactor
  let value: JsonObject = context.event.value;
  for (let i = 0; i < settings.rules.length; i++) {
    const rule = settings.rules[i] as Rule;
    const visitor: RedactingVisitor = { visit: redact, matches: 0, matchesMax: MATCHES_MAX, rule, context };
    for (let j = 0; j < rule.paths.length; j++) value = rewrite(value, rule.paths[j] as SelectingPath, visitor);
    if (visitor.matches > MATCHES_MAX)
      return fault(context, "tooLarge", `rule ${i} selects more than ${MATCHES_MAX} values`);
    if (visitor.matches > 0) context.ports.counters.add("redacted", `${linked.step.name}[${i}]`, visitor.matches);
  }
  context.event.value = value;
  return Outcome.next;
}

function redact(visitor: Visitor, value: JsonValue): JsonValue | undefined {
  const redacting = visitor as RedactingVisitor; // runRedactor passes no other
  const rule = redacting.rule;
  if (rule.action === "drop") return undefined;
  return rule.action === "replace" ? rule.replacement : cover(value, rule, redacting.context);
}

function cover(value: JsonValue, rule: Rule, context: RunContext): JsonValue {
  if (value === null) return value;
  if (isArray(value)) {
    const covered: JsonArray = [];
    for (let i = 0; i < value.length; i++) covered.push(cover(value[i] as JsonValue, rule, context));
    return covered;
  }
  if (rule.action === "hmac") return context.ports.hmacs.hmacSha256(rule.key, textOf(value));
  return isObject(value) ? rule.cover.repeat(OBJECT_COVER_CHARS) : mask(textOf(value), rule);
}

function textOf(value: JsonValue): string {
  return typeof value === "string" ? value : stringify(value);
}

function mask(text: string, rule: Rule): string {
  let first = rule.keepFirst;
  let last = text.length - rule.keepLast;
  // Keeping all of a short text would be no mask.
  if (first >= last) {
    first = 0;
    last = text.length;
  }
  // Half a surrogate pair is no character: the cut moves into the covered part's favour.
  if (first > 0 && isLowSurrogate(text, first)) first--;
  if (last < text.length && isLowSurrogate(text, last)) last++;
  return text.slice(0, first) + rule.cover.repeat(last - first) + text.slice(last);
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}
