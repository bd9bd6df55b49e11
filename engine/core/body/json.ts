/** JSON: an object is one event, in an array each object is one (http.md, "Content"). */
import { isArray, isObject, type JsonValue } from "../event/json.ts";
import { type ParsedText, parseText } from "../event/parse.ts";
import { nextMember, openContainer, skipSpace } from "../event/scan.ts";
import { addParsed, type Body, type Format, failBody, NO_OBJECT, NO_REST, newBody } from "./body.ts";

/** One document: nothing of it is complete before all of it. */
export const json: Format = { stream: false, read: readJson, eventEnd: () => -1 };

function readJson(text: string, depthMax: number): Body {
  return jsonBody(text, parseText(text, 0, text.length, depthMax));
}

/** The events of a text that is parsed already. */
export function jsonBody(text: string, parsed: ParsedText): Body {
  const body = newBody(true);
  if (parsed.fault !== undefined) return failBody(body, parsed.fault, parsed.detail);
  if (isObject(parsed.value)) {
    addParsed(body, text, parsed.value, { start: 0, end: text.length, from: 0, to: text.length, rest: NO_REST });
    return body;
  }
  if (!isArray(parsed.value)) return failBody(body, "unparsable", NO_OBJECT);
  const cursor = openContainer(text, skipSpace(text, 0), text.length);
  for (let i = 0; nextMember(cursor); i++) {
    const element = parsed.value[i] as JsonValue;
    if (!isObject(element)) return failBody(body, "unparsable", NO_OBJECT);
    const place = { start: cursor.valueStart, end: cursor.valueEnd, from: cursor.from, to: cursor.to, rest: NO_REST };
    if (!addParsed(body, text, element, place)) return body;
  }
  return body;
}
