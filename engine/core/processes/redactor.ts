/**
 * redactor (ours, http.md "Additions"): masks, hashes, replaces or drops whatever its paths select, of any JSON type.
 *
 * Nothing slips by because of its type: a number is masked by its digits as they stand in the text, an array element by
 * element, an object as a whole (its keys may hold what the rule is after). `null` stays: it holds nothing.
 *
 * With `detect` a rule covers only what the detectors find inside the values, wherever in a text it stands. It looks at
 * values, not at keys.
 */

import { type Compiler, compileSelection, noteSlip } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { noteConditionSlip } from "../condition/slips.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { DETECTORS, type Detector } from "../detect/detect.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import type { JsonObject, JsonValue } from "../event/json.ts";
import { rewriteScalars } from "../event/scalars.ts";
import { rewrite, Select, type SelectingPath, type Visitor } from "../event/select.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { type Action, cover, type RedactingVisitor, type Rule } from "./cover.ts";
import { redactFinds, redactScalar } from "./redact-finds.ts";
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
          doc: "Selecting paths: `customer.email`, `items[*].card`, `**.iban`. With `detect` the default is `**`, everything.",
          of: { kind: "string", doc: "A path." },
        },
        detect: {
          kind: "list",
          doc:
            "Cover only what looks like one of these, inside the strings that the paths lead to (and `pan` in whole " +
            "numbers). Checksums are verified. Keys are not searched.",
          of: { kind: "word", words: DETECTORS, doc: "What to look for." },
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
    {
      title: "card numbers and mail addresses in any text",
      config: {
        name: "personal",
        rules: [
          { detect: ["pan"], mask: { keepLast: 4 } },
          { paths: ["note"], detect: ["email"], replace: "(mail)" },
        ],
      },
      input: {
        note: "ann@example.com paid with 4111-1111-1111-1111",
        order: "4111111111111112",
        card: 4111111111111111,
      },
      output: { note: "(mail) paid with ***************1111", order: "4111111111111112", card: "************1111" },
    },
  ],
};

type Settings = { rules: Rule[] };

/** Values one rule may select in one event; past it the message is a fault, never half redacted. */
export const MATCHES_MAX = 100_000;

export function compileRedactor(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("redactor", config.name);
  const settings: Settings = { rules: [] };
  for (let i = 0; i < config.rules.length; i++) {
    const rule = config.rules[i] as (typeof config.rules)[number];
    const path = at.concat("rules", i);
    const detectors = rule.detect ?? [];
    const everywhere = isEverywhere(rule);
    const paths = everywhere ? [] : compilePaths(rule.paths ?? [], compiler, path.concat("paths"));
    if (rule.detect !== undefined && detectors.length === 0)
      complain(
        compiler.report,
        "E_VALUE",
        path.concat("detect"),
        "nothing to look for, so the rule can never do anything",
        "name at least one detector, or leave the field out",
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
      everywhere,
      detect: detectors,
      action: action ?? "drop",
      keepFirst: rule.mask?.keepFirst ?? 0,
      keepLast: rule.mask?.keepLast ?? 0,
      cover: rule.mask?.with ?? "*",
      key: rule.hmac?.key ?? "",
      replacement: rule.replace ?? null,
    });
  }
  step.condition = addCondition(compiler, config.condition, at.concat("condition"));
  noteConditionSlip(compiler, step.condition, at.concat("condition"), "the rules apply");
  step.changes = true;
  step.settings = settings;
  return step;
}

/** The path that only a detecting rule may have: whatever is found, it knows what to cover. */
const EVERYWHERE = "**";

function isEverywhere(rule: { paths?: string[] | undefined; detect?: Detector[] | undefined }): boolean {
  if (rule.detect === undefined || rule.detect.length === 0) return false;
  return rule.paths === undefined || rule.paths.indexOf(EVERYWHERE) !== -1;
}

// A path says which containers it expects on its way; a client may send others.
function noteShape(compiler: Compiler, path: SelectingPath, at: DocumentPath): void {
  const message = `a list in place of an object on the way to "${path.text}", or the other way round, slips by`;
  noteSlip(compiler, at, message, "** finds a field at any depth: `**.card`");
}

function compilePaths(texts: readonly string[], compiler: Compiler, at: DocumentPath): SelectingPath[] {
  const paths: SelectingPath[] = [];
  for (let i = 0; i < texts.length; i++) {
    const path = compileSelection(compiler, texts[i] as string, at.concat(i));
    paths.push(path);
    if (path.kinds.length > 1 && path.kinds[0] !== Select.deep) noteShape(compiler, path, at.concat(i));
  }
  if (paths.length === 0)
    complain(
      compiler.report,
      "E_VALUE",
      at,
      "no path, so the rule can never do anything",
      'name at least one field, or what to "detect"',
    );
  return paths;
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

/** How a rule is called in counters. */
function ruleLabel(step: Step, index: number): string {
  return `${step.name}[${index}]`;
}

/** The labels of all rules of a redactor's step: a host that knows them can say which never matched. */
export function redactionLabels(step: Step): string[] {
  const settings = step.settings as Settings; // made by compileRedactor
  const labels: string[] = [];
  for (let i = 0; i < settings.rules.length; i++) labels.push(ruleLabel(step, i));
  return labels;
}

/** Whether some rule of a redactor's step looks for something, instead of taking fields whole. */
export function detects(step: Step): boolean {
  const settings = step.settings as Settings; // made by compileRedactor
  return settings.rules.some((rule) => rule.detect.length > 0);
}

export function runRedactor(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.error) return Outcome.fault;
  if (truth === Truth.no) return Outcome.next;
  const settings = linked.step.settings as Settings; // made by compileRedactor
  let value: JsonObject = context.event.value;
  const rules = settings.rules;
  const count = rules.length;
  for (let i = 0; i < count; i++) {
    const rule = rules[i] as Rule;
    const visitor = newVisitor(rule, context);
    if (rule.everywhere) value = rewriteScalars(value, visitor) as JsonObject; // an object stays one
    const paths = rule.paths;
    const length = paths.length;
    for (let j = 0; j < length; j++) value = rewrite(value, paths[j] as SelectingPath, visitor);
    if (visitor.matches > MATCHES_MAX)
      return fault(context, "tooLarge", `rule ${i} selects more than ${MATCHES_MAX} values`);
    const redacted = visitor.visit === redact ? visitor.matches : visitor.found;
    if (redacted > 0) context.ports.counters.add("redacted", ruleLabel(linked.step, i), redacted);
  }
  context.event.value = value;
  return Outcome.next;
}

function newVisitor(rule: Rule, context: RunContext): RedactingVisitor {
  const visit = rule.detect.length === 0 ? redact : redactFinds;
  return { visit, visitScalar: redactScalar, matches: 0, matchesMax: MATCHES_MAX, rule, context, found: 0 };
}

function redact(visitor: Visitor, value: JsonValue): JsonValue | undefined {
  const redacting = visitor as RedactingVisitor; // runRedactor passes no other
  const rule = redacting.rule;
  if (rule.action === "drop") return undefined;
  return rule.action === "replace" ? rule.replacement : cover(value, rule, redacting.context);
}
