import type { JsonObject, JsonValue } from "../messages.ts";

// google.protobuf.Struct, which is JSON in protobuf's clothes, to plain values and back.

export type WireStruct = { fields?: Record<string, WireValue> };

export type WireValue = {
  kind?: "nullValue" | "numberValue" | "stringValue" | "boolValue" | "structValue" | "listValue";
  nullValue?: number;
  numberValue?: number;
  stringValue?: string;
  boolValue?: boolean;
  structValue?: WireStruct;
  listValue?: { values?: WireValue[] };
};

/** The names come from outside, so the object has no prototype that `__proto__` or `constructor` could reach. */
export function fromStruct(struct: WireStruct): JsonObject {
  const object: JsonObject = Object.create(null);
  const fields = struct.fields ?? {};
  for (const name of Object.keys(fields)) object[name] = fromValue(fields[name] as WireValue);
  return object;
}

export function toStruct(object: JsonObject): WireStruct {
  const fields: Record<string, WireValue> = Object.create(null);
  for (const name of Object.keys(object)) fields[name] = toValue(object[name] as JsonValue);
  return { fields };
}

function fromValue(value: WireValue): JsonValue {
  switch (value.kind) {
    case "numberValue":
      return value.numberValue ?? 0;
    case "stringValue":
      return value.stringValue ?? "";
    case "boolValue":
      return value.boolValue === true;
    case "structValue":
      return fromStruct(value.structValue ?? {});
    case "listValue":
      return (value.listValue?.values ?? []).map(fromValue);
    default:
      return null; // nullValue, or a kind that protobuf does not have yet
  }
}

function toValue(value: JsonValue): WireValue {
  if (value === null) return { nullValue: 0 };
  if (typeof value === "number") return { numberValue: value };
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } };
  return { structValue: toStruct(value) };
}
