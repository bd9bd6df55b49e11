/**
 * A message's body as the events in it, and back to text. A format (json.ts, each.ts, ndjson.ts, sse.ts) is a reader: it
 * says which events a text holds and where. Writing is the same for all: what changed is written anew in its place, what
 * was dropped leaves, everything between stays to the byte.
 */
import { type Event, newEvent } from "../event/event.ts";
import { isObject, type JsonObject } from "../event/json.ts";
import { type ParseFault, parseText } from "../event/parse.ts";
import { writeEvent } from "../event/write.ts";

/** More events than these are `tooLarge` (engine.md, "Memory"): each costs a run, whatever the bytes. */
export const MAX_EVENTS = 10_000;

export type BodyFault = ParseFault | "tooLarge";

export type Body = {
  fault: BodyFault | undefined;
  /** what is wrong, in words, nothing of the text */
  detail: string;
  events: Event[];
  /** where each of them lies */
  places: Place[];
  /** events are members of JSON containers: one that is dropped takes a comma along */
  members: boolean;
};

/** Where an event lies in the body's text. In the order of the text, none inside another. */
export type Place = {
  /** new text of the event replaces text[start, end) */
  start: number;
  end: number;
  /** text[from, to) leaves when the event is dropped; of a member it is what lies between its commas or brackets */
  from: number;
  to: number;
  /** further text that the new one stands for, as pairs of offsets */
  rest: readonly number[];
};

/** A format whose events a message holds one after another. */
export type Format = {
  /** events come one by one and the first may be gone before the last is seen: a refused one is dropped by default */
  stream: boolean;
  read(text: string, depthMax: number): Body;
  /**
   * For a body that comes in pieces: the offset behind the first event that ends in `piece` at or after `from`; -1: none
   * does. `scan` remembers the pieces before, so that no character is looked at twice.
   */
  eventEnd(piece: string, from: number, scan: PieceScan): number;
};

/** Where in an event the last piece ended; 0 at the beginning of a body. The meaning is each format's own. */
export type PieceScan = { state: number };

export function newBody(members: boolean): Body {
  return { fault: undefined, detail: "", events: [], places: [], members };
}

export const NO_OBJECT = "not a JSON object or an array of objects";
export const NO_REST: readonly number[] = [];

export function failBody(body: Body, fault: BodyFault, detail: string): Body {
  body.fault = fault;
  body.detail = detail;
  return body;
}

/** Adds an event; false when the body has too many, which is then its fault. */
function addEvent(body: Body, event: Event, place: Place): boolean {
  if (body.events.length >= MAX_EVENTS) {
    failBody(body, "tooLarge", `more than ${MAX_EVENTS} events`);
    return false;
  }
  body.events.push(event);
  body.places.push(place);
  return true;
}

/**
 * Adds the object in source[start, end), a text of its own among others (a line, a server-sent event); false when it is
 * none, which is then the body's fault. `where` goes before the complaint.
 */
export function addText(
  body: Body,
  source: string,
  start: number,
  end: number,
  depthMax: number,
  place: Place,
  where: string,
): boolean {
  const parsed = parseText(source, start, end, depthMax);
  if (parsed.fault === undefined && isObject(parsed.value)) {
    return addEvent(body, newEvent(parsed.value, source, start, end), place);
  }
  failBody(body, parsed.fault ?? "unparsable", `${where}: ${parsed.fault === undefined ? "no object" : parsed.detail}`);
  return false;
}

/** Adds the object that stands in text[place.start, place.end) and is parsed already. */
export function addParsed(body: Body, text: string, value: JsonObject, place: Place): boolean {
  return addEvent(body, newEvent(value, text, place.start, place.end), place);
}

/** True when some process changed some event. */
export function isChanged(body: Body): boolean {
  const events = body.events;
  for (let i = 0; i < events.length; i++) if (events[i]?.value !== events[i]?.parsed) return true;
  return false;
}

/** The body's text with the events as they are now, without those of which `dropped` holds true by index. */
export function writeBody(text: string, body: Body, dropped: readonly boolean[]): string {
  let out = "";
  let from = 0;
  for (let i = 0; i < body.events.length; i++) {
    const event = body.events[i] as Event;
    const place = body.places[i] as Place;
    if (dropped[i] === true) {
      const last = body.members ? lastOfRun(body.places, dropped, i) : i;
      const until = body.places[last] as Place;
      out += text.slice(from, body.members ? cutStart(text, place, until) : place.from);
      from = body.members ? cutEnd(text, place, until) : place.to;
      i = last;
    } else if (event.value !== event.parsed) {
      out += text.slice(from, place.start) + newText(event, place);
      from = place.end;
      for (let j = 0; j < place.rest.length; j += 2) {
        out += text.slice(from, place.rest[j]);
        from = place.rest[j + 1] as number;
      }
    }
  }
  return out + text.slice(from);
}

// A text put together of several lines goes back on the first: line ends between tokens carry nothing.
function newText(event: Event, place: Place): string {
  const text = writeEvent(event);
  return place.rest.length === 0 ? text : text.split("\n").join("");
}

/** Index of the last of the dropped members that begin with `first` and have only commas between them. */
function lastOfRun(places: readonly Place[], dropped: readonly boolean[], first: number): number {
  let last = first;
  while (dropped[last + 1] === true && places[last + 1]?.from === (places[last] as Place).to + 1) last++;
  return last;
}

// Members that leave take the comma behind them along; at the end of their container, the one before; all of a
// container, none, but the space between its brackets.
function cutStart(text: string, first: Place, last: Place): number {
  return text.charAt(last.to) === "," || isOpening(text.charAt(first.from - 1)) ? first.from : first.from - 1;
}

function cutEnd(text: string, first: Place, last: Place): number {
  if (text.charAt(last.to) === ",") return last.to + 1;
  return isOpening(text.charAt(first.from - 1)) ? last.to : last.end;
}

function isOpening(char: string): boolean {
  return char === "[" || char === "{";
}
