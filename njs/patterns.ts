/**
 * Patterns in nginx: the engine's own regular expressions, written by `binge nginx` (nginx/patterns.ts) in the part of
 * the syntax that means the same to PCRE and RE2, each with the length of text up to which its worst is bearable. A longer
 * text is an exception, and so is what PCRE gives up on: neither is "no match". The handler makes it the fault `error`.
 */
import type { Pattern } from "../engine/core/ports.ts";

export type NjsPattern = {
  test: RegExp;
  /** the whole pattern as a group of its own, for split; undefined: nothing is replaced by it */
  split: RegExp | undefined;
  /** how many groups the pattern itself has */
  groups: number;
  /** in characters */
  textMax: number;
  /** by the template's text: literal text, or the numbers of the groups of which the first that took part is meant */
  templates: { [template: string]: readonly (string | readonly number[])[] };
};

export function linkPatterns(patterns: readonly NjsPattern[]): Pattern[] {
  const linked: Pattern[] = [];
  for (let i = 0; i < patterns.length; i++) linked.push(linkPattern(patterns[i] as NjsPattern));
  return linked;
}

function linkPattern(pattern: NjsPattern): Pattern {
  return {
    test: (text) => pattern.test.test(checkedText(text, pattern)),
    replaceAll: (text, template) => replaceAll(pattern, text, template),
  };
}

function checkedText(text: string, pattern: NjsPattern): string {
  // biome-ignore lint/plugin: the one way out of a port; the handler makes it a fault
  if (text.length > pattern.textMax) throw new Error(`a text of more than ${pattern.textMax} characters for a pattern`);
  return text;
}

// By split: exec and replace with the flag g hang njs 0.7.9 on some texts (docs/adr/0008).
function replaceAll(pattern: NjsPattern, text: string, template: string): string {
  const pieces = checkedText(text, pattern).split(pattern.split as RegExp);
  const parts = pattern.templates[template] as NjsPattern["templates"][string];
  const step = pattern.groups + 2;
  const out: string[] = [];
  for (let i = 0; i < pieces.length; i += step) {
    out.push(pieces[i] as string);
    if (i + 1 < pieces.length) out.push(expand(parts, pieces, i + 1));
  }
  return out.join("");
}

/** `at`: where the match stands among the pieces, its groups behind it. */
function expand(parts: NjsPattern["templates"][string], pieces: readonly string[], at: number): string {
  let text = "";
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string | readonly number[];
    text += typeof part === "string" ? part : firstGroup(part, pieces, at);
  }
  return text;
}

function firstGroup(numbers: readonly number[], pieces: readonly (string | undefined)[], at: number): string {
  for (let i = 0; i < numbers.length; i++) {
    const group = pieces[at + (numbers[i] as number)];
    if (group !== undefined) return group;
  }
  return "";
}
