/**
 * The Regexps port over re2js (MIT): RE2 semantics, time linear in the text. Replacement templates are Go's
 * (regexp.Expand), because the files of the original are written for them: `$1x` is the group called "1x", not group 1.
 */
import { type Matcher, RE2JS } from "re2js";
import type { Pattern, Regexps } from "../core/ports.ts";

const ERROR_CHARS_MAX = 120;

export function re2Regexps(): Regexps {
  return { compile };
}

/** What a compiled text is: the program, and the name of each group by its number ("" for one without). */
type Compiled = { program: RE2JS; groupNames: readonly string[] };

function compile(pattern: string): Pattern | { error: string } {
  const compiled = compileText(pattern);
  return "error" in compiled ? compiled : newPattern(compiled);
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

function newPattern(compiled: Compiled): Pattern {
  const { program, groupNames } = compiled;
  // Templates stand in the configuration, so there are few, mostly one.
  const templates = new Map<string, Template>();
  return {
    test: (text) => program.test(text),
    replaceAll(text, template) {
      let parsed = templates.get(template);
      if (parsed === undefined) {
        parsed = parseTemplate(template, groupNames);
        templates.set(template, parsed);
      }
      return replaceAll(program, text, parsed);
    },
  };
}

/** Replaces every match, but no empty match directly after a match (Go's regexp.ReplaceAllString). */
function replaceAll(program: RE2JS, text: string, template: Template): string {
  const matcher = program.matcher(text);
  let result = "";
  let last = 0;
  let found = false;
  while (matcher.find()) {
    found = true;
    const start = matcher.start(0);
    const end = matcher.end(0);
    result += text.slice(last, start);
    if (end > last || start === 0) result += expand(template, matcher);
    last = end;
  }
  return found ? result + text.slice(last) : text;
}

/** Literal text, or the numbers of the groups of which the first that took part is meant. */
type Template = readonly (string | readonly number[])[];

function expand(template: Template, matcher: Matcher): string {
  let result = "";
  for (const part of template) result += typeof part === "string" ? part : firstGroup(part, matcher);
  return result;
}

function firstGroup(numbers: readonly number[], matcher: Matcher): string {
  for (const number of numbers) {
    const group = matcher.group(number);
    if (group !== null) return group;
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

/** A number without a leading zero is a group's number; everything else is a name. */
const GROUP_NUMBER = /^(?:0|[1-9][0-9]*)$/;

function groupsCalled(name: string, groupNames: readonly string[]): number[] {
  if (GROUP_NUMBER.test(name)) return Number(name) < groupNames.length ? [Number(name)] : [];
  return groupNames.flatMap((groupName, number) => (groupName === name ? [number] : []));
}
