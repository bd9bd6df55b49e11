/** Which format a body has, by its media type; whether a section takes it at all is the section's `contentTypes`. */
import type { Format } from "./body.ts";
import { json } from "./json.ts";
import { ndjson } from "./ndjson.ts";
import { sse } from "./sse.ts";

/** Media types whose events come one by one. */
const STREAMS: readonly { mediaType: string; format: Format }[] = [
  { mediaType: "application/x-ndjson", format: ndjson },
  { mediaType: "text/event-stream", format: sse },
];

/** The format of a content-type header's value; whatever is not known is read as JSON. */
export function formatOf(contentType: string): Format {
  if (contentType === "application/json") return json; // nearly always
  const semicolon = contentType.indexOf(";");
  const mediaType = (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  for (let i = 0; i < STREAMS.length; i++) {
    const known = STREAMS[i] as (typeof STREAMS)[number];
    if (known.mediaType === mediaType) return known.format;
  }
  return json;
}

/** True for a media type whose events come one by one. */
export function isStreamType(mediaType: string): boolean {
  return formatOf(mediaType).stream;
}
