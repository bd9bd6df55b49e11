/**
 * `lint --original`: where the original agglo (Go) would refuse the file, load it and then fail, or take it for something
 * else (agglo-behaviour 1 to 3). References that lead nowhere are refused by both and not repeated here.
 */

import type { Field } from "../core/definition.ts";
import { type Diagnostic, type DocumentPath, newReport, type Report } from "../core/diagnostic.ts";
import { isObject, type JsonObject, type JsonValue } from "../core/event/json.ts";
import type { Document } from "./document.ts";
import { NAMED, ROOT } from "./grammar.ts";
import { findConditionRefusals, isSet, refuse, winner } from "./original-condition.ts";

export function findOriginalRefusals(document: Document): Diagnostic[] {
  const report = newReport();
  const root = document.value;
  walk({ kind: "object", fields: ROOT, doc: "" }, root, [], { document, report });
  if (isObject(root)) {
    partition(root, report);
    for (const [i, system] of listOf(root, "externalSystems")) systemRefusals(system, ["externalSystems", i], report);
    definitions(root, report);
  }
  return report.diagnostics;
}

type Reading = { document: Document; report: Report };

/** Fields that the original does not have, and numbers that it does not read, wherever they are. */
function walk(field: Field, value: JsonValue | undefined, at: DocumentPath, reading: Reading): void {
  if (value === null || value === undefined) return;
  if (field.ours === true) {
    refuse(reading.report, at, `does not know "${String(at.at(-1))}"`, "");
  } else if (field.kind === "named") {
    const named = NAMED[field.name];
    if (named !== undefined) walk(named, value, at, reading);
  } else if (field.kind === "list" && Array.isArray(value)) {
    for (const [i, element] of value.entries()) walk(field.of, element, [...at, i], reading);
  } else if ((field.kind === "object" || field.kind === "oneOf") && isObject(value)) {
    const fields = field.kind === "object" ? field.fields : field.members;
    for (const [key, member] of Object.entries(value)) {
      const path = [...at, key];
      if (!Object.hasOwn(fields, key)) refuse(reading.report, path, `does not know "${key.slice(0, 40)}"`, "");
      else walk(fields[key] as Field, member, path, reading);
    }
  } else if (field.kind === "integer" && typeof value === "number" && !/^-?\d+$/.test(textAt(at, reading.document))) {
    refuse(reading.report, at, "wants a whole number without a point or an exponent", `write ${value}`);
  }
}

/** A number as it is written: 2.0 and 2 are one value and two texts. */
function textAt(at: DocumentPath, document: Document): string {
  const { line, column, length } = document.locate(at, false);
  const characters = Array.from(document.text.split(/\r\n|\n|\r/)[line - 1] ?? ""); // columns are characters
  return characters.slice(column - 1, column - 1 + length).join("");
}

const HEX = "[0-9a-f]";
const CANONICAL = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`;
const ITS_UUID = new RegExp(`^(?:(?:urn:uuid:)?${CANONICAL}|\\{${CANONICAL}\\}|${HEX}{32})$`, "i");

function partition(root: JsonObject, report: Report): void {
  const text = root.partitionUuid;
  if (typeof text !== "string") refuse(report, [], "wants a partitionUuid", "add a UUID");
  else if (!ITS_UUID.test(text)) refuse(report, ["partitionUuid"], "takes this for no UUID", "");
}

/** What it opens, by type; types without an entry take any connection string. */
const ITS_SCHEMES: { readonly [type: string]: readonly string[] } = {
  ExternalKVStore: ["mem", "dynamo"],
  ExternalObjectStore: ["mem", "s3"],
  ExternalSearchIndex: ["elastic"],
};
const TYPE_NAMES = ["", "ExternalKVStore", "ExternalObjectStore", "ExternalPubSub", "", "", "ExternalSearchIndex"];

function systemRefusals(system: JsonObject, path: DocumentPath, report: Report): void {
  const { externalType, connectionString } = system;
  const type = typeof externalType === "number" ? TYPE_NAMES[externalType] : externalType;
  const at = [...path, "connectionString"];
  if (type === "ExternalPubSub") {
    refuse(report, at, "cannot open any pub/sub system (B29)", "");
    return;
  }
  const schemes = typeof type === "string" && Object.hasOwn(ITS_SCHEMES, type) ? ITS_SCHEMES[type] : undefined;
  if (schemes === undefined || typeof connectionString !== "string") return;
  const colon = connectionString.indexOf(":");
  const scheme = connectionString.slice(0, Math.max(colon, 0));
  if (connectionString === "local") refuse(report, at, "wants a scheme and a colon", 'write "mem:local"');
  else if (colon === -1) refuse(report, at, "wants a scheme and a colon", "");
  else if (!schemes.includes(scheme)) refuse(report, at, `opens no "${scheme.slice(0, 40)}:" for ${type}`, "");
}

/** Of several the original takes the last in this order, that of its message. */
const ITS_PROCESSES = [
  "annotator",
  "aggregator",
  "completer",
  "filter",
  "spawner",
  "tee",
  "transformer",
  "continuation",
  "entwine",
];

/** Definitions are built in the order of the file there, so a tee's transformer stands before it (B47). */
function definitions(root: JsonObject, report: Report): void {
  const known = new Set<string>();
  for (const [i, definition] of listOf(root, "processDefinitions")) {
    const key = winner(definition, ITS_PROCESSES);
    const config = key === undefined ? undefined : definition[key];
    if (key === undefined || !isObject(config)) continue;
    const at = ["processDefinitions", i, key];
    const name = typeof config.name === "string" ? config.name : "";
    if (known.has(name)) refuse(report, [...at, "name"], "refuses two definitions of one name", "rename one");
    definitionRefusals(key, config, at, report);
    const reference = config.transformerRef;
    if (key === "tee" && typeof reference === "string" && reference !== "" && !known.has(reference)) {
      refuse(report, [...at, "transformerRef"], "wants the transformer defined before the tee (B47)", "move it up");
    }
    known.add(name);
  }
}

function definitionRefusals(key: string, config: JsonObject, at: DocumentPath, report: Report): void {
  // The annotator's and the transformer's stand deeper, with the flat view.
  if (key !== "filter" && key !== "completer") {
    findConditionRefusals(config.condition, [...at, "condition"], false, report);
  }
  if (key === "annotator") annotator(config, at, report);
  if (key === "aggregator") aggregator(config, at, report);
  if (key === "completer") completer(config, at, report);
  if (key === "transformer") transformer(config, at, report);
  if (key !== "spawner") return;
  const runnable = isObject(config.job) ? config.job.runnable : undefined;
  if (!isObject(runnable)) refuse(report, at, "crashes where a spawner has no job.runnable", "");
}

function annotator(config: JsonObject, at: DocumentPath, report: Report): void {
  for (const [i, annotation] of listOf(config, "annotations")) {
    findConditionRefusals(annotation.condition, [...at, "annotations", i, "condition"], true, report);
  }
}

function aggregator(config: JsonObject, at: DocumentPath, report: Report): void {
  const aggregation = config.aggregation;
  if (!isObject(aggregation)) {
    refuse(report, at, "crashes where an aggregator has no aggregation", "");
    return;
  }
  const path = [...at, "aggregation"];
  const type = aggregation.aggregationType;
  if (!isSet(type) || type === "AggUnknown") refuse(report, path, "fails on every event without aggregationType", "");
  const groups = Array.isArray(aggregation.groupByKeys) ? aggregation.groupByKeys : [];
  for (const [i, group] of groups.entries()) {
    if (typeof group !== "string" || !group.includes(".")) continue;
    refuse(report, [...path, "groupByKeys", i], 'looks for groups at the top only: this is always "nil" (B12)', "");
  }
}

function completer(config: JsonObject, at: DocumentPath, report: Report): void {
  if (!isObject(config.completion)) refuse(report, at, "crashes where a completer has no completion", "");
  const condition = config.condition;
  const asks = typeof condition === "string" || (isObject(condition) && Object.keys(condition).length > 0);
  if (asks) refuse(report, [...at, "condition"], "does not look at a completer's condition (B16)", "");
}

const FOLDS: readonly (JsonValue | undefined)[] = ["TransformLeftFold", "TransformRightFold", 7, 8];

function transformer(config: JsonObject, at: DocumentPath, report: Report): void {
  for (const [i, spec] of listOf(config, "specs")) {
    const path = [...at, "specs", i];
    const { transformation } = spec;
    if (!isObject(transformation)) {
      refuse(report, path, "crashes where a spec has no transformation", "");
      continue;
    }
    findConditionRefusals(transformation.condition, [...path, "transformation", "condition"], true, report);
    if (!FOLDS.includes(transformation.transformationType)) continue;
    refuse(report, [...path, "transformation", "transformationType"], "runs a fold as TransformMap (B20)", "");
  }
}

function listOf(value: JsonObject, key: string): [number, JsonObject][] {
  const list = value[key];
  if (!Array.isArray(list)) return [];
  return [...list.entries()].filter((entry): entry is [number, JsonObject] => isObject(entry[1]));
}
