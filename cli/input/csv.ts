/**
 * CSV (RFC 4180): the header line names the fields, each record behind it is an event. Values are strings as they stand:
 * nothing says whether `007` is a number, and a rule that guessed would change what it guessed wrong.
 */
import { type CsvError, type Parser, parse } from "csv-parse";
import { type JsonValue, newObject, setOwn } from "../../engine/core/event/json.ts";
import { stringify } from "../../engine/core/event/write.ts";
import { Ending, Exit } from "../exit.ts";
import { decode } from "./decode.ts";
import { EVENT_LENGTH_MAX, type Found } from "./found.ts";

type Parsed = { record: string[]; info: { lines: number } };

export async function* readCsv(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Found> {
  let broken: CsvError | undefined;
  const parser = parse({
    info: true,
    relax_column_count: true, // counted below: a record of another length is only its own fault
    skip_empty_lines: true,
    max_record_size: EVENT_LENGTH_MAX,
    // An error would take along the records before it that wait to be read.
    skip_records_with_error: true,
    on_skip(error) {
      broken ??= error;
    },
  });
  let header: string[] | undefined;
  for await (const { record, info } of records(parser, bytes)) {
    const line = info.lines - linesIn(record); // it counts the line on which a record ends
    if (broken !== undefined && line > Number(broken.lines)) break;
    if (header === undefined) header = checkHeader(record);
    else yield foundIn(header, record, `line ${line}`);
  }
  if (broken === undefined) return;
  // Behind a quote in the wrong place nobody knows what is inside quotes and what is not.
  const why = describe(broken.code);
  throw new Ending(Exit.data, `line ${String(broken.lines)}: ${why}; nothing from here on was read`);
}

// Not by a pipeline: what goes wrong in front of the parser would take along the records that are complete.
async function* records(parser: Parser, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Parsed> {
  for await (const piece of decode(bytes)) {
    parser.write(piece);
    for (let parsed = parser.read(); parsed !== null; parsed = parser.read()) yield parsed as Parsed;
  }
  parser.end();
  yield* parser as AsyncIterable<Parsed>;
}

function linesIn(record: readonly string[]): number {
  return record.reduce((sum, value) => sum + value.split("\n").length - 1, 0);
}

function checkHeader(names: string[]): string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw new Ending(Exit.data, `line 1: the header line names ${JSON.stringify(twice)} twice; rename one of them`);
}

function foundIn(header: readonly string[], record: readonly string[], place: string): Found {
  if (record.length !== header.length) {
    return { place, fault: `${record.length} values under a header line of ${header.length}` };
  }
  const event = newObject();
  for (const [i, name] of header.entries()) setOwn(event, name, record[i] as JsonValue);
  return { place, text: stringify(event) };
}

// The parser's own messages quote the text.
function describe(code: string): string {
  switch (code) {
    case "CSV_QUOTE_NOT_CLOSED":
      return "a quoted value is not closed";
    case "CSV_INVALID_CLOSING_QUOTE":
      return 'something follows a closing quote; a quote inside a value is written ""';
    case "INVALID_OPENING_QUOTE":
      return "a quote in the middle of a value; quote the whole value and write the quote twice";
    case "CSV_MAX_RECORD_SIZE":
      return `a record is longer than ${EVENT_LENGTH_MAX} bytes`;
    default:
      return `not CSV (${code})`;
  }
}
