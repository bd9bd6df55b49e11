/**
 * A file's patterns for the regular expressions that njs hands to PCRE: the part of RE2's syntax that means the same to
 * both, once classes and anchors are spelled out. `.` `\s` `$` and `(?i)` differ in silence, so none of them is left.
 */

import { fastPattern } from "../engine/runtime/fast-pattern.ts";
import { complement, type Ranges } from "../engine/runtime/pattern-classes.ts";
import { type Node, readPattern } from "../engine/runtime/pattern-syntax.ts";

export type PcrePattern = {
  source: string;
  /** longer texts are not for it: its worst would hold up the worker */
  textMax: number;
  /** it can match without taking a character */
  nullable: boolean;
};

/** undefined: not certain to mean the same, or too dear at its worst. */
export function pcrePattern(pattern: string): PcrePattern | undefined {
  const node = readPattern(pattern);
  const fast = fastPattern(pattern);
  if (node === undefined || fast === undefined || !isWritable(node)) return undefined;
  return { source: sourceOf(node), textMax: fast.textMax, nullable: isNullable(node) };
}

const ASCII_MAX = 0x7f;
const CODE_POINT_MAX = 0x10ffff;

function isWritable(node: Node): boolean {
  if (node.kind === "class") return classSource(node.ranges) !== undefined;
  if (node.kind === "group" || node.kind === "repeat") return isWritable(node.node);
  return node.kind === "assertion" || node.nodes.every(isWritable);
}

function sourceOf(node: Node): string {
  switch (node.kind) {
    case "class":
      return classSource(node.ranges) ?? "(?!)"; // isWritable has asked
    case "assertion":
      return assertionSource(node.source);
    case "sequence":
      return node.nodes.map(sourceOf).join("");
    case "choice":
      return node.nodes.map(sourceOf).join("|");
    case "group":
      return `(${node.captures ? "" : "?:"}${sourceOf(node.node)})`;
    case "repeat": {
      const count = node.max === Number.POSITIVE_INFINITY ? `{${node.min},}` : `{${node.min},${node.max}}`;
      return sourceOf(node.node) + count + (node.greedy ? "" : "?");
    }
  }
}

// PCRE's $ also matches before a line feed at the end.
function assertionSource(source: string): string {
  return source.replaceAll("$", "(?![\\s\\S])");
}

/** undefined: a range outside ASCII, which only PCRE's UTF mode could read. */
function classSource(ranges: Ranges): string | undefined {
  if (ranges.length === 0) return "(?!)";
  if (ranges.at(-1) === CODE_POINT_MAX) {
    const others = complement(ranges);
    if (others.length === 0) return "[\\s\\S]";
    return (others.at(-1) as number) <= ASCII_MAX ? `[^${asciiSource(others)}]` : undefined;
  }
  const ascii = ranges.filter((code) => code <= ASCII_MAX);
  if (ascii.length % 2 === 1) return undefined;
  const parts = ascii.length === 0 ? [] : [`[${asciiSource(ascii)}]`];
  for (let i = ascii.length; i < ranges.length; i += 2) {
    if (ranges[i] !== ranges[i + 1]) return undefined;
    parts.push(String.fromCodePoint(ranges[i] as number));
  }
  return parts.length === 1 ? (parts[0] as string) : `(?:${parts.join("|")})`;
}

function asciiSource(ranges: Ranges): string {
  let source = "";
  for (let i = 0; i < ranges.length; i += 2) {
    source += charSource(ranges[i] as number);
    if (ranges[i] !== ranges[i + 1]) source += `-${charSource(ranges[i + 1] as number)}`;
  }
  return source;
}

function charSource(code: number): string {
  const char = String.fromCharCode(code);
  return /[A-Za-z0-9]/.test(char) ? char : `\\x${code.toString(16).padStart(2, "0")}`;
}

function isNullable(node: Node): boolean {
  switch (node.kind) {
    case "class":
      return false;
    case "assertion":
      return true;
    case "group":
      return isNullable(node.node);
    case "sequence":
      return node.nodes.every(isNullable);
    case "choice":
      return node.nodes.some(isNullable);
    case "repeat":
      return node.min === 0 || isNullable(node.node);
  }
}
