/**
 * Diagnostics as text for people, terminals and CI logs: one line each, so that `grep`, an editor's problem matcher and
 * a terminal's click on FILE:LINE:COLUMN all work.
 *
 * No source line is printed below: it may hold a secret that somebody wrote out, next to what is complained about, and a
 * one-line file would be printed whole. What was found stands in the message, which knows what it may quote.
 */
import type { Diagnostic, DocumentPath } from "../core/diagnostic.ts";
import type { Document } from "./document.ts";

const MAX_QUOTED_CHARACTERS = 80;

/** Line and column count from 1; column and length in characters, not in UTF-16 units. */
export type Place = { line: number; column: number; length: number };

export type PrintOptions = { color?: boolean };

/** All diagnostics by their place, then `2 errors, 1 warning`; "" when there is none. No line break at the end. */
export function printDiagnostics(
  diagnostics: readonly Diagnostic[],
  document: Pick<Document, "file" | "locate">,
  options: PrintOptions = {},
): string {
  if (diagnostics.length === 0) return "";
  const color = options.color === true;
  const placed = diagnostics.map((diagnostic) => ({ diagnostic, place: placeOf(diagnostic, document) }));
  placed.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  const lines = placed.map(({ diagnostic, place }) => line(diagnostic, document.file, place, color));
  return [...lines, summary(diagnostics)].join("\n");
}

/** Where a diagnostic points: a syntax error carries its place, any other is found by its path. */
export function placeOf(diagnostic: Diagnostic & { place?: Place }, document: Pick<Document, "locate">): Place {
  return diagnostic.place ?? document.locate(diagnostic.path, diagnostic.atKey);
}

function line(diagnostic: Diagnostic, file: string, place: Place, color: boolean): string {
  const paint = color ? painted : plain;
  const isWarning = diagnostic.severity === "warning";
  // Where a warning was an error by its code (unknown fields, leniently), the code alone would mislead.
  const code = isWarning && diagnostic.code.startsWith("E_") ? `${diagnostic.code} (warning)` : diagnostic.code;
  const where = paint(printable(`${file}:${place.line}:${place.column}`), BOLD);
  const path = jsonPath(diagnostic.path);
  const remedy = diagnostic.remedy === "" ? "" : `; ${diagnostic.remedy}`;
  const text = printable(`${path === "" ? "" : `${path}: `}${diagnostic.message}${remedy}`);
  return `${where} ${paint(code, isWarning ? YELLOW : RED)}  ${text}`;
}

const BOLD = "1";
const RED = "31";
const YELLOW = "33";

function painted(text: string, style: string): string {
  return `\u001b[${style}m${text}\u001b[0m`;
}

function plain(text: string): string {
  return text;
}

function summary(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === "error").length;
  const counts = [counted(errors, "error"), counted(diagnostics.length - errors, "warning")];
  return counts.filter((count) => count !== "").join(", ");
}

function counted(count: number, noun: string): string {
  if (count === 0) return "";
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

/** `processDefinitions[2].filter.regex`; keys that are no plain word as `["x.y"]`; "" for the root. */
export function jsonPath(path: DocumentPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[A-Za-z_$][\w$-]*$/.test(step)) text += `[${quote(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** A text in double quotes as JSON would write it, at most 80 characters, safe on a terminal. */
export function quote(text: string): string {
  const whole = text.length > MAX_QUOTED_CHARACTERS ? "" : printable(JSON.stringify(text));
  if (whole !== "" && whole.length <= MAX_QUOTED_CHARACTERS) return whole;
  const characters = Array.from(text.slice(0, MAX_QUOTED_CHARACTERS));
  let cut = "";
  do {
    characters.pop();
    cut = printable(JSON.stringify(`${characters.join("")}…`));
  } while (cut.length > MAX_QUOTED_CHARACTERS);
  return cut;
}

/** Escapes what a terminal obeys or does not show: control, format and private characters, spaces that are no space. */
function printable(text: string): string {
  return text.replace(/(?! )[\p{C}\p{Z}]/gu, escaped);
}

function escaped(character: string): string {
  const hex = (character.codePointAt(0) as number).toString(16);
  return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
}

/** The offset at which each line of a text begins. */
export function lineStarts(text: string): number[] {
  // No editor shows a byte order mark: the first line begins behind it.
  const starts = [text.startsWith("\ufeff") ? 1 : 0];
  for (const lineBreak of text.matchAll(/\r\n|\r|\n/g)) starts.push(lineBreak.index + lineBreak[0].length);
  return starts;
}

/** The line, from 1, in which an offset lies. */
export function lineAt(lines: readonly number[], offset: number): number {
  let low = 0;
  let high = lines.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((lines[middle] as number) <= offset) low = middle;
    else high = middle;
  }
  return low + 1;
}

/** The place of text[start, end), as far as its first line goes. */
export function placeIn(text: string, lines: readonly number[], start: number, end: number): Place {
  const line = lineAt(lines, start);
  const column = characters(text.slice(lines[line - 1], start)) + 1;
  const firstLine = /^[^\r\n]*/.exec(text.slice(start, end))?.[0] ?? "";
  return { line, column, length: characters(firstLine) };
}

function characters(text: string): number {
  return Array.from(text).length;
}
