/** Deep merge of an object into another (the tee's `additionalBody`, agglo-behaviour 3.7). */
import { copyObject, getOwn, isArray, isObject, type JsonObject, type JsonValue, setOwn } from "./json.ts";

export type Merged = {
  value: JsonObject;
  /** the key at which two values could not be merged; "" when merged */
  conflict: string;
};

/**
 * `base` with `addition` merged in; neither is changed. A new key is added, two objects merge, two arrays are joined,
 * anything else present on both sides is a conflict.
 */
export function merge(base: JsonObject, addition: JsonObject): Merged {
  const merged: Merged = { value: copyObject(base), conflict: "" };
  const keys = Object.keys(addition);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    const added = addition[key] as JsonValue;
    const present = getOwn(base, key);
    if (present === undefined) {
      setOwn(merged.value, key, added);
    } else if (isObject(present) && isObject(added)) {
      const inner = merge(present, added);
      if (inner.conflict !== "") return { value: base, conflict: `${key}.${inner.conflict}` };
      setOwn(merged.value, key, inner.value);
    } else if (isArray(present) && isArray(added)) {
      setOwn(merged.value, key, present.concat(added));
    } else {
      return { value: base, conflict: key };
    }
  }
  return merged;
}
