/** The grammar of a configuration file, as field descriptors: the original's messages (agglo-behaviour 1.2) and `http`. */
import {
  BINARY_OPERATORS,
  COMPARATOR_OPERATORS,
  EXISTS_OPERATORS,
  LOGICAL_OPERATORS,
  UNARY_OPERATORS,
} from "../core/condition/operators.ts";
import type { Field, Fields } from "../core/definition.ts";
import { SYSTEM_TYPES } from "../core/ports.ts";
import { LATER_PROCESSES, processes } from "../core/processes/registry.ts";
import { HTTP_FIELDS } from "../core/routes/http-config.ts";

const later = (doc: string) => ({ kind: "later", doc }) as const;
const named = (name: string, doc: string) => ({ kind: "named", name, doc }) as const;
const operator = (values: { readonly [name: string]: number }) =>
  ({ kind: "enum", values, doc: "The operator." }) as const;

const OPERANDS = { lhs: named("operand", "Left side."), rhs: named("operand", "Right side.") };

/** What a condition written as a string holds (core/condition/cel-compile.ts). */
const CEL_DOC =
  'A subset of CEL: `size(event.items) > 0 && !(http.headers["x-env"] in ["test", "dev"])`. `event` is the event, ' +
  '`http` what is known of the message, `internal["risk"]` another reserved key. A name is one member and a number one ' +
  'element: a key that holds dots is `event["a.b"]`. Nothing is converted. A missing field is an error, which `&&` and ' +
  '`||` absorb where the other side decides: ask with `has(event.a)` or `"x-env" in http.headers`.';

/** Grammars that refer to themselves or to each other. */
export const NAMED: { readonly [name: string]: Field } = {
  condition: {
    kind: "oneOf",
    doc: "When something applies. `{}`: always.",
    text: CEL_DOC,
    members: {
      expression: named("expression", "A comparison, or several joined."),
      exists: {
        kind: "object",
        doc: "Fields that are there, or not; all must hold.",
        fields: {
          ops: {
            kind: "list",
            doc: "One test per field.",
            of: {
              kind: "object",
              doc: "A test.",
              fields: {
                key: { kind: "string", required: true, doc: "Path of the field." },
                op: { kind: "enum", values: { UnknownExists: 0, ...EXISTS_OPERATORS }, doc: "Default: Exists." },
              },
            },
          },
        },
      },
    },
  },
  expression: {
    kind: "oneOf",
    doc: "One of these.",
    members: {
      boolean: {
        kind: "object",
        doc: "A constant.",
        fields: { value: { kind: "boolean", doc: "The constant. Default false." } },
      },
      comparator: {
        kind: "object",
        doc: "Compares two operands.",
        fields: { ...OPERANDS, op: operator(COMPARATOR_OPERATORS) },
      },
      logical: {
        kind: "object",
        doc: "Joins two expressions.",
        fields: { ...OPERANDS, op: operator(LOGICAL_OPERATORS) },
      },
      binary: {
        kind: "object",
        doc: "Computes with two operands.",
        fields: { ...OPERANDS, op: operator(BINARY_OPERATORS) },
      },
      unary: {
        kind: "object",
        doc: "Computes with one operand.",
        fields: { rhs: named("operand", "The operand."), op: operator(UNARY_OPERATORS) },
      },
    },
  },
  operand: {
    kind: "oneOf",
    doc: "One of these.",
    members: {
      expression: named("expression", "What an expression yields."),
      variable: {
        kind: "object",
        doc: "A field of the event.",
        fields: { name: { kind: "string", required: true, doc: "Its path." } },
      },
      literal: { kind: "string", doc: "A string, taken as it stands." },
      numeric: { kind: "number", doc: "A number." },
    },
  },
};

const PIPELINE: Fields = {
  name: { kind: "string", required: true, doc: "Unique; in metrics, logs and `internal:name`." },
  processes: {
    kind: "list",
    doc: "Run in this order.",
    of: {
      kind: "object",
      doc: "A process by name.",
      fields: {
        name: { kind: "string", required: true, doc: "The process definition's name." },
        retryStrategy: {
          kind: "object",
          doc: "Retries of a process that waits for the outside.",
          fields: {
            numRetries: { kind: "integer", min: 0, max: 1000, doc: "Attempts after the first." },
            initialBackOffMs: {
              kind: "integer",
              min: 0,
              doc: "Delay before the first retry. Doubles each time up to 30 s, and varies by half so that many do not come back together.",
            },
          },
        },
        instrumentation: {
          kind: "object",
          doc: "What is measured of it.",
          fields: {
            enableTracing: { kind: "boolean", doc: "Spans." },
            latency: { kind: "boolean", doc: "Time spent in it, in nanoseconds, and how often." },
            counter: { kind: "boolean", doc: "Counters of successes and failures." },
          },
        },
      },
    },
  },
  checkpoint: {
    kind: "object",
    doc: "Where it is kept how far the pipeline came with an event, so that the event given again goes on there. Not in routes.",
    fields: { outputConnectorRef: { kind: "string", doc: "A key-value store or a folder." } },
  },
  enableTracing: { kind: "boolean", doc: "Spans of the pipeline." },
  enableMetrics: { kind: "boolean", doc: "Metrics of the pipeline." },
};

const EXTERNAL: Fields = {
  externalType: {
    kind: "enum",
    required: true,
    values: Object.fromEntries([
      ["ExternalKVStore", 1],
      ["ExternalObjectStore", 2],
      ["ExternalPubSub", 3],
      ["ExternalHttp", 4],
      ["ExternalLocalFile", 5],
      ["ExternalSearchIndex", 6],
    ]),
    doc: `One of ${SYSTEM_TYPES.join(", ")}.`,
  },
  name: { kind: "string", required: true, doc: "What tees and stores call it; unique per type." },
  connectionString: { kind: "string", required: true, doc: "`scheme:parameters`, a URL or a directory." },
  options: { kind: "json", ours: true, doc: "What a connection string cannot hold ([systems](systems.md))." },
};

/** The members of a process definition: one per process. */
const DEFINITION: { [key: string]: Field } = {};
/** Processes that the original does not have. */
const OUR_PROCESSES: readonly string[] = ["redactor", "validator"];
for (const process of processes) {
  DEFINITION[process.definition.key] = {
    kind: "object",
    fields: process.definition.fields,
    doc: process.definition.summary,
    ours: OUR_PROCESSES.includes(process.definition.key),
  };
}
for (const key of LATER_PROCESSES) DEFINITION[key] = later("");

export const ROOT: Fields = {
  $schema: { kind: "string", ours: true, doc: "For editors." },
  partitionUuid: { kind: "string", doc: "The partition's UUID. Optional where `http` is present." },
  pipelines: { kind: "list", doc: "Pipelines.", of: { kind: "object", doc: "A pipeline.", fields: PIPELINE } },
  processDefinitions: {
    kind: "list",
    nulls: true,
    doc: "Processes, in any order.",
    of: { kind: "oneOf", members: DEFINITION, doc: "One process." },
  },
  externalSystems: {
    kind: "list",
    doc: "What tees send to.",
    of: { kind: "object", doc: "An external system.", fields: EXTERNAL },
  },
  http: { kind: "object", ours: true, fields: HTTP_FIELDS, doc: "Which pipelines run on which traffic." },
  tests: { kind: "any", ours: true, doc: "Cases for `binge test`." },
};
