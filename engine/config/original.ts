/** `lint --original`: what the original agglo (Go) would refuse, or load and then fail on (agglo-behaviour 1 and 2). */

import type { Field } from "../core/definition.ts";
import { complain, type Diagnostic, type DocumentPath, newReport, type Report } from "../core/diagnostic.ts";
import { NAMED, ROOT } from "./grammar.ts";

type Json = { [key: string]: unknown };

/** `value` is the document as it was read. */
export function findOriginalRefusals(value: unknown): Diagnostic[] {
  const report = newReport();
  walk({ kind: "object", fields: ROOT, doc: "" }, value, [], report);
  if (isObject(value)) {
    if (typeof value.partitionUuid !== "string") refuse(report, [], "has no partitionUuid", "add a UUID");
    systems(value, report);
    order(value, report);
  }
  return report.diagnostics;
}

function refuse(report: Report, at: DocumentPath, why: string, remedy: string): void {
  complain(report, "E_ORIGINAL", at, `the original refuses this: it ${why}`, remedy);
}

/** Fields the original does not have, wherever they are, and expressions it cannot evaluate. */
function walk(field: Field, value: unknown, at: DocumentPath, report: Report): void {
  if (value === null || value === undefined) return;
  if (field.ours === true) {
    refuse(report, at, `does not know "${String(at.at(-1))}"`, "");
    return;
  }
  if (field.kind === "named") {
    const named = NAMED[field.name];
    if (field.name === "condition" && typeof value === "string")
      refuse(report, at, "does not know CEL", "write the condition as an object");
    else if (named !== undefined) walk(named, value, at, report);
    if (field.name === "expression") expression(value, at, report);
  } else if (field.kind === "list" && Array.isArray(value)) {
    for (const [i, element] of value.entries()) walk(field.of, element, [...at, i], report);
  } else if ((field.kind === "object" || field.kind === "oneOf") && isObject(value)) {
    const fields = field.kind === "object" ? field.fields : field.members;
    for (const [key, member] of Object.entries(value)) {
      const inner = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (inner !== undefined) walk(inner, member, [...at, key], report);
    }
  }
}

function expression(value: unknown, at: DocumentPath, report: Report): void {
  if (!isObject(value)) return;
  if (value.boolean !== undefined) refuse(report, at, "does not support boolean expressions (B2)", "");
  if (value.unary !== undefined) refuse(report, at, "fails on every event with a unary expression (B5)", "");
  const logical = value.logical;
  if (isObject(logical) && (logical.op === "LogicalOr" || logical.op === 18)) {
    refuse(report, [...at, "logical", "op"], "takes LogicalOr for LogicalAnd (B1)", "");
  }
}

function systems(value: Json, report: Report): void {
  for (const [i, system] of listOf(value, "externalSystems")) {
    const at = ["externalSystems", i, "connectionString"];
    const text = system.connectionString;
    if (text === "local") refuse(report, at, "wants a scheme and a colon", 'write "mem:local"');
    const isPubSub = system.externalType === "ExternalPubSub" || system.externalType === 3;
    if (isPubSub) refuse(report, at, "cannot open any pub/sub system (B29)", "");
  }
}

/** Definitions are built in the order of the file there, so a tee's transformer stands before it (B47). */
function order(value: Json, report: Report): void {
  const known = new Set<unknown>();
  for (const [i, definition] of listOf(value, "processDefinitions")) {
    const tee = definition.tee;
    const reference = isObject(tee) ? tee.transformerRef : undefined;
    if (typeof reference === "string" && reference !== "" && !known.has(reference)) {
      const at = ["processDefinitions", i, "tee", "transformerRef"];
      refuse(report, at, "wants the transformer defined before the tee (B47)", "move it up");
    }
    for (const config of Object.values(definition)) if (isObject(config)) known.add(config.name);
  }
}

function listOf(value: Json, key: string): [number, Json][] {
  const list = value[key];
  if (!Array.isArray(list)) return [];
  return [...list.entries()].filter((entry): entry is [number, Json] => isObject(entry[1]));
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
