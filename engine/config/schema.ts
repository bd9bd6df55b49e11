/** JSON Schema 2020-12 of a configuration file, for editors: derived from the same descriptors that check it. */
import type { Field, Fields } from "../core/definition.ts";
import { NAMED, ROOT } from "./grammar.ts";

export type Schema = { [keyword: string]: unknown };

/** The schema of a whole file. */
export function configurationSchema(): Schema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "agglo configuration",
    ...objectSchema(ROOT, []),
    $defs: Object.fromEntries(Object.entries(NAMED).map(([name, field]) => [name, fieldSchema(field)])),
  };
}

/** The schema of one field, its documentation as the description. */
function fieldSchema(field: Field): Schema {
  const schema = valueSchema(field);
  return field.doc === "" ? schema : { ...schema, description: field.doc };
}

const QUOTED_INTEGER = { type: "string", pattern: "^-?[0-9]+$" };
const QUOTED_NUMBER = { type: "string", pattern: "^-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?$" };

function valueSchema(field: Field): Schema {
  switch (field.kind) {
    case "string":
      return { type: "string" };
    case "secret":
      return { type: "string", pattern: "^\\$\\{(env:[^}]+|file:/[^}]+)\\}$" };
    case "boolean":
      return { type: "boolean" };
    case "integer":
      return { anyOf: [{ type: "integer", ...bounds(field) }, QUOTED_INTEGER] };
    case "number":
      return { anyOf: [{ type: "number" }, QUOTED_NUMBER] };
    case "enum":
      return { enum: [...Object.keys(field.values), ...Object.values(field.values)] };
    case "word":
      return { enum: [...field.words] };
    case "list":
      return { type: "array", items: fieldSchema(field.of) };
    case "map":
      return { type: "object", additionalProperties: fieldSchema(field.of) };
    case "object":
      return objectSchema(field.fields, field.exclusive ?? []);
    case "oneOf": {
      const object = { ...objectSchema(field.members, []), maxProperties: 1 };
      return field.text === undefined ? object : { anyOf: [{ type: "string", description: field.text }, object] };
    }
    case "json":
      return { type: "object" };
    case "any":
      return {};
    case "named":
      return { $ref: `#/$defs/${field.name}` };
    case "later":
      return { not: {} };
  }
}

function bounds(field: { min?: number; max?: number }): Schema {
  return {
    ...(field.min === undefined ? {} : { minimum: field.min }),
    ...(field.max === undefined ? {} : { maximum: field.max }),
  };
}

function objectSchema(fields: Fields, exclusive: readonly string[]): Schema {
  const required = Object.keys(fields).filter((name) => fields[name]?.required === true);
  const pairs = exclusive.flatMap((a, i) => exclusive.slice(i + 1).map((b) => ({ not: { required: [a, b] } })));
  return {
    type: "object",
    properties: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fieldSchema(field)])),
    ...(required.length === 0 ? {} : { required }),
    ...(pairs.length === 0 ? {} : { allOf: pairs }),
    additionalProperties: false,
  };
}
