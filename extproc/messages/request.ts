import { readHeaderMap } from "./headers.ts";
import { Kind, NO_BYTES, type ProcessingRequest } from "./messages.ts";
import { readProtocolConfig } from "./modes.ts";
import type { Reader } from "./reader.ts";

// ProcessingRequest, as Envoy sends it. A message field that comes twice is the later one alone, where protobuf would
// merge the two: no writer sends that.

/** The one key of ProcessingRequest.attributes (facts 8.2). */
export const FILTER = "envoy.filters.http.ext_proc";

// HttpHeaders, HttpTrailers and HttpBody, which have the same number for what they carry.
const CONTENT = 0x0a;
const HEADERS_END_OF_STREAM = 0x18;
const BODY_END_OF_STREAM = 0x10;

const KNOWN_REQUEST = 0b1110_1111_1100;
const KNOWN_HEADERS = 0b1010;
const KNOWN_BODY = 0b110;
const KNOWN_TRAILERS = 0b10;

function emptyRequest(): ProcessingRequest {
  return {
    kind: Kind.none,
    headers: [],
    body: NO_BYTES,
    endOfStream: false,
    observabilityMode: false,
    protocolConfig: undefined,
    attributes: undefined,
  };
}

/** Reads to the reader's limit. What comes of it counts only if the reader did not fail. */
export function readRequest(reader: Reader): ProcessingRequest {
  const request = emptyRequest();
  while (reader.pos < reader.limit) {
    const tag = reader.tag();
    switch (tag) {
      case 0x12:
      case 0x1a:
        readHeaders(reader, begin(request, tag), reader.fieldEnd());
        break;
      case 0x22:
      case 0x2a:
        readBody(reader, begin(request, tag), reader.fieldEnd());
        break;
      case 0x32:
      case 0x3a:
        readTrailers(reader, begin(request, tag), reader.fieldEnd());
        break;
      case 0x4a:
        readAttributesEntry(reader, request, reader.fieldEnd());
        break;
      case 0x50:
        request.observabilityMode = reader.bool();
        break;
      case 0x5a:
        request.protocolConfig = readProtocolConfig(reader, reader.fieldEnd());
        break;
      default:
        reader.skip(tag, KNOWN_REQUEST);
    }
  }
  return request;
}

// Of the arms of a oneof the last one counts, and leaves nothing of those before it.
function begin(request: ProcessingRequest, tag: number): ProcessingRequest {
  if (request.kind !== Kind.none) {
    request.headers = [];
    request.body = NO_BYTES;
    request.endOfStream = false;
  }
  request.kind = (tag >>> 3) as Kind; // Kind is numbered as the oneof is, and `tag` is one of its six arms
  return request;
}

function readHeaders(reader: Reader, request: ProcessingRequest, end: number): void {
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === CONTENT) request.headers = readHeaderMap(reader, reader.fieldEnd());
    else if (tag === HEADERS_END_OF_STREAM) request.endOfStream = reader.bool();
    else reader.skip(tag, KNOWN_HEADERS);
  }
  reader.close(end);
}

function readBody(reader: Reader, request: ProcessingRequest, end: number): void {
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === CONTENT) request.body = reader.view();
    else if (tag === BODY_END_OF_STREAM) request.endOfStream = reader.bool();
    else reader.skip(tag, KNOWN_BODY);
  }
  reader.close(end);
}

function readTrailers(reader: Reader, request: ProcessingRequest, end: number): void {
  request.endOfStream = true;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === CONTENT) request.headers = readHeaderMap(reader, reader.fieldEnd());
    else reader.skip(tag, KNOWN_TRAILERS);
  }
  reader.close(end);
}

// An entry of map<string, Struct>. Entries of other filters are none of ours.
function readAttributesEntry(reader: Reader, request: ProcessingRequest, end: number): void {
  let key = "";
  let struct: Uint8Array = NO_BYTES;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x0a) key = reader.utf8();
    else if (tag === 0x12) struct = reader.view();
    else reader.skip(tag, 0b110);
  }
  reader.close(end);
  if (key === FILTER) request.attributes = struct;
}
