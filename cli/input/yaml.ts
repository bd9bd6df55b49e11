/**
 * YAML 1.2: each document of the stream is an event, or a list of them. Numbers keep every digit, as JSON's do; what JSON
 * cannot say (`.inf`, a mapping as a key, a tag of its own) fails that document and no other.
 */
import { type Document, isAlias, isCollection, isScalar, LineCounter, parseDocument, type Scalar, visit } from "yaml";
import { isArray, type JsonValue, newRawNumber } from "../../engine/core/event/json.ts";
import { stringify } from "../../engine/core/event/write.ts";
import { Ending, Exit } from "../exit.ts";
import { decode } from "./decode.ts";
import { EVENT_LENGTH_MAX, type Found } from "./found.ts";

/** What the aliases of a document may come to, counted in nodes: the "billion laughs". */
const ALIASES_MAX = 100;

export async function* readYaml(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Found> {
  let line = 1;
  for await (const text of documents(bytes)) {
    yield* foundIn(text, line);
    line += text.split("\n").length - 1;
  }
}

/**
 * The text of one document after the other. A line that begins with `---` or `...` is never content (YAML 1.2.2 section
 * 9.1.2), so a document that is wrong ends where it ends. What stands before a `---` may be directives, which belong to it.
 */
async function* documents(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  let text = "";
  let looked = 0; // the start of the line that is not looked at yet
  for await (const piece of decode(bytes)) {
    text += piece;
    for (let feed = text.indexOf("\n", looked); feed !== -1; feed = text.indexOf("\n", looked)) {
      if (/^---\s/.test(text.slice(looked, looked + 4)) && hasContent(text.slice(0, looked))) {
        yield text.slice(0, looked);
        text = text.slice(looked);
        feed -= looked;
      }
      looked = feed + 1;
    }
    if (text.length > EVENT_LENGTH_MAX)
      throw new Ending(Exit.data, `a document of over ${EVENT_LENGTH_MAX} characters`);
  }
  yield text;
}

/** Whether there is a line besides comments, directives and the marks around documents. */
function hasContent(text: string): boolean {
  return /^(?!\s*(?:#|$)|%|\.\.\.\s*$)/m.test(text);
}

function* foundIn(text: string, line: number): Generator<Found> {
  const lines = new LineCounter();
  const document = parseDocument(text, { intAsBigInt: true, lineCounter: lines, merge: true, prettyErrors: false });
  const placeOf = (offset: number) => `line ${lines.linePos(offset).line + line - 1}`;
  const [wrong] = [...document.errors, ...document.warnings];
  if (wrong !== undefined) {
    // Its message quotes the text: the code says as much.
    yield { place: placeOf(wrong.pos[0]), fault: `no YAML that JSON can say (${wrong.code})` };
    return;
  }
  const place = placeOf(document.contents?.range[0] ?? 0);
  const value = jsonOf(document);
  if ("fault" in value) yield { place, fault: value.fault };
  else if (isArray(value.json)) for (const event of value.json) yield { place, text: stringify(event) };
  else if (value.json !== null) yield { place, text: stringify(value.json) };
}

function jsonOf(document: Document.Parsed): { json: JsonValue } | { fault: string } {
  let fault = "";
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || (typeof node.value !== "bigint" && typeof node.value !== "number")) return;
      const text = numberText(node);
      if (text === "") fault = "a number that JSON does not have";
      else node.value = newRawNumber(text); // toJS passes it on as it is
    },
    Pair(_key, { key }) {
      if (isAlias(key) || isCollection(key) || (isScalar(key) && typeof key.value === "object" && key.value !== null)) {
        fault = "a key that is no plain word";
      }
    },
  });
  if (fault !== "") return { fault };
  try {
    return { json: document.toJS({ maxAliasCount: ALIASES_MAX }) as JsonValue };
  } catch (error) {
    // The library tells them apart by no more than this.
    const isAliases = error instanceof ReferenceError;
    const aliases = `aliases that lead nowhere, or to more than ${ALIASES_MAX} nodes`;
    return { fault: isAliases ? aliases : 'a merge key (<<) that is given no mapping; as data it is written "<<"' };
  }
}

/** JSON's spelling of a YAML number, digit for digit; "": it has none. */
function numberText({ value, source = "" }: Scalar): string {
  if (typeof value === "bigint") return String(value);
  const [, sign = "", whole = "", fraction = "", exponent = ""] =
    /^([-+]?)(\d*)(?:\.(\d*))?([eE][-+]?\d+)?$/.exec(source) ?? [];
  if (whole === "" && fraction === "") return ""; // .inf, .nan
  const digits = whole.replace(/^0+(?=\d)/, "") || "0";
  return `${sign === "-" ? "-" : ""}${digits}${fraction === "" ? "" : `.${fraction}`}${exponent}`;
}
