/**
 * Server-sent events (text/event-stream, WHATWG HTML section 9.2): blocks of lines, each ended by an empty line. The `data`
 * lines of a block, joined by LF, are its data; a block whose data is a JSON object is an event of ours. Blocks without data,
 * comments and the fields `event`, `id`, `retry` stay to the byte.
 *
 * Data that is no JSON object is `unparsable`: a rule cannot look into it. Two constants are exempt, since they carry
 * nothing that a rule could miss: empty data, and the `[DONE]` with which streams of language models end. A block that
 * the text breaks off is read as if it were ended: browsers drop it, other readers do not.
 */
import { addText, type Body, type Format, NO_REST, newBody, type PieceScan, type Place } from "./body.ts";

export const sse: Format = { stream: true, read: readSse, eventEnd };

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const BOM = 0xfeff;
const END_MARKS = ["", "[DONE]"];

/** The data lines of one block: of each, four offsets: the line, its value, the value's end, the next line. */
type Block = { from: number; lines: number[] };

function readSse(text: string, depthMax: number): Body {
  const body = newBody(false);
  // A byte order mark at the beginning belongs to no line.
  let pos = text.charCodeAt(0) === BOM ? 1 : 0;
  let block: Block = { from: pos, lines: [] };
  const ends: Ends = { feed: -1, carriage: -1 };
  while (pos < text.length) {
    const end = lineEnd(text, pos, ends);
    const next = nextLine(text, end);
    if (end === pos) {
      if (!takeBlock(body, text, block, next, depthMax)) return body;
      block = { from: next, lines: [] };
    } else if (isData(text, pos, end)) {
      block.lines.push(pos, valueStart(text, pos, end), end, next);
    }
    pos = next;
  }
  takeBlock(body, text, block, text.length, depthMax);
  return body;
}

/** Adds the event of a block that ends at `to`, if it has one; false when it is the body's fault. */
function takeBlock(body: Body, text: string, block: Block, to: number, depthMax: number): boolean {
  const lines = block.lines;
  if (lines.length === 0) return true;
  const start = lines[1] as number;
  const end = lines[2] as number;
  const where = `event ${body.events.length + 1}`;
  if (lines.length === 4) {
    if (END_MARKS.indexOf(text.slice(start, end)) !== -1) return true;
    return addText(body, text, start, end, depthMax, { start, end, from: block.from, to, rest: NO_REST }, where);
  }
  let data = text.slice(start, end);
  const rest: number[] = [];
  for (let i = 4; i < lines.length; i += 4) {
    data += `\n${text.slice(lines[i + 1], lines[i + 2])}`;
    rest.push(lines[i] as number, lines[i + 3] as number);
  }
  const place: Place = { start, end, from: block.from, to, rest };
  return addText(body, data, 0, data.length, depthMax, place, where);
}

function isData(text: string, pos: number, end: number): boolean {
  return text.startsWith("data", pos) && (pos + 4 === end || text.charAt(pos + 4) === ":");
}

/** Behind the colon and one space; a line without a colon has an empty value. */
function valueStart(text: string, pos: number, end: number): number {
  const start = Math.min(pos + 5, end);
  return start < end && text.charCodeAt(start) === SPACE ? start + 1 : start;
}

/** Where the next line feed and carriage return are: each is looked for once, however many lines there are. */
type Ends = { feed: number; carriage: number };

function lineEnd(text: string, start: number, ends: Ends): number {
  if (ends.feed < start) ends.feed = indexOrEnd(text, "\n", start);
  if (ends.carriage < start) ends.carriage = indexOrEnd(text, "\r", start);
  return Math.min(ends.feed, ends.carriage);
}

function indexOrEnd(text: string, char: string, start: number): number {
  const index = text.indexOf(char, start);
  return index === -1 ? text.length : index;
}

function nextLine(text: string, end: number): number {
  const pair = text.charCodeAt(end) === CR && text.charCodeAt(end + 1) === LF;
  return Math.min(end + (pair ? 2 : 1), text.length);
}

/** Where a piece of a stream ends, between two characters. */
const At = {
  beginning: 0,
  lineStart: 1,
  inLine: 2,
  /** behind the CR of a line that held something; an LF may belong to it */
  afterCr: 3,
  /** behind the CR of an empty line, which ends an event; an LF may belong to it */
  afterEmptyCr: 4,
} as const;

function eventEnd(piece: string, from: number, scan: PieceScan): number {
  let state = scan.state;
  let end = -1;
  let pos = from;
  while (pos < piece.length && end === -1) {
    const code = piece.charCodeAt(pos);
    if (state === At.afterEmptyCr) {
      end = code === LF ? pos + 1 : pos;
      state = At.lineStart;
    } else if (state === At.afterCr && code === LF) {
      state = At.lineStart;
    } else if (code === LF || code === CR) {
      const empty = state !== At.inLine;
      if (code === CR) state = empty ? At.afterEmptyCr : At.afterCr;
      else {
        state = At.lineStart;
        if (empty) end = pos + 1;
      }
    } else if (code !== BOM || state !== At.beginning) {
      state = At.inLine;
    }
    pos++;
  }
  scan.state = state;
  return end;
}
