/**
 * An event: the value a pipeline works on, the text it was parsed from, and beside it everything reserved.
 *
 * Reserved keys (`internal:*`) and the host's context never live in the body: conditions and paths that name one read
 * `side` only, so no client can spell its way into a rule, and a body key that happens to begin with `internal:` is
 * plain data, kept and unreachable (design/engine.md, "Event").
 */
import { copyObject, type JsonObject, newObject } from "./json.ts";

export type Event = {
  /** the value now; replaced by processes, never changed in place */
  value: JsonObject;
  /** the value as parsed; value === parsed means untouched. Undefined for an event that came from no text. */
  readonly parsed: JsonObject | undefined;
  /** the text the event was parsed from is text[start, end) */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** reserved keys, `internal:…` -> value */
  side: JsonObject;
};

/** The beginning of every reserved key (agglo-behaviour 3.0). */
const RESERVED_PREFIX = "internal:";

export function isReservedKey(key: string): boolean {
  return key.startsWith(RESERVED_PREFIX);
}

/** An event whose text is text[start, end), already parsed to `value`. */
export function newEvent(value: JsonObject, text: string, start: number, end: number): Event {
  return { value, parsed: value, text, start, end, side: newObject() };
}

/** An event that was made, not parsed. */
export function eventOf(value: JsonObject): Event {
  return { value, parsed: undefined, text: "", start: 0, end: 0, side: newObject() };
}

/** The event once more, for a run of its own: values are never changed in place, so only the side needs copying. */
export function forkEvent(event: Event): Event {
  return {
    value: event.value,
    parsed: event.parsed,
    text: event.text,
    start: event.start,
    end: event.end,
    side: copyObject(event.side),
  };
}
