import type { HeaderSet } from "./messages.ts";
import { usualName } from "./names.ts";
import type { Reader } from "./reader.ts";
import { putHead, putLatin1, putText, sizeOfField, sizeOfText } from "./writer.ts";

// Header lists as the wire has them. Values travel in raw_value and are latin1 strings here: one char per byte.

// HeaderMap: repeated HeaderValue headers = 1.
const HEADERS = 0x0a;

// HeaderValue
const KEY = 0x0a;
const TEXT_VALUE = 0x12;
const RAW_VALUE = 0x1a;

// HeaderMutation
const SET_HEADERS = 0x0a;
const REMOVE_HEADERS = 0x12;

// HeaderValueOption: its header, then `append` and `append_action`, which take four bytes either way. Envoy obeys
// `append` only, other data planes obey `append_action`: both say the same (facts 3.1).
const HEADER = 0x0a;
const APPEND = 0x12;
const OPTION_BYTES = 4;
const OVERWRITE = [0x12, 0x00, 0x18, 0x02] as const; // append {}, append_action OVERWRITE_IF_EXISTS_OR_ADD
const ADD = [0x12, 0x02, 0x08, 0x01] as const; // append { value: true }; APPEND_IF_EXISTS_OR_ADD is 0: never written

/**
 * A HeaderMap: name, value, name, value…
 *
 * All of it becomes one latin1 string, of which the values are slices: one way into native code instead of one for each
 * value halves the cost of a message (bench/messages.ts). A slice keeps that string alive, as a body keeps its message.
 */
export function readHeaderMap(reader: Reader, end: number): string[] {
  const flat: string[] = [];
  const mapStart = reader.pos;
  const mapText = reader.latin1Between(mapStart, end);
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === HEADERS) readHeader(reader, reader.fieldEnd(), flat, mapText, mapStart);
    else reader.skip(tag, 1 << 1);
  }
  reader.close(end);
  return flat;
}

// Envoy fills raw_value; an older or other peer may fill value instead, which is UTF-8.
function readHeader(reader: Reader, end: number, flat: string[], mapText: string, mapStart: number): void {
  let name = "";
  let text = "";
  let raw = "";
  reader.countItem();
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === KEY) name = readName(reader);
    else if (tag === RAW_VALUE) raw = readValue(reader, mapText, mapStart);
    else if (tag === TEXT_VALUE) text = readValue(reader, mapText, mapStart);
    else reader.skip(tag, 0b1110);
  }
  reader.close(end);
  flat.push(name, raw === "" ? text : raw);
}

function readName(reader: Reader): string {
  reader.countItem(); // here too: `key` may come a million times in one header
  const end = reader.fieldEnd();
  const start = reader.pos;
  reader.pos = end;
  return usualName(reader.bytes, start, end) ?? reader.utf8Between(start, end);
}

function readValue(reader: Reader, mapText: string, mapStart: number): string {
  const end = reader.fieldEnd();
  const start = reader.pos;
  reader.pos = end;
  return mapText.slice(start - mapStart, end - mapStart);
}

export function putHeaderMap(buffer: Buffer, end: number, flat: readonly string[]): number {
  let pos = end;
  for (let i = flat.length - 2; i >= 0; i -= 2) {
    const headerEnd = pos;
    pos = putHeader(buffer, pos, flat[i] as string, flat[i + 1] as string);
    pos = putHead(buffer, pos, headerEnd, HEADERS);
  }
  return pos;
}

// Envoy writes an EMPTY header when only `value` is set (facts 3.2).
function putHeader(buffer: Buffer, end: number, name: string, value: string): number {
  return putText(buffer, putLatin1(buffer, end, RAW_VALUE, value), KEY, name);
}

function sizeOfHeader(set: HeaderSet): number {
  return sizeOfField(sizeOfText(set.name)) + sizeOfField(set.value.length);
}

/** Of a HeaderMutation; 0 if there is nothing to set or remove, and then none is written. */
export function sizeOfMutation(sets: readonly HeaderSet[], removals: readonly string[]): number {
  let size = 0;
  for (let i = 0; i < sets.length; i++) {
    size += sizeOfField(sizeOfField(sizeOfHeader(sets[i] as HeaderSet)) + OPTION_BYTES);
  }
  for (let i = 0; i < removals.length; i++) size += sizeOfField(sizeOfText(removals[i] as string));
  return size;
}

export function putMutation(
  buffer: Buffer,
  end: number,
  sets: readonly HeaderSet[],
  removals: readonly string[],
): number {
  let pos = end;
  for (let i = removals.length - 1; i >= 0; i--) pos = putText(buffer, pos, REMOVE_HEADERS, removals[i] as string);
  for (let i = sets.length - 1; i >= 0; i--) {
    const set = sets[i] as HeaderSet;
    const optionEnd = pos;
    const headerEnd = pos - OPTION_BYTES;
    putOption(buffer, headerEnd, set.append ? ADD : OVERWRITE);
    pos = putHead(buffer, putHeader(buffer, headerEnd, set.name, set.value), headerEnd, HEADER);
    pos = putHead(buffer, pos, optionEnd, SET_HEADERS);
  }
  return pos;
}

function putOption(buffer: Buffer, start: number, option: typeof OVERWRITE | typeof ADD): void {
  buffer[start] = option[0];
  buffer[start + 1] = option[1];
  buffer[start + 2] = option[2];
  buffer[start + 3] = option[3];
}

/** A HeaderMutation, as the other side reads it: `append` alone decides, as it does in Envoy (facts 3.1). */
export function readMutation(reader: Reader, end: number, sets: HeaderSet[], removals: string[]): void {
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === SET_HEADERS) sets.push(readHeaderSet(reader, reader.fieldEnd()));
    else if (tag === REMOVE_HEADERS) removals.push(reader.utf8());
    else reader.skip(tag, 0b110);
  }
  reader.close(end);
}

function readHeaderSet(reader: Reader, end: number): HeaderSet {
  const header: string[] = [];
  const start = reader.pos;
  const text = reader.latin1Between(start, end);
  let append = false;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === HEADER) readHeader(reader, reader.fieldEnd(), header, text, start);
    else if (tag === APPEND) append = readBoolValue(reader, reader.fieldEnd());
    else reader.skip(tag, 0b110);
  }
  reader.close(end);
  const last = header.length - 2;
  return { name: header[last] ?? "", value: header[last + 1] ?? "", append };
}

function readBoolValue(reader: Reader, end: number): boolean {
  let value = false;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x08) value = reader.bool();
    else reader.skip(tag, 1 << 1);
  }
  reader.close(end);
  return value;
}
