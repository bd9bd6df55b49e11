/** A JSON message body <-> events: an object is one event, in an array each object is one (http.md, "Content"). */
import { type Event, newEvent } from "../event/event.ts";
import { isArray, isObject, type JsonValue } from "../event/json.ts";
import { type ParseFault, parseText } from "../event/parse.ts";
import { nextMember, openContainer, skipSpace } from "../event/scan.ts";
import { writeEvent } from "../event/write.ts";

export type Body = {
  fault: ParseFault | undefined;
  /** what is wrong, in words, nothing of the text */
  detail: string;
  events: Event[];
};

export function readJsonBody(text: string, depthMax: number): Body {
  const parsed = parseText(text, 0, text.length, depthMax);
  const body: Body = { fault: parsed.fault, detail: parsed.detail, events: [] };
  if (parsed.fault !== undefined) return body;
  if (isObject(parsed.value)) {
    body.events.push(newEvent(parsed.value, text, 0, text.length));
  } else if (isArray(parsed.value)) {
    const cursor = openContainer(text, skipSpace(text, 0), text.length);
    for (let i = 0; nextMember(cursor); i++) {
      const element = parsed.value[i] as JsonValue;
      if (!isObject(element)) return notAnObject(body);
      body.events.push(newEvent(element, text, cursor.valueStart, cursor.valueEnd));
    }
  } else {
    return notAnObject(body);
  }
  return body;
}

function notAnObject(body: Body): Body {
  body.fault = "unparsable";
  body.detail = "not a JSON object or an array of objects";
  return body;
}

/** True when some process changed some event. */
export function isChanged(events: readonly Event[]): boolean {
  for (let i = 0; i < events.length; i++) if (events[i]?.value !== events[i]?.parsed) return true;
  return false;
}

/** The body's text with the events as they are now; what lies between them stays. */
export function writeJsonBody(text: string, events: readonly Event[]): string {
  let out = "";
  let from = 0;
  for (let i = 0; i < events.length; i++) {
    const event = events[i] as Event;
    out += text.slice(from, event.start) + writeEvent(event);
    from = event.end;
  }
  return out + text.slice(from);
}
