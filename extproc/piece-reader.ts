/** The body of a message that is treated event by event: bytes in as they come, bytes out as soon as they may go on. */
import { formatOf } from "../engine/core/body/format.ts";
import { openBytes } from "../engine/core/body/utf8.ts";
import type { JsonObject } from "../engine/core/event/json.ts";
import { type EventStream, newEventStream, pushText, takeText } from "../engine/core/routes/event-stream.ts";
import { faulted, type LinkedSection, type Verdict } from "../engine/core/routes/section.ts";

export type PieceReader = {
  stream: EventStream;
  /** the first bytes of a character whose others have not come */
  tail: Uint8Array;
  /** text cannot be read any more and passes */
  raw: boolean;
};

export function newPieceReader(
  section: LinkedSection,
  contentType: string,
  http: JsonObject | undefined,
  traceparent?: string,
): PieceReader {
  const stream = newEventStream(section, formatOf(contentType), contentType, http, traceparent ?? "");
  return { stream, tail: NO_BYTES, raw: false };
}

type Utf8 = {
  decodeUtf8(bytes: Uint8Array): string | undefined;
  encodeUtf8(text: string): Uint8Array;
};

/** What may go on now. `reader.stream.verdict` says how it stands; with a reply nothing more goes on. */
export function readPiece(
  reader: PieceReader,
  piece: Uint8Array,
  last: boolean,
  utf8: Utf8,
): Uint8Array | Promise<Uint8Array> {
  if (reader.raw) return piece;
  const bytes = reader.tail.length === 0 ? piece : Buffer.concat([reader.tail, piece]);
  const open = last ? 0 : openBytes(bytes);
  const text = utf8.decodeUtf8(bytes.subarray(0, bytes.length - open));
  reader.tail = bytes.subarray(bytes.length - open);
  if (text === undefined) return readNoText(reader, bytes, utf8);
  const pushed = pushText(reader.stream, text, piece.length, last);
  if (pushed instanceof Promise) return pushed.then(() => utf8.encodeUtf8(takeText(reader.stream)));
  return utf8.encodeUtf8(takeText(reader.stream));
}

function readNoText(reader: PieceReader, bytes: Uint8Array, utf8: Utf8): Uint8Array {
  const { stream } = reader;
  const held = stream.held;
  stream.held = "";
  stream.verdict = faulted(stream.section, "unparsable", "not valid UTF-8");
  reader.raw = true;
  reader.tail = NO_BYTES;
  return Buffer.concat([utf8.encodeUtf8(held), bytes]);
}

/** How the message ended, once it has. */
export function verdictOf(reader: PieceReader): Verdict {
  return reader.stream.verdict;
}

const NO_BYTES = new Uint8Array(0);
