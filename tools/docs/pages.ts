/** The pages of docs/reference, as text: everything in them comes from the definitions. */
import { SCHEMA_EXAMPLE, SCHEMA_FIELDS, VALUE } from "../../cli/generator/schema.ts";
import { NAMED, ROOT } from "../../engine/config/grammar.ts";
import { CASE_FIELDS, UPSTREAM_FIELDS } from "../../engine/config/test-cases.ts";
import type { Field, Fields, ProcessDefinition } from "../../engine/core/definition.ts";
import { DIAGNOSTIC_CODES } from "../../engine/core/diagnostic.ts";
import { LATER_PROCESSES, processes } from "../../engine/core/processes/registry.ts";
import { HTTP_FIELDS } from "../../engine/core/routes/http-config.ts";
import { systems } from "../../engine/systems/registry.ts";
import { metricsPage } from "./metrics-page.ts";

const MADE = "<!-- made by tools/docs.ts from the definitions: change those, then run `npm run docs` -->\n\n";

/** File name -> text. */
export function referencePages(): { [file: string]: string } {
  const pages: { [file: string]: string } = {};
  pages["README.md"] = index();
  pages["file.md"] = file();
  pages["http.md"] = `${MADE}# The http section\n\nWhich pipelines run on which traffic.\n\n${table(HTTP_FIELDS)}`;
  pages["tests.md"] = testsPage();
  for (const { definition } of processes) pages[`${definition.key}.md`] = processPage(definition);
  pages["systems.md"] = systemsPage();
  pages["genevents.md"] = geneventsPage();
  pages["errors.md"] = errorsPage();
  pages["metrics.md"] = `${MADE}${metricsPage()}`;
  return pages;
}

function index(): string {
  const rows = processes.map(({ definition }) => `- [${definition.key}](${definition.key}.md): ${definition.summary}`);
  return `${MADE}# Reference

- [The file](file.md): pipelines, process definitions, external systems, conditions
- [The http section](http.md): routes, faults, limits, headers
- [Test cases](tests.md): for binge test, and an exchange for binge explain
- [Systems](systems.md): connection strings
- [Errors](errors.md): what the loader says
- [Metrics](metrics.md): what the admin port shows
- [Schemas of made-up events](genevents.md): for binge genevents

## Processes

${rows.join("\n")}

Not there yet: ${LATER_PROCESSES.join(", ")}.
`;
}

function file(): string {
  const root = Object.fromEntries(
    Object.entries(ROOT).filter(([name]) => name !== "http" && name !== "processDefinitions"),
  );
  const grammars = Object.entries(NAMED).map(
    ([name, field]) => `## ${name}\n\n${field.doc}\n\n${textForm(field)}${table(fieldsOf(field))}`,
  );
  return `${MADE}# The file\n\nOne JSON object.\n\n${table(root)}\n${grammars.join("\n")}`;
}

/** What the grammar is as a string, where it may be one. */
function textForm(field: Field): string {
  return field.kind === "oneOf" && field.text !== undefined ? `As a string: ${field.text}\n\nAs an object:\n\n` : "";
}

function processPage(definition: ProcessDefinition): string {
  const examples = definition.examples.map((example) => {
    const outcome = example.outcome === undefined ? "" : ` (${example.outcome})`;
    return `### ${example.title}

${json({ [definition.key]: example.config })}

makes of

${json(example.input)}

this${outcome}:

${json(example.output)}
`;
  });
  return `${MADE}# ${definition.key}\n\n${definition.summary}\n\n${table(definition.fields)}\n## Examples\n\n${examples.join("\n")}`;
}

function testsPage(): string {
  return `${MADE}# Test cases

A list: \`tests\` in the configuration, or \`NAME.tests.json\` beside \`NAME.json\`. A case runs a \`pipeline\` or a \`route\` on an
input, or sends a \`request\` through the routes; \`binge test --on envoy\` sends those through a real Envoy.

${table(CASE_FIELDS)}
## expect.upstream

${table(UPSTREAM_FIELDS)}`;
}

function systemsPage(): string {
  const rows = systems.map(
    ({ definition }) =>
      `| ${code(definition.grammar)} | ${definition.types.join(", ")} | ${cell(definition.summary)} |`,
  );
  const options = systems.flatMap(({ definition }) =>
    definition.options === undefined ? [] : [`## Options of ${definition.key}:\n\n${table(definition.options)}`],
  );
  return `${MADE}# Systems

| connection string | types | |
|---|---|---|
${rows.join("\n")}

What a connection string cannot hold stands beside it, under \`options\`. A secret is a reference, resolved at start.

${options.join("\n")}`;
}

function geneventsPage(): string {
  return `${MADE}# Schemas of made-up events

What \`binge genevents --schema FILE\` takes: the original's format. Fields are made in the order of the file; the same
schema and seed give the same bytes.

${table(SCHEMA_FIELDS)}
## value

${VALUE.doc}

${table(fieldsOf(VALUE))}
## Example

${json(SCHEMA_EXAMPLE)}
`;
}

function errorsPage(): string {
  const rows = Object.entries(DIAGNOSTIC_CODES).map(([name, meaning]) => `| ${code(name)} | ${cell(meaning)} |`);
  return `${MADE}# What the loader says\n\nA code that begins with W is a warning. Codes are stable, texts are not.\n\n| code | meaning |\n|---|---|\n${rows.join("\n")}\n`;
}

function table(fields: Fields): string {
  const rows = tableRows(fields, "");
  return `| field | type | |\n|---|---|---|\n${rows.join("\n")}\n`;
}

/** A row per field, inner fields below with their path. */
function tableRows(fields: Fields, prefix: string): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = prefix + name;
    const required = field.required === true ? " **required**" : "";
    const row = `| ${code(path)} | ${typeOf(field)}${required} | ${cell(field.doc)} |`;
    const inner = field.kind === "list" ? field.of : field;
    const suffix = field.kind === "list" ? "[]." : ".";
    return [row, ...tableRows(fieldsOf(inner), path + suffix)];
  });
}

function fieldsOf(field: Field): Fields {
  if (field.kind === "object") return field.fields;
  return field.kind === "oneOf" ? field.members : {};
}

function typeOf(field: Field): string {
  switch (field.kind) {
    case "list":
      return `list of ${typeOf(field.of)}`;
    case "map":
      return `object of ${typeOf(field.of)}`;
    case "oneOf":
      return "object with one of";
    case "named":
      return `[${field.name}](${Object.hasOwn(NAMED, field.name) ? "file.md" : ""}#${field.name})`;
    case "enum":
      return Object.keys(field.values).map(code).join(", ");
    case "word":
      return field.words.map(code).join(", ");
    case "json":
      return "object";
    case "any":
      return "any value";
    case "secret":
      return `${code("${env:NAME}")} or ${code("${file:/path}")}`;
    case "later":
      return "not there yet";
    default:
      return field.kind;
  }
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function json(value: unknown): string {
  return `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``;
}
