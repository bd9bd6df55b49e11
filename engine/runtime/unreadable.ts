/**
 * Why a text is no events, and where: `line 3, column 14: not valid JSON`. Looked for once it is known that something is
 * wrong, so that what is right pays nothing. Nothing of the text stands in it.
 */
import { readDocument } from "../config/document.ts";
import { type Body, NO_OBJECT } from "../core/body/body.ts";
import { isArray, isObject, type JsonValue, typeName } from "../core/event/json.ts";

/** In a longer text the place is not looked for: that takes ten times as long as parsing. */
const SEARCHED_CHARS_MAX = 262_144;

/** `body`: what the text was read as, with a fault. */
export function whyUnreadable(text: string, body: Body): string {
  if (text.trim() === "") return "there is no event";
  if (body.fault === "tooLarge" || text.length > SEARCHED_CHARS_MAX) return body.detail;
  if (body.detail === NO_OBJECT) return shapeOf(JSON.parse(text) as JsonValue);
  const [, number, detail = ""] = /^line (\d+): (.*)$/.exec(body.detail) ?? [];
  if (number === undefined) return placed(text, 1, body.detail);
  const line = text.split("\n")[Number(number) - 1] ?? "";
  return placed(line, Number(number), detail);
}

/** `from`: which line of the whole the text begins with. */
function placed(text: string, from: number, detail: string): string {
  // Depth is no slip that stands somewhere.
  const place = detail.startsWith("nested") ? undefined : readDocument(text, "").diagnostics[0]?.place;
  if (place === undefined) return from === 1 ? detail : `line ${from}: ${detail}`;
  return `line ${from + place.line - 1}, column ${place.column}: ${detail}`;
}

function shapeOf(value: JsonValue): string {
  if (!isArray(value)) return `${typeName(value)} is no event: expected a JSON object, or an array of them`;
  const at = value.findIndex((element) => !isObject(element));
  return `element ${at + 1} of the array is ${typeName(value[at])}: expected a JSON object`;
}
