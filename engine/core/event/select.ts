/**
 * Selecting paths: `items[*].card`, `**.email`, `a["x.y"].b`, `list[0]`. Grammar:
 *
 *   path    = segment { "." segment | bracket }
 *   segment = name | "*" | "**"           name: any characters but . [ ]
 *   bracket = "[*]" | "[" digits "]" | '["' any key '"]'
 *
 * `*` selects every member of an object and every element of an array, `[*]` every element, `**` goes down any number
 * of levels. A run of plain names also matches keys that hold the dots, as a plain path does; unlike a lookup, which
 * ends at the first, a selection takes every way there is: what one reader sees another must not leak.
 */

import type { JsonArray, JsonObject, JsonValue } from "./json.ts";
import { copyObject, copyWithout, getOwn, isArray, isContainer, isObject, newObject, setOwn } from "./json.ts";
import { arrayIndex } from "./path.ts";

/** What one segment selects; a name carries its text. */
export const Select = { name: 0, member: 1, element: 2, deep: 3 } as const;

export type SelectingPath = {
  text: string;
  kinds: number[];
  names: string[];
};

export type ParsedSelection = { path: SelectingPath; error: string };

const SEGMENT = /^(?:\["((?:[^"\\]|\\["\\])*)"\]|\[(\*|\d+)\]|([^.[\]]+))/;

/** Parses a selecting path; `error` is "" or says what is wrong and where. */
export function parseSelection(text: string): ParsedSelection {
  const path: SelectingPath = { text, kinds: [], names: [] };
  let pos = 0;
  while (pos < text.length) {
    const match = SEGMENT.exec(text.slice(pos));
    if (match === null)
      return { path, error: `cannot read "${text.slice(pos)}"; write names, [*], [0], ["key"] or **` };
    const quoted = match[1];
    const name = match[2] ?? match[3];
    if (quoted !== undefined) pushSegment(path, Select.name, unescapeKey(quoted));
    else if (match[2] === "*") pushSegment(path, Select.element, "");
    else if (name === "*") pushSegment(path, Select.member, "");
    else if (name === "**") pushSegment(path, Select.deep, "");
    else pushSegment(path, Select.name, name as string);
    pos += match[0].length;
    const next = text.charAt(pos);
    if (next === "." && pos + 1 < text.length) pos++;
    else if (next !== "" && next !== "[") return { path, error: `a "." or "[" must follow "${text.slice(0, pos)}"` };
  }
  if (path.kinds.length === 0) return { path, error: "the path is empty" };
  if (path.kinds[path.kinds.length - 1] === Select.deep)
    return { path, error: 'a path cannot end with "**": say which field' };
  return { path, error: "" };
}

/** SEGMENT lets a backslash stand only before a quote or another one. */
function unescapeKey(quoted: string): string {
  const parts = quoted.split("\\\\");
  for (let i = 0; i < parts.length; i++) parts[i] = (parts[i] as string).split("\\").join("");
  return parts.join("\\");
}

function pushSegment(path: SelectingPath, kind: number, name: string): void {
  path.kinds.push(kind);
  path.names.push(name);
}

export type Visitor = {
  /** called for each selected value; returns the value itself to leave it, undefined to take it away */
  visit: (visitor: Visitor, value: JsonValue) => JsonValue | undefined;
  /** selected so far, counted by rewrite */
  matches: number;
  /** past this many nothing more is visited and `matches` is over it: the caller makes it a fault */
  matchesMax: number;
};

/** `root` with every selected value replaced by what the visitor makes of it; the same object when nothing changed. */
export function rewrite(root: JsonObject, path: SelectingPath, visitor: Visitor): JsonObject {
  return rewriteAt(root, path, 0, visitor) as JsonObject;
}

function rewriteAt(value: JsonValue, path: SelectingPath, at: number, visitor: Visitor): JsonValue | undefined {
  if (at === path.kinds.length) {
    visitor.matches++;
    return visitor.matches > visitor.matchesMax ? value : visitor.visit(visitor, value);
  }
  if (!isContainer(value)) return value;
  const kind = path.kinds[at] as number;
  if (kind === Select.deep) {
    // This level first, then the same "**" below: a value is visited once however many ways lead to it.
    const here = rewriteAt(value, path, at + 1, visitor);
    return here === undefined ? here : rewriteChildren(here, path, at, visitor);
  }
  if (kind === Select.element) return isArray(value) ? rewriteChildren(value, path, at + 1, visitor) : value;
  if (kind === Select.member) return rewriteChildren(value, path, at + 1, visitor);
  if (isArray(value)) {
    const index = arrayIndex(path.names[at] as string);
    if (index === -1 || index >= value.length) return value;
    return replaceElement(value, index, rewriteAt(value[index] as JsonValue, path, at + 1, visitor));
  }
  return rewriteNamed(value, path, at, visitor);
}

function rewriteNamed(value: JsonObject, path: SelectingPath, at: number, visitor: Visitor): JsonObject {
  let object = value;
  let key = "";
  for (let next = at; next < path.kinds.length && path.kinds[next] === Select.name; next++) {
    key = next === at ? (path.names[at] as string) : `${key}.${path.names[next] as string}`;
    const child = getOwn(object, key);
    if (child === undefined) continue;
    object = replaceMember(object, key, rewriteAt(child, path, next + 1, visitor));
  }
  return object;
}

function rewriteChildren(value: JsonValue, path: SelectingPath, at: number, visitor: Visitor): JsonValue {
  if (isArray(value)) return rewriteElements(value, path, at, visitor);
  return isObject(value) ? rewriteMembers(value, path, at, visitor) : value;
}

// Copied once, at the first change: an array of which every element changes stays linear.
function rewriteElements(value: JsonArray, path: SelectingPath, at: number, visitor: Visitor): JsonArray {
  let copy: JsonArray | undefined;
  const length = value.length; // read once, and hasOwn written out: nginx's engine is slow at both
  const lastName =
    at === path.kinds.length - 1 && path.kinds[at] === Select.name ? (path.names[at] as string) : undefined;
  for (let i = 0; i < length; i++) {
    const element = value[i] as JsonValue;
    // Most elements lack the member: an object its key, an array its index.
    const lacks = lastName !== undefined && isContainer(element) && (element as JsonObject)[lastName] === undefined;
    const replaced = lacks ? element : rewriteAt(element, path, at, visitor);
    if (copy === undefined && replaced !== element) copy = value.slice(0, i);
    if (copy !== undefined && replaced !== undefined) copy.push(replaced);
  }
  return copy ?? value;
}

function rewriteMembers(value: JsonObject, path: SelectingPath, at: number, visitor: Visitor): JsonObject {
  let copy: JsonObject | undefined;
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    const member = value[key] as JsonValue;
    const replaced = rewriteAt(member, path, at, visitor);
    if (copy === undefined && replaced !== member) {
      copy = newObject();
      for (let j = 0; j < i; j++) setOwn(copy, keys[j] as string, value[keys[j] as string] as JsonValue);
    }
    if (copy !== undefined && replaced !== undefined) setOwn(copy, key, replaced);
  }
  return copy ?? value;
}

function replaceMember(object: JsonObject, key: string, value: JsonValue | undefined): JsonObject {
  if (value === undefined) return copyWithout(object, key);
  if (value === object[key]) return object;
  const copy = copyObject(object);
  setOwn(copy, key, value);
  return copy;
}

function replaceElement(array: JsonArray, index: number, value: JsonValue | undefined): JsonArray {
  if (value === array[index]) return array;
  const copy = array.slice();
  if (value === undefined) copy.splice(index, 1);
  else copy[index] = value;
  return copy;
}
