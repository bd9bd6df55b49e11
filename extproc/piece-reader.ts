/** The body of a message that is treated event by event: bytes in as they come, bytes out as soon as they may go on. */
import { openBytes } from "../engine/core/body/utf8.ts";
import type { JsonObject } from "../engine/core/event/json.ts";
import {
  type EventStream,
  giveUp,
  type InTime,
  newEventStream,
  pushText,
  takeText,
} from "../engine/core/routes/event-stream.ts";
import type { LinkedSection, Verdict } from "../engine/core/routes/section.ts";
import { decodeUtf8, encodeUtf8 } from "../engine/runtime/treat-content.ts";

export type PieceReader = {
  stream: EventStream;
  /** the first bytes of a character whose others have not come */
  tail: Uint8Array;
};

export function newPieceReader(
  section: LinkedSection,
  contentType: string,
  http: JsonObject | undefined,
  traceparent: string,
  inTime: InTime,
): PieceReader {
  return { stream: newEventStream(section, contentType, http, traceparent, inTime), tail: NO_BYTES };
}

/** What may go on now. `reader.stream.verdict` says how it stands; with a reply nothing more goes on. */
export function readPiece(reader: PieceReader, piece: Uint8Array, last: boolean): Uint8Array | Promise<Uint8Array> {
  const { stream } = reader;
  const bytes = reader.tail.length === 0 ? piece : Buffer.concat([reader.tail, piece]);
  const end = bytes.length - (last ? 0 : openBytes(bytes));
  reader.tail = bytes.subarray(end);
  const whole = bytes.subarray(0, end);
  let text = decodeUtf8(whole);
  if (text === undefined) {
    stream.damaged = true;
    text = decodeDamaged(whole);
  }
  const pushed = pushText(stream, text, last);
  if (pushed instanceof Promise) return pushed.then(() => takeBytes(reader));
  return takeBytes(reader);
}

/** Of the event that is coming. */
export function heldBytesOf({ stream, tail }: PieceReader): number {
  return stream.heldBytes + tail.length;
}

/** No more is held of the event that is coming: what there is of it may go on now, or nothing may. */
export function giveUpEvent(reader: PieceReader, fault: Verdict): void {
  giveUp(reader.stream, fault);
}

// --- bytes that are no UTF-8 --------------------------------------------------------------------------------------------
// Their event is a fault, which may pass; the events around it are treated. So they travel through the text, each as a
// lone surrogate, which no valid UTF-8 brings (event-stream.ts).

const LF = 0x0a;
const CR = 0x0d;
const DAMAGED = 0xdc00;

/** Line by line, so that a good line is text whatever stands beside it: where the body was cut makes no difference. */
function decodeDamaged(bytes: Uint8Array): string {
  let text = "";
  let start = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== LF && bytes[i] !== CR && i < bytes.length - 1) continue;
    const line = bytes.subarray(start, i + 1);
    text += decodeUtf8(line) ?? damagedText(line);
    start = i + 1;
  }
  return text;
}

function damagedText(line: Uint8Array): string {
  let text = "";
  for (const byte of line) text += String.fromCharCode(byte < 0x80 ? byte : DAMAGED + byte);
  return text;
}

/** What may go on now and has not been taken. */
export function takeBytes({ stream }: PieceReader): Uint8Array {
  const text = takeText(stream);
  return stream.damaged ? encodeDamaged(text) : encodeUtf8(text);
}

function encodeDamaged(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  let start = 0;
  for (const { index, 0: run } of text.matchAll(/(?<![\ud800-\udbff])[\udc80-\udcff]+/g)) {
    parts.push(encodeUtf8(text.slice(start, index)), Buffer.from(run, "latin1"));
    start = index + run.length;
  }
  parts.push(encodeUtf8(text.slice(start)));
  return Buffer.concat(parts);
}

/** How the message ended, once it has. */
export function verdictOf(reader: PieceReader): Verdict {
  return reader.stream.verdict;
}

const NO_BYTES = new Uint8Array(0);
