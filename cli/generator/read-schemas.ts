/** Checks a schema of `binge genevents`: its fields, and what they say of each other. */
import { type CheckContext, checkFields } from "../../engine/config/check.ts";
import type { Document } from "../../engine/config/document.ts";
import { suggest } from "../../engine/config/suggest.ts";
import { complain, type DocumentPath, hasErrors, newReport, type Report } from "../../engine/core/diagnostic.ts";
import {
  referencesIn,
  SCHEMA_FIELDS,
  type Schemas,
  type StringRules,
  VALUE,
  VALUE_MEMBERS,
  type Value,
  type Values,
} from "./schema.ts";

/** The schemas of a document, or the report that says what is wrong with them. */
export function readSchemas({ value: document, diagnostics }: Document): { schemas?: Schemas; report: Report } {
  const report = newReport();
  report.diagnostics.push(...diagnostics);
  const context: CheckContext = { report, named: { value: VALUE } };
  const checked = document === undefined ? undefined : checkFields(SCHEMA_FIELDS, document, [], context);
  if (checked === undefined || hasErrors(report)) return { report };
  const schemas = checked as unknown as Schemas; // what SCHEMA_FIELDS describes
  checkNames(schemas, report);
  checkDistribution(schemas, report);
  for (const [i, { root }] of schemas.schemas.entries()) {
    checkValues(root.kvs, ["schemas", i, "root", "kvs"], schemas, report);
  }
  if (!hasErrors(report)) checkCycles(schemas, report);
  return hasErrors(report) ? { report } : { schemas, report };
}

function checkNames({ schemas }: Schemas, report: Report): void {
  if (schemas.length === 0) complain(report, "E_VALUE", ["schemas"], "expected at least one schema, found none", "");
  for (const [i, { name }] of schemas.entries()) {
    if (schemas.findIndex((other) => other.name === name) === i) continue;
    complain(
      report,
      "E_DUPLICATE_NAME",
      ["schemas", i, "name"],
      `another schema is called "${name}" too`,
      "rename one",
    );
  }
}

/** Decimal fractions do not add up to 1 exactly. */
const SUM_SLACK = 1e-6;

function checkDistribution({ schemas, schemaDistribution: shares }: Schemas, report: Report): void {
  if (shares === undefined) return;
  const at = ["schemaDistribution"];
  if (shares.length !== schemas.length) {
    const message = `expected a share for each of ${schemas.length} schemas, found ${shares.length}`;
    complain(report, "E_VALUE", at, message, "");
    return;
  }
  const sum = shares.reduce((all, one) => all + one, 0);
  if (shares.some((one) => one < 0))
    complain(report, "E_VALUE", at, "expected shares from 0 to 1, found one below", "");
  else if (Math.abs(sum - 1) > SUM_SLACK)
    complain(report, "E_VALUE", at, `expected shares that add up to 1, found ${sum}`, "");
}

function checkValues(kvs: Values, at: DocumentPath, schemas: Schemas, report: Report): void {
  for (const [name, one] of Object.entries(kvs)) checkValue(one, [...at, name], schemas, report);
}

function checkValue(one: Value, at: DocumentPath, schemas: Schemas, report: Report): void {
  const [kind] = Object.keys(one);
  if (kind === undefined) {
    const known = Object.keys(VALUE_MEMBERS).join(", ");
    complain(report, "E_ONE_OF", at, `expected one of ${known}, found nothing`, "");
    return;
  }
  const inside = [...at, kind];
  const { randomString, vocabString, randomNumeric: numeric, list, reference } = one;
  const ordered = randomString ?? list;
  if (ordered !== undefined && (ordered.minLen ?? 0) > (ordered.maxLen ?? 0)) {
    complain(
      report,
      "E_VALUE",
      inside,
      `expected minLen up to maxLen (${ordered.maxLen ?? 0}), found ${ordered.minLen}`,
      "",
    );
  }
  if (numeric !== undefined && (numeric.min ?? 0) > (numeric.max ?? 0)) {
    complain(report, "E_VALUE", inside, `expected min up to max (${numeric.max ?? 0}), found ${numeric.min}`, "");
  }
  if (randomString?.alphabet === "")
    complain(report, "E_VALUE", [...inside, "alphabet"], "expected characters, found none", "");
  if (vocabString?.vocab.length === 0)
    complain(report, "E_VALUE", [...inside, "vocab"], "expected words, found none", "");
  if (one.numericSet?.values.length === 0)
    complain(report, "E_VALUE", [...inside, "values"], "expected numbers, found none", "");
  checkAffixes(randomString ?? vocabString ?? {}, inside, schemas, report);
  if (reference !== undefined) checkReference(reference, inside, schemas, report);
  if (one.dict !== undefined) checkValues(one.dict.kvs, [...inside, "kvs"], schemas, report);
  if (list !== undefined) checkValue(list.value, [...inside, "value"], schemas, report);
}

function checkAffixes(
  { prefixName, suffixName }: StringRules,
  at: DocumentPath,
  schemas: Schemas,
  report: Report,
): void {
  checkKnown(prefixName, Object.keys(schemas.stringPrefixes ?? {}), [...at, "prefixName"], "stringPrefixes", report);
  checkKnown(suffixName, Object.keys(schemas.stringSuffixes ?? {}), [...at, "suffixName"], "stringSuffixes", report);
}

function checkReference(
  { schemaName, path }: { schemaName: string; path: string },
  at: DocumentPath,
  { schemas }: Schemas,
  report: Report,
): void {
  const names = schemas.map((schema) => schema.name);
  checkKnown(schemaName, names, [...at, "schemaName"], "schemas", report);
  const parent = schemas.find((schema) => schema.name === schemaName);
  if (parent !== undefined)
    checkKnown(path, Object.keys(parent.root.kvs), [...at, "path"], `the root of ${schemaName}`, report);
}

function checkKnown(
  name: string | undefined,
  known: readonly string[],
  at: DocumentPath,
  where: string,
  report: Report,
): void {
  if (name === undefined || known.includes(name)) return;
  complain(report, "E_REFERENCE", at, `nothing in ${where} is called "${name}"`, suggest(name, known));
}

/** What a schema refers to has to be made before it, so nothing may lead back. */
function checkCycles({ schemas }: Schemas, report: Report): void {
  for (const [i, schema] of schemas.entries()) {
    const reached = new Set<string>();
    const waiting = [schema.name];
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const next = schemas.find((known) => known.name === name)?.root.kvs ?? {};
      for (const { schemaName } of referencesIn(next)) {
        if (!reached.has(schemaName)) waiting.push(schemaName);
        reached.add(schemaName);
      }
    }
    if (!reached.has(schema.name)) continue;
    const message = `events of "${schema.name}" need events of "${schema.name}" first`;
    complain(report, "E_REFERENCE", ["schemas", i], message, "take one reference out of the circle");
  }
}
