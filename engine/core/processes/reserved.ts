/** The reserved keys that only a host may write, and how the others go along with a copy of the event. */
import type { RunContext } from "../context.ts";
import { complain, type DocumentPath, type Report } from "../diagnostic.ts";
import { copyObject, getOwn, type JsonObject, setOwn } from "../event/json.ts";

/** The host's context: what is known of the HTTP message (http.md, "Context"). */
export const HTTP_KEY = "internal:http";

/** A process that could write the host's context could make a rule believe what is not so. */
export function refuseHostKey(report: Report, path: string, at: DocumentPath): void {
  if (path !== HTTP_KEY && !path.startsWith(`${HTTP_KEY}.`)) return;
  complain(report, "E_PATH", at, `"${HTTP_KEY}" is written by the host alone`, "choose another key under internal:");
}

/** `payload` with the reserved keys that leave with it: all in hosts without a proxy, else those that `include` names. */
export function withReserved(payload: JsonObject, include: readonly string[], context: RunContext): JsonObject {
  const side = context.event.side;
  return withSide(payload, side, context.reservedInPayload ? Object.keys(side) : include);
}

/** `payload` with those of the side object's keys that are there. */
export function withSide(payload: JsonObject, side: JsonObject, keys: readonly string[]): JsonObject {
  if (keys.length === 0) return payload;
  const copy = copyObject(payload);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    const value = getOwn(side, key);
    if (value !== undefined) setOwn(copy, key, value);
  }
  return copy;
}
