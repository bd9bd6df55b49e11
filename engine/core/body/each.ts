/**
 * `"each": "items[*]"`: events taken from inside one JSON document by a selecting path; the rest of it stays.
 *
 * What is not there (a member that is missing or null) is no event. What is there in another shape is `unparsable`: an
 * object where the path says `[*]`, a string among the elements. Whoever reads on may take it for what it stands for,
 * and the rules would not have seen it.
 */
import { isArray, isContainer, isObject, type JsonValue } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import { arrayIndex } from "../event/path.ts";
import { nextMember, openContainer, skipSpace } from "../event/scan.ts";
import { Select, type SelectingPath } from "../event/select.ts";
import { addParsed, type Body, failBody, NO_REST, newBody } from "./body.ts";

/** "" or why a path cannot say where the events are. */
export function eachError(path: SelectingPath): string {
  // "**" selects objects inside objects that it selects: the same text would be two events.
  return path.kinds.indexOf(Select.deep) === -1 ? "" : 'cannot hold "**": say level by level where the events are';
}

export function readEach(text: string, depthMax: number, path: SelectingPath): Body {
  const body = newBody(true);
  const parsed = parseText(text, 0, text.length, depthMax);
  if (parsed.fault !== undefined) return failBody(body, parsed.fault, parsed.detail);
  take(body, text, path, 0, parsed.value, skipSpace(text, 0), text.length);
  return body;
}

/** Takes the events that segment `at` and those behind it select in `value`, which stands in text[start, end). */
function take(
  body: Body,
  text: string,
  path: SelectingPath,
  at: number,
  value: JsonValue,
  start: number,
  end: number,
): void {
  if (!fits(path, at, value)) {
    failBody(body, "unparsable", `what stands at "${path.text}" has another shape`);
    return;
  }
  const cursor = openContainer(text, start, end);
  for (let i = 0; nextMember(cursor); i++) {
    // fits() has said that it is one of the two; the key is one that was parsed
    const child = (isArray(value) ? value[i] : (value as { [key: string]: JsonValue })[cursor.key]) as JsonValue;
    const next = isArray(value) ? behindElement(path, at, i) : behindMember(path, at, cursor.key);
    if (next === -1 || (child === null && path.kinds[next - 1] === Select.name)) continue;
    if (next < path.kinds.length) {
      take(body, text, path, next, child, cursor.valueStart, cursor.valueEnd);
    } else if (isObject(child)) {
      const place = { start: cursor.valueStart, end: cursor.valueEnd, from: cursor.from, to: cursor.to, rest: NO_REST };
      addParsed(body, text, child, place);
    } else {
      failBody(body, "unparsable", `what "${path.text}" selects is no object`);
    }
    if (body.fault !== undefined) return;
  }
}

/** Whether segment `at` can select in a value at all. */
function fits(path: SelectingPath, at: number, value: JsonValue): boolean {
  if (!isContainer(value)) return false;
  const kind = path.kinds[at];
  if (kind === Select.member) return true;
  if (kind === Select.element) return isArray(value);
  return isObject(value) || arrayIndex(path.names[at] as string) !== -1;
}

/** The segment behind those that select element `index`; -1: none does. */
function behindElement(path: SelectingPath, at: number, index: number): number {
  return path.kinds[at] !== Select.name || arrayIndex(path.names[at] as string) === index ? at + 1 : -1;
}

// A run of names also selects a key that holds the dots, as everywhere (select.ts).
function behindMember(path: SelectingPath, at: number, key: string): number {
  if (path.kinds[at] === Select.member) return at + 1;
  let name = path.names[at] as string;
  let next = at + 1;
  while (name !== key) {
    if (name.length >= key.length || path.kinds[next] !== Select.name) return -1;
    name += `.${path.names[next] as string}`;
    next++;
  }
  return next;
}
