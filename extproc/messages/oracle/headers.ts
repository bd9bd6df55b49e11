import type { HeaderSet } from "../messages.ts";

// Header lists as the wire has them. Values travel in raw_value and are latin1 strings here: one char per byte.

export type WireHeader = { key?: string; value?: string; rawValue?: Buffer };
export type WireHeaderMap = { headers?: WireHeader[] };
export type WireHeaderOption = { header?: WireHeader; append?: { value?: boolean }; appendAction?: number };

/** HeaderValueOption.HeaderAppendAction; its zero, never written as such, is APPEND_IF_EXISTS_OR_ADD. */
const OVERWRITE_IF_EXISTS_OR_ADD = 2;

/** name, value, name, value… */
export function readHeaders(map: WireHeaderMap | undefined): string[] {
  const flat: string[] = [];
  for (const header of map?.headers ?? []) flat.push(header.key ?? "", readValue(header));
  return flat;
}

export function writeHeaders(flat: readonly string[]): WireHeaderMap {
  const headers: WireHeader[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) headers.push(writeHeader(flat[i] as string, flat[i + 1] as string));
  return { headers };
}

/** `append` alone decides, as it does in Envoy (facts 3.1). */
export function readHeaderSets(options: WireHeaderOption[] | undefined): HeaderSet[] {
  return (options ?? []).map((option) => ({
    name: option.header?.key ?? "",
    value: readValue(option.header ?? {}),
    append: option.append?.value === true,
  }));
}

/** Envoy obeys `append` only, other data planes obey `append_action`: both say the same (facts 3.1). */
export function writeHeaderSets(sets: readonly HeaderSet[]): WireHeaderOption[] {
  return sets.map((set) => {
    const header = writeHeader(set.name, set.value);
    if (set.append) return { header, append: { value: true } };
    return { header, append: {}, appendAction: OVERWRITE_IF_EXISTS_OR_ADD };
  });
}

// Envoy fills raw_value; an older or other peer may fill value instead, which is UTF-8.
function readValue(header: WireHeader): string {
  if (header.rawValue !== undefined && header.rawValue.length > 0) return header.rawValue.toString("latin1");
  return Buffer.from(header.value ?? "", "utf8").toString("latin1");
}

// Envoy writes an EMPTY header when only `value` is set (facts 3.2).
function writeHeader(name: string, value: string): WireHeader {
  return { key: name, rawValue: Buffer.from(value, "latin1") };
}
