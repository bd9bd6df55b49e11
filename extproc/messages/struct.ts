import type { JsonObject, JsonValue } from "./messages.ts";
import { Reader } from "./reader.ts";
import { putHead, putText, sizeOfField, sizeOfText } from "./writer.ts";

// google.protobuf.Struct, which is JSON in protobuf's clothes, to plain values and back. Every value costs a message of
// its own there, so attributes are decoded only when somebody asks.

/** As deep as protobuf's own readers go. */
const DEPTH_MAX = 100;

// Struct: map<string, Value> fields = 1. ListValue: repeated Value values = 1. A map entry: key = 1, value = 2.
const FIELDS = 0x0a;
const KEY = 0x0a;
const VALUE = 0x12;

// Value: oneof kind.
const NULL = 0x08;
const NUMBER = 0x11;
const STRING = 0x1a;
const BOOL = 0x20;
const STRUCT = 0x2a;
const LIST = 0x32;
const KNOWN_KINDS = 0b1111110;

/** undefined: the bytes are no Struct, or one deeper or larger than anybody means. */
export function parseStruct(bytes: Uint8Array): JsonObject | undefined {
  const reader = new Reader(bytes);
  const object = readStruct(reader, reader.limit, 0);
  return reader.failed ? undefined : object;
}

/** The names come from outside, so the object has no prototype that `__proto__` or `constructor` could reach. */
export function readStruct(reader: Reader, end: number, depth: number): JsonObject {
  const object: JsonObject = Object.create(null);
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === FIELDS) readEntry(reader, reader.fieldEnd(), depth, object);
    else reader.skip(tag, 1 << 1);
  }
  reader.close(end);
  return object;
}

function readEntry(reader: Reader, end: number, depth: number, object: JsonObject): void {
  let key = "";
  let value: JsonValue = null;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === KEY) key = reader.utf8();
    else if (tag === VALUE) value = readValue(reader, reader.fieldEnd(), depth + 1);
    else reader.skip(tag, 0b110);
  }
  reader.close(end);
  object[key] = value;
}

function readValue(reader: Reader, end: number, depth: number): JsonValue {
  let value: JsonValue = null; // also for a kind that protobuf does not have yet
  reader.countItem();
  if (depth > DEPTH_MAX) reader.fail();
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === STRING) value = reader.utf8();
    else if (tag === NUMBER) value = reader.double();
    else if (tag === BOOL) value = reader.bool();
    else if (tag === STRUCT) value = readStruct(reader, reader.fieldEnd(), depth);
    else if (tag === LIST) value = readList(reader, reader.fieldEnd(), depth);
    else if (tag === NULL) {
      reader.int32();
      value = null;
    } else reader.skip(tag, KNOWN_KINDS);
  }
  reader.close(end);
  return value;
}

function readList(reader: Reader, end: number, depth: number): JsonValue[] {
  const list: JsonValue[] = [];
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === FIELDS) list.push(readValue(reader, reader.fieldEnd(), depth + 1));
    else reader.skip(tag, 1 << 1);
  }
  reader.close(end);
  return list;
}

export function writeStruct(object: JsonObject): Buffer {
  const buffer = Buffer.allocUnsafe(sizeOfStruct(object));
  putStruct(buffer, buffer.length, object);
  return buffer;
}

export function sizeOfStruct(object: JsonObject | Uint8Array): number {
  if (object instanceof Uint8Array) return object.length;
  let size = 0;
  for (const name of Object.keys(object)) {
    const value = sizeOfValue(object[name] as JsonValue);
    size += sizeOfField(sizeOfField(sizeOfText(name)) + sizeOfField(value));
  }
  return size;
}

function sizeOfValue(value: JsonValue): number {
  if (value === null || typeof value === "boolean") return 2;
  if (typeof value === "number") return 9;
  if (typeof value === "string") return sizeOfField(sizeOfText(value));
  if (!Array.isArray(value)) return sizeOfField(sizeOfStruct(value));
  let size = 0;
  for (const item of value) size += sizeOfField(sizeOfValue(item));
  return sizeOfField(size);
}

/** The content of a Struct before `end`; returns where it begins (writer.ts). */
export function putStruct(buffer: Buffer, end: number, object: JsonObject | Uint8Array): number {
  if (object instanceof Uint8Array) {
    buffer.set(object, end - object.length);
    return end - object.length;
  }
  const names = Object.keys(object);
  let pos = end;
  for (let i = names.length - 1; i >= 0; i--) {
    const name = names[i] as string;
    const entryEnd = pos;
    pos = putHead(buffer, putValue(buffer, pos, object[name] as JsonValue), pos, VALUE);
    pos = putHead(buffer, putText(buffer, pos, KEY, name), entryEnd, FIELDS);
  }
  return pos;
}

function putValue(buffer: Buffer, end: number, value: JsonValue): number {
  if (value === null) return putFlag(buffer, end, NULL, 0);
  if (typeof value === "boolean") return putFlag(buffer, end, BOOL, value ? 1 : 0);
  if (typeof value === "string") return putText(buffer, end, STRING, value);
  if (typeof value === "number") {
    buffer.writeDoubleLE(value, end - 8);
    buffer[end - 9] = NUMBER;
    return end - 9;
  }
  if (!Array.isArray(value)) return putHead(buffer, putStruct(buffer, end, value), end, STRUCT);
  let pos = end;
  for (let i = value.length - 1; i >= 0; i--) {
    pos = putHead(buffer, putValue(buffer, pos, value[i] as JsonValue), pos, FIELDS);
  }
  return putHead(buffer, pos, end, LIST);
}

// Which arm of the oneof is there is the message, so its zero is written too.
function putFlag(buffer: Buffer, end: number, tag: number, value: number): number {
  buffer[end - 1] = value;
  buffer[end - 2] = tag;
  return end - 2;
}
