/**
 * How a process or a system describes itself: its fields as plain data. Checking a configuration, its TypeScript type,
 * the JSON Schema and the reference docs are derived from these (engine/config); nothing is written twice.
 */
import type { JsonObject, JsonValue } from "./event/json.ts";
import type { SystemType } from "./ports.ts";

type Common = {
  doc: string;
  required?: boolean;
  /** an addition of ours: the original agglo would refuse the field (`lint --original`) */
  ours?: boolean;
};

export type Field =
  | (Common & { kind: "string" })
  /** a string that must come from outside the file: `${env:NAME}` or `${file:/path}`; masked in every output */
  | (Common & { kind: "secret" })
  | (Common & { kind: "boolean" })
  /** a whole number; a quoted one will do, as in the original (agglo-behaviour 1.1) */
  | (Common & { kind: "integer"; min?: number; max?: number })
  | (Common & { kind: "number" })
  /** by name or, as in the original, by number */
  | (Common & { kind: "enum"; values: { readonly [name: string]: number } })
  /** one of these words */
  | (Common & { kind: "word"; words: readonly string[] })
  /** `nulls`: elements that are null are as good as not there, as in the original */
  | (Common & { kind: "list"; of: Field; max?: number; nulls?: boolean })
  /** user-chosen keys */
  | (Common & { kind: "map"; of: Field })
  | (Common & { kind: "object"; fields: Fields; exclusive?: readonly string[] })
  /** an object with at most one of these members; or, where `text` says what it then holds, a string */
  | (Common & { kind: "oneOf"; members: Fields; text?: string })
  /** any JSON object */
  | (Common & { kind: "json" })
  /** any JSON value */
  | (Common & { kind: "any" })
  /** a grammar that refers to itself, by name (condition, expression, operand) */
  | (Common & { kind: "named"; name: string })
  /** recognised and refused: it comes later */
  | (Common & { kind: "later" });

export type Fields = { readonly [name: string]: Field };

/** The checked configuration that a set of fields describes. */
export type ConfigOf<F extends Fields> = { [K in keyof F]: Value<F[K]> | Absent<F[K]> };
type Absent<F> = F extends { required: true } ? never : undefined;
type Value<F> = F extends { kind: "string" | "secret" }
  ? string
  : F extends { kind: "word"; words: readonly (infer W)[] }
    ? W
    : F extends { kind: "boolean" }
      ? boolean
      : F extends { kind: "integer" | "number" | "enum" }
        ? number
        : F extends { kind: "list"; of: infer E }
          ? Value<E>[]
          : F extends { kind: "map"; of: infer E }
            ? { [key: string]: Value<E> }
            : F extends { kind: "object"; fields: infer O }
              ? O extends Fields
                ? ConfigOf<O>
                : never
              : F extends { kind: "oneOf"; members: infer O }
                ? O extends Fields
                  ? Partial<ConfigOf<O>>
                  : never
                : F extends { kind: "json" }
                  ? JsonObject
                  : F extends { kind: "named"; name: "condition" }
                    ? ConditionConfig
                    : JsonValue;

/** A condition as checked: CEL, or the original's object grammar (agglo-behaviour 1.3). `{}` is always true. */
export type ConditionConfig = string | ConditionObject;
export type ConditionObject = { expression?: ExpressionConfig; exists?: { ops?: { key?: string; op?: number }[] } };
export type ExpressionConfig = {
  boolean?: { value?: boolean };
  comparator?: BinaryConfig;
  logical?: BinaryConfig;
  binary?: BinaryConfig;
  unary?: { rhs?: OperandConfig; op?: number };
};
export type BinaryConfig = { lhs?: OperandConfig; rhs?: OperandConfig; op?: number };
export type OperandConfig = {
  expression?: ExpressionConfig;
  variable?: { name?: string };
  literal?: string;
  numeric?: number;
};

type ConditionField = { kind: "named"; name: "condition"; doc: string; ours?: true };

/** A field that holds a condition. */
export function conditionField(doc: string): ConditionField {
  return { kind: "named", name: "condition", doc };
}

/** A condition where the original has none. */
export function ourConditionField(doc: string): ConditionField {
  return { kind: "named", name: "condition", doc, ours: true };
}

/** The field nearly every process has. */
export const CONDITION_FIELD = conditionField("When it is false the process does nothing. Absent or `{}`: always.");

export const NAME_FIELD = {
  kind: "string",
  required: true,
  doc: "What pipelines and other definitions call it; unique in the file.",
} as const;

/** One documented use of a process; the tests run it. `side` is what stands under `internal:` afterwards. */
export type Example = {
  title: string;
  config: JsonObject;
  input: JsonObject;
  output: JsonObject;
  side?: JsonObject;
  outcome?: "stop" | "refuse" | "fault";
};

/** Can a step of this process wait for the outside? `may`: depends on the host. */
export type Waits = "never" | "may" | "always";

export type ProcessDefinition = {
  /** what the user types and the name of the file */
  key: string;
  summary: string;
  waits: Waits;
  fields: Fields;
  examples: readonly Example[];
};

/** A system's description: which types of the file it serves and what its connection string looks like. */
export type SystemDefinition = {
  /** the scheme before the colon, and the name of the file */
  key: string;
  summary: string;
  types: readonly SystemType[];
  /** grammar of the connection string, for messages and docs */
  grammar: string;
  /** what may stand under `options`; left out: nothing */
  options?: Fields;
};
