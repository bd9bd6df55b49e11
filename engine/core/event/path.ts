/**
 * Paths into an event, compiled once. Two kinds:
 *
 * - a plain path, as in the original: `a.b.0`, names joined by dots, array elements by decimal index. It means the nested
 *   value first, then a literal key that holds the dots (`{"a.b": 1}`): the answer that the original's flattened view
 *   gives, without flattening anything (agglo-behaviour 2.1);
 * - a selecting path, where a field may select many: `items[*].card`, `**.email`, `a["x.y"]` (select.ts).
 *
 * A plain path that begins with a reserved key reads the event's side object and nothing else.
 */
import { type Event, isReservedKey } from "./event.ts";
import { copyObject, getOwn, isArray, isObject, type JsonObject, type JsonValue, newObject, setOwn } from "./json.ts";

export type Path = {
  /** as the user wrote it */
  text: string;
  /** the names between the dots; [] only for the empty path */
  names: string[];
  reserved: boolean;
};

export function compilePath(text: string): Path {
  return { text, names: text.split("."), reserved: isReservedKey(text) };
}

/** The value at `path`, or undefined. */
export function lookup(event: Event, path: Path): JsonValue | undefined {
  return probe(path.reserved ? event.side : event.value, path.names, 0);
}

/** True when the path names something a condition can see: a scalar or null, as in the original's flattened view. */
export function isLeaf(value: JsonValue | undefined): boolean {
  return value !== undefined && !isObject(value) && !isArray(value);
}

function probe(value: JsonValue | undefined, names: readonly string[], at: number): JsonValue | undefined {
  if (at === names.length) return value;
  if (isArray(value)) {
    const index = arrayIndex(names[at] as string);
    return index === -1 ? undefined : probe(value[index], names, at + 1);
  }
  if (!isObject(value)) return undefined;
  const nested = getOwn(value, names[at] as string);
  if (nested !== undefined) {
    const found = probe(nested, names, at + 1);
    if (found !== undefined) return found;
  }
  // A key that holds dots itself: "b.c" in {"a": {"b.c": 1}}. Rare, so joined only here.
  let key = names[at] as string;
  for (let next = at + 1; next < names.length; next++) {
    key += `.${names[next] as string}`;
    const literal = getOwn(value, key);
    if (literal === undefined) continue;
    const found = probe(literal, names, next + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The index a name stands for ("0", "17"), -1 for any other name: "01" and "1e0" are no indexes. */
export function arrayIndex(name: string): number {
  const index = +name; // no calls: nginx's engine asks this for every element of a path
  return index >= 0 && index % 1 === 0 && `${index}` === name ? index : -1;
}

export type Written = {
  value: JsonObject;
  /** the name at which the way was blocked by something that is no object; "" when written */
  blockedAt: string;
};

/**
 * A tree in which `names` leads to `value`, sharing the rest with `root`. Missing objects on the way are made; a scalar
 * or an array on the way blocks (the original panics there). At least one name.
 */
export function withValueAt(root: JsonObject, names: readonly string[], value: JsonValue): Written {
  const written: Written = { value: root, blockedAt: "" };
  const copy = copyObject(root);
  let object = copy;
  for (let i = 0; i < names.length - 1; i++) {
    const name = names[i] as string;
    const child = getOwn(object, name);
    if (child !== undefined && !isObject(child)) {
      written.blockedAt = name;
      return written;
    }
    const next = child === undefined ? newObject() : copyObject(child);
    setOwn(object, name, next);
    object = next;
  }
  setOwn(object, names[names.length - 1] as string, value);
  written.value = copy;
  return written;
}
