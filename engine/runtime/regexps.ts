/**
 * The Regexps port over re2js (MIT): RE2 semantics, time linear in the text. Replacement templates are Go's
 * (regexp.Expand), because the files of the original are written for them: `$1x` is the group called "1x", not group 1.
 *
 * re2js says what a pattern means and which are taken. Where JavaScript's own engine is certain to agree it does the
 * work (fast-pattern.ts); replacing goes through a text in one pass either way (find-all.ts).
 */
import { RE2JS } from "re2js";
import type { Pattern, Regexps } from "../core/ports.ts";
import { type FastPattern, fastPattern } from "./fast-pattern.ts";
import { canFindAll, type Finder, findAll, newFinder, type Program } from "./find-all.ts";

const ERROR_CHARS_MAX = 120;

export function re2Regexps(): Regexps {
  return { compile };
}

/** What a compiled text is: the program, and the name of each group by its number ("" for one without). */
type Compiled = { program: RE2JS; groupNames: readonly string[] };

function compile(pattern: string): Pattern | { error: string } {
  const compiled = compileText(pattern);
  return "error" in compiled ? compiled : newPattern(compiled, fastPattern(pattern));
}

// The one place where re2js throws: a pattern it does not take. Whatever it throws, the pattern is refused.
function compileText(pattern: string): Compiled | { error: string } {
  try {
    const program = RE2JS.compile(pattern);
    return { program, groupNames: namesByNumber(program) };
  } catch (thrown) {
    const reason = String((thrown as Error).message).replace(/^error parsing regexp: /, "");
    if (reason.startsWith("duplicate capture group name")) return compileRepeatedNames(pattern, reason);
    return { error: `is not valid: ${reason.slice(0, ERROR_CHARS_MAX)}` };
  }
}

function namesByNumber(program: RE2JS): string[] {
  const names = new Array<string>(program.groupCount() + 1).fill("");
  for (const [name, number] of Object.entries(program.namedGroups())) names[number] = name;
  return names;
}

/**
 * Go takes a name for several groups and expands it to the first that took part; re2js refuses it. So the names are
 * taken out of the pattern and kept beside it.
 */
function compileRepeatedNames(pattern: string, reason: string): Compiled | { error: string } {
  const { text, groupNames } = takeNames(pattern);
  if (text === pattern) return { error: `is not valid: ${reason}` };
  const nameless = compileText(text);
  if ("error" in nameless) return nameless;
  // A text that takeNames misread would match something else: rather refuse it.
  if (nameless.groupNames.length !== groupNames.length) return { error: `is not valid: ${reason}` };
  return { program: nameless.program, groupNames };
}

/** One token where a parenthesis is no group (quoted text, an escape, a class), or the beginning of a group. */
const TOKEN = /\\Q[\s\S]*?(?:\\E|$)|\\[\s\S]|\[\^?\]?(?:\[:\^?\w+:\]|\\[\s\S]|[^\]\\])*\]|\(\?P?<(\w+)>|\((?!\?)/g;

function takeNames(pattern: string): { text: string; groupNames: string[] } {
  const groupNames = [""];
  const text = pattern.replace(TOKEN, (token: string, name: string | undefined) => {
    if (!token.startsWith("(")) return token;
    groupNames.push(name ?? "");
    return "(";
  });
  return { text, groupNames };
}

function newPattern(compiled: Compiled, fast: FastPattern | undefined): Pattern {
  const { program, groupNames } = compiled;
  const fastMax = fast === undefined ? -1 : fast.textMax;
  // Templates stand in the configuration, so there are few, mostly one.
  const templates = new Map<string, Template>();
  let finder: Finder | undefined;
  return {
    test: (text) => (fast !== undefined && text.length <= fastMax ? fast.test.test(text) : program.test(text)),
    replaceAll(text, template) {
      let parsed = templates.get(template);
      if (parsed === undefined) {
        parsed = parseTemplate(template, groupNames);
        templates.set(template, parsed);
      }
      if (fast !== undefined && text.length <= fastMax) return replaceFast(fast.find, text, parsed);
      if (!program.test(text)) return text; // an automaton in most cases, and the commonest answer
      finder ??= newFinder(program.re2().prog as Program, program.re2().prefix as string); // re2js types neither
      return canFindAll(finder, text) ? replaceFound(finder, text, parsed) : replaceSearched(program, text, parsed);
    },
  };
}

/** Text in the making, each match replaced; but no empty match directly after a match (Go's regexp.ReplaceAllString). */
type Replacing = {
  text: string;
  template: Template;
  result: string /** end of the last match; -1: none yet */;
  last: number;
};

function replaceMatch(replacing: Replacing, start: number, end: number, groups: Groups): void {
  const last = Math.max(replacing.last, 0);
  replacing.result += replacing.text.slice(last, start);
  if (end > last || start === 0) replacing.result += expand(replacing.template, groups);
  replacing.last = end;
}

function replaced(replacing: Replacing): string {
  return replacing.last === -1 ? replacing.text : replacing.result + replacing.text.slice(replacing.last);
}

function replaceFast(find: RegExp, text: string, template: Template): string {
  const replacing: Replacing = { text, template, result: "", last: -1 };
  find.lastIndex = 0;
  for (let match = find.exec(text); match !== null; match = find.exec(text)) {
    const end = find.lastIndex;
    replaceMatch(replacing, match.index, end, match);
    // The engine would find an empty match for ever.
    if (end === match.index) find.lastIndex += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return replaced(replacing);
}

function replaceFound(finder: Finder, text: string, template: Template): string {
  const replacing: Replacing = { text, template, result: "", last: -1 };
  const isLiteral = template.every((part) => typeof part === "string");
  findAll(finder, text, (caps) => {
    const groups = isLiteral ? [] : groupsAt(text, caps);
    replaceMatch(replacing, caps[0] as number, caps[1] as number, groups);
  });
  return replaced(replacing);
}

function groupsAt(text: string, caps: Int32Array): Groups {
  const groups: (string | undefined)[] = [];
  for (let i = 0; i < caps.length; i += 2) {
    const end = caps[i + 1] as number;
    groups.push(end === -1 ? undefined : text.slice(caps[i], end));
  }
  return groups;
}

/** re2js's own search, match by match: for texts and patterns too large to remember anything of. */
function replaceSearched(program: RE2JS, text: string, template: Template): string {
  const replacing: Replacing = { text, template, result: "", last: -1 };
  const matcher = program.matcher(text);
  while (matcher.find()) {
    const groups: (string | undefined)[] = [];
    for (let i = 0; i <= matcher.groupCount(); i++) groups.push(matcher.group(i) ?? undefined);
    replaceMatch(replacing, matcher.start(0), matcher.end(0), groups);
  }
  return replaced(replacing);
}

/** The text of each group by its number, undefined where it took no part. */
type Groups = readonly (string | undefined)[];

/** Literal text, or the numbers of the groups of which the first that took part is meant. */
type Template = readonly (string | readonly number[])[];

function expand(template: Template, groups: Groups): string {
  let result = "";
  for (const part of template) result += typeof part === "string" ? part : firstGroup(part, groups);
  return result;
}

function firstGroup(numbers: readonly number[], groups: Groups): string {
  for (const number of numbers) {
    const group = groups[number];
    if (group !== undefined) return group;
  }
  return "";
}

/** What may follow `$`: another `$`, `{name}` or the longest name. Anything else leaves the `$` as it stands. */
const REFERENCE = /\$(?:(\$)|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu;

function parseTemplate(template: string, groupNames: readonly string[]): Template {
  const parts: (string | readonly number[])[] = [];
  let last = 0;
  for (const match of template.matchAll(REFERENCE)) {
    parts.push(template.slice(last, match.index));
    const name = match[2] ?? match[3];
    parts.push(name === undefined ? "$" : groupsCalled(name, groupNames));
    last = match.index + match[0].length;
  }
  parts.push(template.slice(last));
  return parts.filter((part) => part !== "");
}

/** A template's parts under a pattern that compiles, and how many groups that has: for engines other than these. */
export function readTemplate(pattern: string, template: string): { parts: Template; groups: number } {
  const compiled = compileText(pattern);
  if ("error" in compiled) return { parts: [], groups: 0 };
  return { parts: parseTemplate(template, compiled.groupNames), groups: compiled.groupNames.length - 1 };
}

/** A number without a leading zero is a group's number; everything else is a name. */
const GROUP_NUMBER = /^(?:0|[1-9][0-9]*)$/;

function groupsCalled(name: string, groupNames: readonly string[]): number[] {
  if (GROUP_NUMBER.test(name)) return Number(name) < groupNames.length ? [Number(name)] : [];
  return groupNames.flatMap((groupName, number) => (groupName === name ? [number] : []));
}
